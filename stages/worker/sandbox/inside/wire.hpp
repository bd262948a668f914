// What pid 1 of a box, a broker and a process that was started ahead of its program tell each other. Plain bytes over
// sequenced sockets: one side of it is a library inside an interpreter, which knows nothing else of this project.
#pragma once

#include <sys/resource.h>

#include <cstdint>

namespace stages::worker::sandbox::inside {

// Where such a process finds its socket, and a zygote its system call filter. Above what an interpreter opens, and in
// the smallest table of descriptors that the kernel makes.
inline constexpr int control_fd = 62;
inline constexpr int filter_fd = 63;
// Says which it is: "zygote", "zygote_at_main" or "parked".
inline constexpr const char* role_variable = "WEIR_WARM";
// An interpreter's hook opens this to wait for its program. What it reads then is a text: each variable of the
// environment that is still missing, an empty text, and each argument of the program, every one with a NUL behind it.
inline constexpr const char* order_path = "/.weir/order";

inline constexpr unsigned groups_max = 4;

// Broker to zygote: put a child into this box. Beside it: pidfd of the box's pid 1, the child's end of the socket to
// that pid 1, and the files of `groups` control groups that a process joins by.
struct child_order {
    std::uint32_t owner = 0;  // the user it becomes, where that is not mapped
    std::uint32_t groups = 0;
    bool own_user_namespace = false;
    bool own_group_namespace = false;
    bool idle_scheduling = false;
    std::uint32_t listener_flags = 0;  // not 0: its filter tells of sockets
};

// Zygote to broker: at first that it is ready, and then one for each order; process to pid 1: that it waits for its
// program. Before that, if it has a filter of its own that tells of sockets, another one with the listener beside it.
struct arrival {
    std::int32_t process = 0;  // as pid 1 sees it
    std::int32_t error = 0;    // errno; 0: all is well
    char step[56] = {};        // at what
};

// Pid 1 to the process: begin. Beside it: standard input, output and error, and the text that the hook reads.
struct start_order {
    static constexpr unsigned limits_max = 4;
    struct limit {
        std::int32_t which = 0;
        rlimit value{};
    };
    std::uint32_t limit_count = 0;
    limit limits[limits_max];
};

}  // namespace stages::worker::sandbox::inside
