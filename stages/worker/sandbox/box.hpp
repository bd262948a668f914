// One box: its disk, and the process that becomes pid 1 in new namespaces, shuts itself in and starts the program.
// Called by a broker, which has one thread.
#pragma once

#include <linux/filter.h>
#include <sys/types.h>

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "runtime/base/result.hpp"
#include "stages/worker/sandbox/cgroup.hpp"
#include "stages/worker/sandbox/descriptor.hpp"
#include "stages/worker/sandbox/protocol.hpp"
#include "stages/worker/sandbox/rootfs.hpp"

namespace stages::worker::sandbox {

// The same for all boxes of a server.
struct box_context {
    std::vector<sock_filter> filter;
    std::vector<mask> masks;
    bool own_user_namespace = false;  // the server is not root
    bool limits_by_process = false;   // no cgroup: memory and CPU time are limited for each process
    bool idle_scheduling = false;     // no cpu controller
};

// What pid 1 of a box reports through its pipe. The program never holds that pipe.
struct box_record {
    enum class kind : std::uint32_t { began = 1, ended, failed };
    kind what = kind::began;
    std::int32_t code = 0;  // ended: as wait() gives it; failed: errno
    std::int64_t at_ns = 0;
    bool alone = false;           // ended: there is no other process in the box
    std::array<char, 48> step{};  // failed: at what
};

struct box_files {
    int standard_input = -1;
    int standard_output = -1;
    int standard_error = -1;
    int disk = -1;
    int terminals = -1;            // a devpts, or none; then the three above are its terminal
    std::span<const int> sources;  // of the bytes of files
};

struct box_process {
    pid_t id = 0;
    descriptor handle;   // pidfd of pid 1: readable when the whole tree is gone
    descriptor reports;  // of box_record
};

// A tmpfs that is mounted nowhere yet, with the work directory, /tmp and /dev/shm in it and the script in the first.
runtime::result<descriptor> make_disk(const launch_packet& what, uid_t owner);

// The program runs as `owner` (root servers) or as the mapped user. The calling process's network namespace becomes the
// box's: it must be a fresh one.
runtime::result<box_process> start_box(const box_context& context, const launch_packet& what, uid_t owner,
                                       const box_files& files, const box_group& group);

// Sent to pid 1 of a box from outside it, with a value: pid 1 sends the signal of that number to the program's process
// group. From within the box it means nothing.
inline constexpr int forwarding_signal = 40;

// No program that the calling process executes can have any capability. It keeps its own until then.
void drop_bounding_set();

// Moves the calling process into a network namespace of its own in which only the loopback device is up.
runtime::error_code enter_fresh_network();
// A socket that listens on the loopback device of the calling process's network namespace, at network_port. Whoever has
// it can take connections of the box's programs, from wherever it is.
runtime::result<descriptor> listen_in_network();

}  // namespace stages::worker::sandbox
