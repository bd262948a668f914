// One shard with a sandbox worker on it, for a whole test binary: register it in main() before anything has threads.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/shard_thread.hpp"
#include "stages/worker/sandbox/nursery.hpp"
#include "stages/worker/sandbox/sandbox_worker.hpp"

namespace tests {

// What a run came to, as the observer saw it.
struct outcome {
    stages::worker::verdict verdict;
    std::string standard_output;
    std::string standard_error;
    bool started = false;
    std::int64_t first_output_ms = -1;  // after the call
    std::int64_t whole_ms = 0;          // from call to verdict
    std::int64_t after_cancel_ms = -1;  // from the request to cancel to the verdict
};

struct run_options {
    std::int64_t cancel_after_ms = -1;
    std::int64_t observer_delay_ms = 0;  // of each output(): a slow log
    std::function<void()> on_started;    // on the shard
    // An interactive run: what is typed, in pieces, each when something new was written since the one before.
    std::optional<pipeline::interactive_input> interactive;
    std::vector<std::string> typed;
    bool end_input = false;  // behind the last one
};

class sandbox_host final : public testing::Environment {
  public:
    static sandbox_host& get();

    void SetUp() override;
    void TearDown() override;

    // Whether WEIR_TEST_START=warm asks for the same tests with programs that take the place of what has booted ahead.
    // Nobody follows them either. Nothing may be different but the time.
    static bool starts_warm();
    // A request for `script` with limits that suit a test.
    static stages::worker::launch_request request(const std::string& lang, const std::string& script);
    outcome run(stages::worker::launch_request request, run_options options = {});
    outcome python(const std::string& script) { return run(request("python", script)); }
    outcome bash(const std::string& script) { return run(request("bash", script)); }
    // Several at once.
    std::vector<outcome> run_all(std::vector<stages::worker::launch_request> requests);

    // Memory and processes of trees are limited here.
    [[nodiscard]] bool limits_trees() const { return nursery_->report().limits_trees(); }
    // Else every box has a new one: an ordinary user's, or where the kernel or a container allows no listener.
    static bool reuses_networks();
    // Of this host: the groups of its boxes, and the one around them.
    [[nodiscard]] std::vector<std::string> groups() const;
    [[nodiscard]] const stages::worker::sandbox::launcher_report& report() const { return nursery_->report(); }
    [[nodiscard]] const std::vector<stages::worker::runtimes::installed_runtime>& installed() const {
        return installed_;
    }
    [[nodiscard]] const stages::worker::sandbox::artifact_cache& artifacts() const {
        return artifacts_->part_of({}).cache;
    }
    [[nodiscard]] bool has(const std::string& lang) const;
    [[nodiscard]] stages::worker::sandbox::sandbox_worker& worker() { return *worker_; }
    [[nodiscard]] pid_t broker_process() const { return worker_->broker_process(); }

    // Runs of the language, until the broker has told that something waits for the next one. False if it never will.
    bool wait_for_warm(const std::string& lang);
    // What the broker has last told.
    std::vector<stages::worker::sandbox::pool_packet> pools();
    // The same of all boxes that were asked for before. It tells now and then: this runs two programs and waits. What
    // the last of those leaves may still come.
    std::vector<stages::worker::sandbox::pool_packet> pools_by_now();

    // Nothing of any run is left: no process below the broker, no process of a run's user, no control group, no mount.
    // What waits for the next runs is none of it. Empty when all is well.
    std::string leftovers();
    [[nodiscard]] std::vector<pid_t> zygotes(std::string_view name = "") const;
    // Boxes without a run, and all that is in them.
    [[nodiscard]] std::set<pid_t> waiting_for_runs() const;

  private:
    [[nodiscard]] std::vector<pid_t> children_of_broker() const;

    std::optional<stages::worker::sandbox::nursery> nursery_;
    std::unique_ptr<runtime::shard_group> shards_;
    std::unique_ptr<stages::worker::sandbox::sandbox_worker> worker_;
    std::vector<stages::worker::runtimes::installed_runtime> installed_;
    std::shared_ptr<stages::worker::sandbox::artifact_directory> artifacts_;
    std::string group_name_;
    std::uint32_t first_uid_ = 0;
    unsigned warm_ = 0;  // programs that began so where something waited for them
    unsigned cold_ = 0;
    std::string mounts_before_;
};

// Every folder among the machine's control groups whose name begins so.
std::vector<std::string> group_folders(const std::string& prefix);
// All below a process.
std::set<pid_t> descendants_of(pid_t process);
// The folders in a folder.
std::vector<std::string> folders_in(const std::string& folder);
// Whole file, empty if there is none.
std::string read_file(const std::string& path);

}  // namespace tests
