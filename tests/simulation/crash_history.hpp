// A history of the whole engine on a simulated disk that can be stopped at each operation of that disk, be killed
// there, and be held against the promises afterwards. Everything is decided by the seed; crashes are tried in copies of
// the process (tests/support/child_process.hpp).
#pragma once

#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "tests/simulation/node.hpp"

namespace simulation_tests {

// What a crash leaves of what was under way.
enum class crash_kind : std::uint8_t {
    lost,    // power: nothing that was not durable
    kept,    // power: everything reached the medium, in time
    torn,    // power: any part of it, in any order
    killed,  // the process alone; what was under way may still arrive, late
};
inline constexpr std::size_t crash_kinds = 4;
const char* to_string(crash_kind kind);

struct crash_history_options {
    std::uint64_t seed = 1;
    std::size_t operations = 200;
    // The bug that must be found: durable writes answer without having synced.
    bool lying_disk = false;
};

class crash_history {
  public:
    explicit crash_history(crash_history_options options);
    ~crash_history();

    // Goes on until the disk begins or ends a write, sync, create, rename or remove. False when the script has ended
    // and all that it caused has come to rest.
    bool advance();
    // The node dies now, and the next life begins.
    void crash(crash_kind kind, std::uint64_t seed);
    // The same of a recovery; false when the node is ready or has failed.
    bool advance_recovery();
    // Recovers, and holds everything against the promises: what was acknowledged is there and ends, nothing else is,
    // no attempt was started twice, keys give what they gave, and the next post is accepted.
    void check();

    [[nodiscard]] std::vector<std::string> broken() const { return outside_.broken(); }
    [[nodiscard]] std::size_t acknowledged() const { return outside_.acknowledged().size(); }
    // What the script made the log do.
    [[nodiscard]] storage::embedded::log_directory::counters log_counters() const { return node_->directory().count(); }
    [[nodiscard]] std::uint64_t times(const std::string& what) const;

  private:
    void begin_life();
    void await_ready();
    void schedule_next();
    void act();
    void post_something(std::uint64_t choice, const std::string& key);
    execution_id somebody();
    void run_until_none(const int& left, runtime::seconds limit, const char* what);
    void check_next_post();
    void check_keys();
    void check_ends();
    runtime::task<void> expect_end_of(pipeline::engine& engine, execution_id id, bool whole, int& left);
    void check_lists();
    runtime::task<void> list_all(pipeline::engine& engine, int& left);
    void check_item(const pipeline::execution_view& item, std::set<std::string>& seen);

    template <class Make>
    void on_shard(std::size_t i, Make make);

    crash_history_options options_;
    runtime::simulation::world world_;
    runtime::random_source random_;
    outside_world outside_;
    storage::simulated::disk_image disk_;
    storage::simulated::archive_service archive_;
    node_options node_options_;
    std::shared_ptr<node> node_;
    std::uint64_t lives_ = 0;
    std::size_t done_ = 0;  // operations of the script
    bool scripted_ = true;
    bool at_rest_ = false;
    std::uint64_t changes_seen_ = 0;
    std::set<std::string> requested_;  // the label of each post that was ever sent
    std::set<execution_id> listed_;
};

}  // namespace simulation_tests
