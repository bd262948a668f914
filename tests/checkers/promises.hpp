// Holds promises P1 to P4 against everything that clients and programs saw of one Weir, whatever it ran on: the
// simulated world calls it directly, tests of the real process write what they see into a ledger (check_ledger.cpp).
//
// What is told here is never untold by a crash of the server. Each broken promise is a sentence that begins with its
// number.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/ids.hpp"

namespace tests {

using runtime::execution_id;

// An event as a subscriber saw it.
struct sighting {
    std::uint32_t number = 0;
    std::uint32_t attempt = 0;
    std::string type;   // as the contract names it
    std::string bytes;  // all of it: the same number must always be the same
};

bool is_terminal_event(std::string_view type);

class promises {
  public:
    // A client was told that its post was accepted (P1); under a key always the same id (P2).
    void acknowledged(execution_id id, const std::string& key);
    void cancellation_acknowledged(execution_id id) { cancelled_.insert(id); }
    // A program of this attempt was started; a second time breaks P2.
    void program_started(execution_id id, std::uint32_t attempt);
    // A subscriber that had everything up to `after` was given this event: numbers without a gap, the same number the
    // same event, the beginning in its order, each attempt started once, one terminal event, nothing behind it (P3).
    void delivered(execution_id id, std::uint32_t after, const sighting& what);
    // A client was told how it ended: always the same way.
    void ended(execution_id id, std::string_view status);
    // A client that asked when most_shown() was `least` was shown that there are so many events: never fewer (P3).
    void shown(execution_id id, std::uint32_t least, std::uint32_t last_event);
    // A client asked for something that was acknowledged, and it was not there (P1).
    void not_found(execution_id id, std::string_view asked_for);
    // Everything has had its time: whatever was acknowledged has ended, in its events too (P1, P4).
    void at_rest();
    // Anything else that must not be.
    void broken(std::string what) { broken_.push_back(std::move(what)); }

    [[nodiscard]] const std::map<execution_id, std::string>& acknowledged() const { return acknowledged_; }
    [[nodiscard]] std::uint32_t last_seen(execution_id id) const;
    [[nodiscard]] std::uint32_t most_shown(execution_id id) const;
    [[nodiscard]] bool saw_the_end(execution_id id) const { return terminal_.contains(id); }
    [[nodiscard]] const std::vector<std::string>& all_broken() const { return broken_; }

    // How often rare things happened, so that a run shows what it reached.
    std::map<std::string, std::uint64_t> sometimes;

  private:
    void check_order(execution_id id, const sighting& what);
    // An acknowledged cancellation is missing from the events, all of which were delivered.
    [[nodiscard]] bool lost_cancellation(execution_id id) const;

    std::map<execution_id, std::string> acknowledged_;
    std::map<std::string, execution_id> by_key_;
    std::map<std::pair<execution_id, std::uint32_t>, int> starts_;
    std::map<execution_id, std::map<std::uint32_t, sighting>> events_;
    std::map<execution_id, std::uint32_t> terminal_;
    std::map<execution_id, std::uint32_t> shown_;
    std::map<execution_id, std::string> ends_;
    std::set<execution_id> cancelled_;
    std::vector<std::string> broken_;
};

}  // namespace tests
