// The process from which all brokers come. A server with threads must not fork, so main() forks the nursery first; the
// nursery then forks a broker whenever a shard asks for one, also to replace one that died. It dies with the main
// thread, takes its brokers along, and removes the control groups.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "runtime/base/result.hpp"
#include "stages/worker/sandbox/cgroup.hpp"
#include "stages/worker/sandbox/descriptor.hpp"
#include "stages/worker/sandbox/rootfs.hpp"

namespace stages::worker::sandbox {

struct launcher_options {
    // The name of this server's control group, the same at every start of the same server and no other's: whatever an
    // earlier life has left under it is killed and removed when the first broker is asked for.
    std::string group_name = "weir";
    std::uint32_t first_uid =
        200'000;                    // a root server's programs run as ids from here on, 2 * boxes_max for each broker
    std::uint32_t boxes_max = 512;  // at once, of one broker: at least the seats that its shard can have
    std::vector<std::string> etc;   // patterns of what boxes see of the machine's /etc beside the usual
    std::uint32_t pool_max = 0;     // boxes that a broker keeps ready, of each kind; 0: none
    std::vector<hook_file> hooks;   // of interpreters that boot ahead of their programs
    rung highest_rung = rung::cgroup2;  // to go down the ladder on purpose
    // Programs get only the CPU time that nobody else on the machine wants: so the server answers as if they were not
    // there, and so they stand still while something else takes all CPUs. Else they compete like any other process.
    bool leftover_cpu = true;
};

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
    // Forks. Call it on the main thread while there is no other thread, and before files are opened that programs must
    // never see. `channels`: one for each shard. Waits (at most a minute) until the nursery has probed the machine.
    static runtime::result<nursery> fork_one(const launcher_options& options, std::size_t channels);

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
