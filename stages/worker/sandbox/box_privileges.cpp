// What all that runs in boxes may have, whatever the request: limits of each process, and no capability.
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "runtime/base/last_error.hpp"
#include "stages/worker/sandbox/box.hpp"

namespace stages::worker::sandbox {
namespace {

constexpr std::uint64_t open_files_soft = 1024;
constexpr std::uint64_t open_files_hard = 4096;
constexpr std::uint64_t stack_soft = 8ULL << 20;
constexpr std::uint64_t stack_hard = 64ULL << 20;
constexpr std::uint64_t locked_memory = 64ULL << 10;

runtime::error_code set_limit(int which, std::uint64_t soft, std::uint64_t hard) {
    rlimit now{};
    if (getrlimit(static_cast<__rlimit_resource_t>(which), &now) != 0) return runtime::last_error();
    const rlimit wanted{std::min<rlim_t>(soft, now.rlim_max), std::min<rlim_t>(hard, now.rlim_max)};
    if (setrlimit(static_cast<__rlimit_resource_t>(which), &wanted) != 0) return runtime::last_error();
    return {};
}

}  // namespace

const char* set_common_limits() {
    if (set_limit(RLIMIT_CORE, 0, 0)) return "core limit";
    if (set_limit(RLIMIT_NOFILE, open_files_soft, open_files_hard)) return "open file limit";
    if (set_limit(RLIMIT_STACK, stack_soft, stack_hard)) return "stack limit";
    if (set_limit(RLIMIT_MEMLOCK, locked_memory, locked_memory)) return "locked memory limit";
    return nullptr;
}

void drop_bounding_set() {
    for (int capability = 0; capability < 64; ++capability)
        if (prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) != 0) return;  // the kernel knows no further ones
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
