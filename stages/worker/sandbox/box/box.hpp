// One box: its disk, and the process that becomes pid 1 in new namespaces, shuts itself in and then waits for orders:
// to start a program at once, or to have one boot ahead of its order. Called by a broker, which has one thread.
#pragma once

#include <sys/resource.h>
#include <sys/types.h>

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "runtime/base/result.hpp"
#include "stages/worker/sandbox/box/rootfs.hpp"
#include "stages/worker/sandbox/channel/descriptor.hpp"
#include "stages/worker/sandbox/channel/low_slots.hpp"
#include "stages/worker/sandbox/channel/protocol.hpp"
#include "stages/worker/sandbox/devices/box_network.hpp"
#include "stages/worker/sandbox/filter/seccomp_filter.hpp"
#include "stages/worker/sandbox/limits/cgroup.hpp"

namespace stages::worker::sandbox {

// The same for all boxes of a server.
struct box_context {
    box_filters filters;
    std::vector<mask> masks;
    bool own_user_namespace = false;  // the server is not root
    bool limits_by_process = false;   // no cgroup: memory and CPU time are limited for each process
    bool idle_scheduling = false;     // no cpu controller
    // Not 0: the filter tells of sockets that are not local, so that it is known whether a box may have changed its
    // network.
    unsigned listener_flags = 0;
};

// What pid 1 of a box reports over its socket. The program never holds that socket.
struct box_record {
    // made: pid 1 has shut itself in, and others may enter; ready: a program has booted and waits.
    enum class kind : std::uint32_t { made = 1, ready, began, ended, failed };
    kind what = kind::began;
    std::int32_t code = 0;  // ended: as wait() gives it; failed: errno
    std::int64_t at_ns = 0;
    bool alone = false;           // ended: there is no other process in the box
    bool network_as_new = false;  // ended: no socket was made but local ones, and none will
    std::array<char, 48> step{};  // failed: at what
};

struct box_process {
    pid_t id = 0;
    descriptor handle;                     // pidfd of pid 1: readable when the whole tree is gone
    descriptor socket;                     // orders in, box_record out
    descriptor program_end;                // of a socket between pid 1 and a program that boots ahead of its order
    std::optional<low_slots::loan> slots;  // until pid 1 reports
};

struct disk_size {
    std::uint64_t bytes = 64ULL << 20;
    std::uint64_t inodes = 16384;
    bool operator==(const disk_size&) const = default;
};
// What is put in is not taken from what the program may write.
disk_size disk_size_for(const launch_packet& what);
// A tmpfs that is mounted nowhere yet, with the work directory, /tmp and /dev/shm in it.
runtime::result<descriptor> make_disk(uid_t owner, const disk_size& size);
// Nothing but pid 1 has run there yet.
runtime::error_code resize_disk(int disk, const disk_size& size);

// Its pid 1 runs as `owner` (root servers) or as the mapped user, and waits for:
//
//   park_packet    once, or never: a program boots ahead. Beside it that program's end of its socket to pid 1. What a
//                  zygote has in the box needs no packet.
//   launch_packet  once: the program begins. Beside it what came with it from the shard.
//
// `terminals`: a devpts, or -1. `network`: of `networks`, and nobody else's.
runtime::result<box_process> start_box(const box_context& context, uid_t owner, int disk, int terminals,
                                       box_group& group, const box_networks& networks, const box_network& network,
                                       low_slots& slots);

// Sent to pid 1 of a box from outside it, with a value: pid 1 sends the signal of that number to the program's process
// group. From within the box it means nothing.
inline constexpr int forwarding_signal = 40;

// As the kernel shows pid 1 of a box that waits, and of one whose program has begun.
inline constexpr const char* waiting_box_name = "weir-spare";
inline constexpr const char* box_name = "weir-box";

// The limits of a process that do not depend on a request; all that run in boxes have them. Null, or what failed.
const char* set_common_limits();
// No more than the calling process may have itself.
rlimit within_own(int which, rlimit wanted);

// In a new user namespace: the user and group of the one above that are `inner` here, and nobody else. Null, or what
// was refused, with errno.
const char* map_ids(std::uint32_t inner, uid_t user, gid_t group);

// What a zygote needs to enter a box and to become its user: programs that root executes have these even when the
// bounding set is empty. A box's pid 1 and all that is below it lose these too.
void allow_zygotes();

}  // namespace stages::worker::sandbox
