// What no crash of a server undoes: the programs that were started, and what clients were told. The checkers hold the
// promises against it.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "pipeline/engine.hpp"
#include "tests/support/letter_checker.hpp"

namespace simulation_tests {

using runtime::execution_id;

// An event as a subscriber saw it: the same number must always be the same.
std::string fingerprint(const pipeline::event& e);

class outside_world {
  public:
    // A worker starts a program. Starting the same attempt twice breaks promise P2.
    void program_started(execution_id id, std::uint32_t attempt);
    // A client was told that its post was accepted (P1); under a key always the same id.
    void acknowledged(execution_id id, const std::string& key);
    // A subscriber was given an event: numbers without a gap, the same number the same event, one terminal (P3).
    void delivered(execution_id id, std::uint32_t cursor, const pipeline::event& e);
    // A client was told how an execution ended: always the same way.
    void ended(execution_id id, pipeline::status how);
    // A client was shown that there are so many events: who asks later is never shown fewer.
    void shown(execution_id id, std::uint32_t last_event);
    [[nodiscard]] std::uint32_t most_shown(execution_id id) const;
    void cancellation_acknowledged(execution_id id) { cancelled_.insert(id); }

    [[nodiscard]] const std::map<execution_id, std::string>& acknowledged() const { return acknowledged_; }
    // True when an acknowledged cancellation is missing from the events, all of which were delivered.
    [[nodiscard]] bool lost_cancellation(execution_id id) const;
    [[nodiscard]] std::uint32_t last_seen(execution_id id) const;
    [[nodiscard]] bool saw_the_end(execution_id id) const { return terminal_.contains(id); }

    void broken(std::string what) { broken_.push_back(std::move(what)); }
    [[nodiscard]] std::vector<std::string> broken() const {
        auto out = broken_;
        out.insert(out.end(), letters.broken().begin(), letters.broken().end());
        return out;
    }
    [[nodiscard]] bool is_whole() const { return broken_.empty() && letters.broken().empty(); }

    // How often rare things happened, so that a run shows what it reached.
    std::map<std::string, std::uint64_t> sometimes;

    // Letters between partitions: taken once and in order.
    tests::letter_checker letters;

  private:
    std::map<execution_id, std::string> acknowledged_;
    std::map<std::string, execution_id> by_key_;
    std::map<std::pair<execution_id, std::uint32_t>, int> starts_;
    std::map<execution_id, std::map<std::uint32_t, std::string>> events_;
    std::map<execution_id, std::uint32_t> terminal_;
    std::map<execution_id, std::uint32_t> shown_;
    std::map<execution_id, pipeline::status> ends_;
    std::set<execution_id> cancelled_;
    std::vector<std::string> broken_;
};

}  // namespace simulation_tests
