// What a process does with itself before a user's program may have it: pid 1 of a box, and a zygote's child, which is
// an interpreter. System calls alone, so that both can: one of them has no other library than the C library, whose
// open() it stands in for. Each answers null, or at what it failed, with errno.
#pragma once

#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace stages::worker::sandbox::inside {

// `entries`: files of control groups that a process joins by. Then the OOM score and SCHED_IDLE, so that others come
// first when memory or CPU is scarce.
inline const char* join_groups(const int* entries, unsigned count, bool idle_scheduling) {
    for (unsigned i = 0; i < count; ++i)
        if (write(entries[i], "0", 1) != 1) return "join the control group";
    const auto file = static_cast<int>(syscall(SYS_openat, AT_FDCWD, "/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC));
    if (file >= 0) static_cast<void>(write(file, "500", 3) == 3);  // only a wish
    if (file >= 0) close(file);
    const sched_param none{};
    if (idle_scheduling && sched_setscheduler(0, SCHED_IDLE, &none) != 0) return "SCHED_IDLE";
    return nullptr;
}

// No program that the calling process executes can have any capability. It keeps its own until then.
inline void drop_bounding_set() {
    for (int capability = 0; capability < 64; ++capability)
        if (prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) != 0) return;  // the kernel knows no further ones
}

// From here on it is that user, for good. In a user namespace of the box's own it is already.
inline const char* drop_privileges(bool own_user_namespace, uid_t owner) {
    // A root server's nursery has none left; a new user namespace begins with all.
    if (own_user_namespace) drop_bounding_set();
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    // Straight to the kernel: glibc's wrappers would look for other threads of a copied process.
    if (!own_user_namespace) {
        if (syscall(SYS_setgroups, 0, nullptr) != 0) return "setgroups";
        if (syscall(SYS_setresgid, owner, owner, owner) != 0) return "setresgid";
        if (syscall(SYS_setresuid, owner, owner, owner) != 0) return "setresuid";
    }
    __user_cap_header_struct head{_LINUX_CAPABILITY_VERSION_3, 0};
    __user_cap_data_struct none[2]{};
    if (syscall(SYS_capset, &head, none) != 0) return "capset";
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 ? nullptr : "no_new_privs";
}

}  // namespace stages::worker::sandbox::inside
