// What outlives a node knows about the letters that its partitions took: whether each was taken once and in order.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "pipeline/letters/letter.hpp"

namespace tests {

class letter_checker {
  public:
    using lane = std::pair<runtime::partition_id, runtime::partition_id>;  // from, to

    // A node was started: what its log holds is folded again, from wherever it begins.
    void begin_life() { last_.clear(); }

    void taken(const pipeline::letters::arrival& in) {
        const lane where{in.from, in.to};
        const auto number = in.what.number;
        const auto [last, first] = last_.emplace(where, number);
        if (!first && number <= last->second) broken_.push_back(name(where, number) + " was taken twice");
        if (!first && number > last->second + 1) broken_.push_back(name(where, number) + " was taken too early");
        last->second = number;
        // A crash may undo a reception; whatever is delivered in its place is the same.
        const auto [body, fresh] = bodies_[where].emplace(number, in.what.what.body);
        if (!fresh && body->second != in.what.what.body) broken_.push_back(name(where, number) + " is another letter");
    }
    // A sender believes that its receiver has everything up to here.
    void claimed(lane where, std::uint64_t delivered, std::uint64_t received) {
        if (received < delivered) broken_.push_back(name(where, delivered) + " counts as delivered and is not there");
    }
    // When all is quiet: everything that was written was taken.
    void at_rest(lane where, std::uint64_t sent, std::uint64_t received) {
        if (received != sent)
            broken_.push_back(name(where, sent) + " was written, and taken is " + std::to_string(received));
    }
    [[nodiscard]] const std::vector<std::string>& broken() const { return broken_; }
    // Different letters that were ever taken in a lane.
    [[nodiscard]] std::size_t count(lane where) const {
        const auto it = bodies_.find(where);
        return it == bodies_.end() ? 0 : it->second.size();
    }

  private:
    static std::string name(lane where, std::uint64_t number) {
        return "letter " + std::to_string(number) + " from " + std::to_string(where.first.value) + " to " +
               std::to_string(where.second.value);
    }
    std::map<lane, std::uint64_t> last_;
    std::map<lane, std::map<std::uint64_t, std::string>> bodies_;
    std::vector<std::string> broken_;
};

}  // namespace tests
