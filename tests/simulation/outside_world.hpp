// What no crash of a server undoes: the programs that were started, and what clients were told. The checkers hold the
// promises against it.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "pipeline/engine.hpp"
#include "tests/checkers/promises.hpp"
#include "tests/support/letter_checker.hpp"

namespace simulation_tests {

using runtime::execution_id;

// An event as a subscriber saw it.
tests::sighting sighting_of(const pipeline::event& e);

class outside_world : public tests::promises {
  public:
    // An event has left the server for a subscriber.
    void delivered(execution_id id, std::uint32_t after, const pipeline::event& e) {
        promises::delivered(id, after, sighting_of(e));
    }
    void ended(execution_id id, pipeline::status how) { promises::ended(id, pipeline::to_string(how)); }

    // And it has come to that subscriber, who goes on behind it: what was under way when the connection broke is read
    // again.
    void received(execution_id id, std::uint32_t last) { received_[id] = last; }
    [[nodiscard]] std::uint32_t last_received(execution_id id) const {
        const auto it = received_.find(id);
        return it == received_.end() ? 0 : it->second;
    }

    using promises::broken;
    [[nodiscard]] std::vector<std::string> broken() const {
        auto out = all_broken();
        out.insert(out.end(), letters.broken().begin(), letters.broken().end());
        return out;
    }
    [[nodiscard]] bool is_whole() const { return all_broken().empty() && letters.broken().empty(); }

    // Letters between partitions: taken once and in order.
    tests::letter_checker letters;

  private:
    std::map<execution_id, std::uint32_t> received_;
};

}  // namespace simulation_tests
