// The process from which all brokers come. A server with threads must not fork, so main() executes the nursery first
// (launcher/nursery_process.hpp is what runs there); the nursery then forks a broker whenever a shard asks for one,
// also to replace one that died. It dies with the main thread, takes its brokers along, and removes the control groups.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "runtime/base/result.hpp"
#include "stages/worker/sandbox/channel/descriptor.hpp"
#include "stages/worker/sandbox/channel/launcher_options.hpp"

namespace stages::worker::sandbox {

// What this machine can enforce.
struct launcher_report {
    rung level = rung::rlimit;
    std::string problem;               // not empty: no boxes at all
    std::vector<std::string> missing;  // what is not there, and why

    [[nodiscard]] bool limits_trees() const { return problem.empty() && level != rung::rlimit; }
    [[nodiscard]] std::string describe() const;
};

class nursery {
  public:
    // Forks, and executes it there. Call it on the main thread while there is no other thread, and before files are
    // opened that programs must never see. `channels`: one for each shard. Waits (at most a minute) until the nursery
    // has probed the machine.
    static runtime::result<nursery> start(const launcher_options& options, std::size_t channels);

    [[nodiscard]] const launcher_report& report() const { return report_; }
    [[nodiscard]] pid_t process() const { return process_; }
    // The i-th shard's end, once. When all are closed the nursery ends.
    [[nodiscard]] descriptor take_channel(std::size_t i) { return std::move(channels_.at(i)); }

  private:
    nursery() = default;
    pid_t process_ = 0;
    launcher_report report_;
    std::vector<descriptor> channels_;
};

}  // namespace stages::worker::sandbox
