// The file system that every box begins with: a small read-only tmpfs with the machine's /usr bound into it, an /etc
// and a /dev of its own, and empty places for what each box mounts. The nursery builds it once, in a private mount
// namespace, and moves into it (pivot_root, the old root detached): so neither a broker nor a box can name a file of
// the machine that is not in it, and a box copies only a handful of mounts.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "stages/worker/sandbox/channel/launcher_options.hpp"

namespace stages::worker::sandbox {

struct mask {
    std::string path;  // below /proc
    bool is_directory = false;
};

inline constexpr const char* warm_library_path = "/.weir/warm.so";

struct rootfs_plan {
    bool own_user_namespace = false;  // when not root
    std::uint32_t first_uid = 0;      // user ids that get a line in /etc/passwd
    std::uint32_t uid_count = 0;
    std::vector<std::string> etc;  // patterns of what is copied of /etc beside the usual
    std::vector<warm_file> warm_files;
};

struct rootfs {
    std::string problem;      // empty if it was built
    std::vector<mask> masks;  // what of /proc a box must not see, as far as this kernel has it
};

// Moves the calling process, which has one thread, into the new root. On a problem the process is of no further use.
rootfs enter_rootfs(const rootfs_plan& plan);

// The user id of programs where there is no user id for each run: the one that the box's user namespace maps.
inline constexpr std::uint32_t mapped_uid = 1000;
// As /etc/passwd has it, for USER and LOGNAME.
std::string user_name(std::uint32_t uid);

}  // namespace stages::worker::sandbox
