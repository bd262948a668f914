// What all that runs in boxes may have, whatever the request: limits of each process, and no capability.
#include <fcntl.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "stages/worker/sandbox/box/box.hpp"
#include "stages/worker/sandbox/limits/cgroup_files.hpp"

namespace stages::worker::sandbox {
namespace {

struct common_limit {
    int which;
    rlimit most;
    const char* name;
};
constexpr std::array common_limits{common_limit{RLIMIT_CORE, {0, 0}, "core limit"},
                                   common_limit{RLIMIT_NOFILE, {1024, 4096}, "open file limit"},
                                   common_limit{RLIMIT_STACK, {8U << 20, 64U << 20}, "stack limit"},
                                   common_limit{RLIMIT_MEMLOCK, {64U << 10, 64U << 10}, "locked memory limit"}};

}  // namespace

rlimit within_own(int which, rlimit wanted) {
    rlimit own{};
    if (getrlimit(static_cast<__rlimit_resource_t>(which), &own) != 0) return wanted;
    return {std::min(wanted.rlim_cur, own.rlim_max), std::min(wanted.rlim_max, own.rlim_max)};
}

const char* set_common_limits() {
    for (const auto& [which, most, name] : common_limits) {
        const auto value = within_own(which, most);
        if (setrlimit(static_cast<__rlimit_resource_t>(which), &value) != 0) return name;
    }
    return nullptr;
}

const char* map_ids(std::uint32_t inner, uid_t user, gid_t group) {
    const auto line = [inner](std::uint32_t outer) {
        return std::to_string(inner) + " " + std::to_string(outer) + " 1";
    };
    if (!write_at(AT_FDCWD, "/proc/self/setgroups", "deny")) return "/proc/self/setgroups";
    if (!write_at(AT_FDCWD, "/proc/self/uid_map", line(user))) return "/proc/self/uid_map";
    return write_at(AT_FDCWD, "/proc/self/gid_map", line(group)) ? nullptr : "/proc/self/gid_map";
}

void allow_zygotes() {
    __user_cap_header_struct head{_LINUX_CAPABILITY_VERSION_3, 0};
    __user_cap_data_struct sets[2]{};
    if (syscall(SYS_capget, &head, sets) != 0) return;
    sets[0].inheritable =
        1U << CAP_SYS_ADMIN | 1U << CAP_SYS_CHROOT | 1U << CAP_SYS_PTRACE | 1U << CAP_SETUID | 1U << CAP_SETGID;
    // Without them there are no zygotes, and programs start cold.
    static_cast<void>(syscall(SYS_capset, &head, sets));
}

}  // namespace stages::worker::sandbox
