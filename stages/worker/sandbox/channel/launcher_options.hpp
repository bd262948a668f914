// What a server tells its launcher: the processes that start and end boxes.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace stages::worker::sandbox {

// The numbers of its sockets begin here: its reports, and then the shards' channels.
inline constexpr int first_launcher_fd = 3;
// Until it has probed the machine: one under load, or one that still takes an earlier life apart.
inline constexpr int launcher_patience_ms = 60'000;

// How the limits of a whole tree are enforced; docs/sandbox.md has the ladder.
enum class rung : std::uint8_t { cgroup2 = 0, cgroup1 = 1, rlimit = 2 };
std::string_view to_string(rung value);  // "cgroup2", "cgroup1", "rlimit"

// What an interpreter that boots ahead of its program finds in the root: below .weir its hook, which tells it what to
// do; in box, which programs see only with their disks in front of it, the program that it rehearses.
struct warm_file {
    std::string folder;  // below the root
    std::string name;
    std::string text;
    friend bool operator==(const warm_file&, const warm_file&) = default;
};

struct launcher_options {
    // The name of this server's control group, the same at every start of the same server and no other's: whatever an
    // earlier life has left under it is killed and removed when the first broker is asked for.
    std::string group_name = "weir";
    std::uint32_t first_uid =
        200'000;                    // a root server's programs run as ids from here on, 2 * boxes_max for each broker
    std::uint32_t boxes_max = 512;  // at once, of one broker: at least the seats that its shard can have
    std::vector<std::string> etc;   // patterns of what boxes see of the machine's /etc beside the usual
    std::uint32_t pool_max = 0;     // boxes that a broker keeps ready, of each kind; 0: none
    std::vector<warm_file> warm_files;
    rung highest_rung = rung::cgroup2;  // to go down the ladder on purpose
    // Programs get only the CPU time that nobody else on the machine wants: so the server answers as if they were not
    // there, and so they stand still while something else takes all CPUs. Else they compete like any other process.
    bool leftover_cpu = true;
    friend bool operator==(const launcher_options&, const launcher_options&) = default;
};

}  // namespace stages::worker::sandbox
