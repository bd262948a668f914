#include "stages/worker/sandbox/filter/seccomp_filter.hpp"

#include <linux/audit.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "runtime/base/last_error.hpp"
#include "stages/worker/sandbox/channel/descriptor.hpp"
#include "stages/worker/sandbox/filter/syscall_tree.hpp"

namespace stages::worker::sandbox {
namespace {

#if defined(__x86_64__)
constexpr std::uint32_t native_architecture = AUDIT_ARCH_X86_64;
#elif defined(__aarch64__)
constexpr std::uint32_t native_architecture = AUDIT_ARCH_AARCH64;
#else
#error "the sandbox knows x86_64 and aarch64"
#endif

// From here on numbers are the same on all architectures; what lies above was looked at by nobody here.
constexpr std::uint32_t first_unknown_number = 457;

// Mounts and roots; namespaces; other processes; the kernel itself; keys; time and accounting; io_uring, which goes
// around any filter; and what no program needs.
constexpr std::array denied{"mount",
                            "umount",
                            "umount2",
                            "pivot_root",
                            "chroot",
                            "move_mount",
                            "open_tree",
                            "fsopen",
                            "fsconfig",
                            "fsmount",
                            "fspick",
                            "mount_setattr",
                            "name_to_handle_at",
                            "open_by_handle_at",
                            "quotactl",
                            "quotactl_fd",
                            "swapon",
                            "swapoff",
                            "ptrace",
                            "process_vm_readv",
                            "process_vm_writev",
                            "process_madvise",
                            "process_mrelease",
                            "pidfd_getfd",
                            "kcmp",
                            "bpf",
                            "perf_event_open",
                            "userfaultfd",
                            "kexec_load",
                            "kexec_file_load",
                            "init_module",
                            "finit_module",
                            "delete_module",
                            "create_module",
                            "query_module",
                            "get_kernel_syms",
                            "reboot",
                            "syslog",
                            "iopl",
                            "ioperm",
                            "modify_ldt",
                            "uselib",
                            "lookup_dcookie",
                            "nfsservctl",
                            "_sysctl",
                            "sysfs",
                            "ustat",
                            "vhangup",
                            "personality",
                            "memfd_secret",
                            "fanotify_init",
                            "fanotify_mark",
                            "move_pages",
                            "migrate_pages",
                            "mbind",
                            "set_mempolicy",
                            "set_mempolicy_home_node",
                            "add_key",
                            "keyctl",
                            "request_key",
                            "acct",
                            "clock_adjtime",
                            "adjtimex",
                            "clock_settime",
                            "settimeofday",
                            "stime",
                            "io_uring_setup",
                            "io_uring_enter",
                            "io_uring_register"};

// By these a zygote puts its child into a box.
constexpr std::array ways_into_a_box{"unshare", "setns"};

// cgroup (0x02000000) and time (0x80) namespaces are missing in older headers.
constexpr std::array<std::uint64_t, 8> namespace_flags{CLONE_NEWNS,  CLONE_NEWUTS, CLONE_NEWIPC, CLONE_NEWUSER,
                                                       CLONE_NEWPID, CLONE_NEWNET, 0x02000000,   0x00000080};

// What depends on a call's arguments is libseccomp's to say; what its number decides, make_syscall_tree() does.
class policy {
  public:
    policy() : context_(seccomp_init(SCMP_ACT_ALLOW)) {}
    policy(const policy&) = delete;
    policy& operator=(const policy&) = delete;
    ~policy() {
        if (context_ != nullptr) seccomp_release(context_);
    }
    [[nodiscard]] bool good() const { return context_ != nullptr && good_; }
    [[nodiscard]] scmp_filter_ctx context() const { return context_; }

    void attribute(scmp_filter_attr name, std::uint32_t value) {
        good_ = good_ && seccomp_attr_set(context_, name, value) == 0;
    }
    // A call that this architecture does not have needs no rule.
    void refuse(const char* call, int error) {
        const int number = seccomp_syscall_resolve_name(call);
        if (number >= 0) answer(number, SECCOMP_RET_ERRNO | static_cast<std::uint32_t>(error));
    }
    template <class... Conditions>
    void refuse(const char* call, int error, Conditions... conditions) {
        add(SCMP_ACT_ERRNO(static_cast<std::uint16_t>(error)), call, conditions...);
    }
    template <class... Conditions>
    void tell_of(const char* call, Conditions... conditions) {
        add(SCMP_ACT_NOTIFY, call, conditions...);
    }
    // Of each number that is known.
    [[nodiscard]] const std::vector<std::uint32_t>& answers() const { return answers_; }

  private:
    template <class... Conditions>
    void add(std::uint32_t action, const char* call, Conditions... conditions) {
        const int number = seccomp_syscall_resolve_name(call);
        // Of a call that is not here nothing need be refused, but whoever is to be told of it is told of nothing.
        if (number < 0) good_ = good_ && action != SCMP_ACT_NOTIFY;
        if (number < 0) return;
        answer(number, look_at_arguments);
        good_ = good_ && seccomp_rule_add(context_, action, number, sizeof...(conditions), conditions...) == 0;
    }
    // A number has one answer: what is refused whatever its arguments are is not looked at again.
    void answer(int number, std::uint32_t what) {
        good_ = good_ && static_cast<std::size_t>(number) < answers_.size();
        if (!good_) return;
        auto& now = answers_[static_cast<std::size_t>(number)];
        good_ = now == SECCOMP_RET_ALLOW || now == what;
        now = what;
    }

    scmp_filter_ctx context_;
    std::vector<std::uint32_t> answers_ = std::vector<std::uint32_t>(first_unknown_number, SECCOMP_RET_ALLOW);
    bool good_ = true;
};

constexpr std::array<std::uint64_t, 3> socket_families{AF_UNIX, AF_INET, AF_INET6};

// Families other than these and, for getifaddrs(), routing netlink: in a network namespace of its own and without
// capabilities that one can only list the loopback device. Pairs there are of local ones.
void refuse_socket_families(policy& p) {
    for (std::uint64_t family = 0; family < AF_NETLINK; ++family)
        if (std::ranges::find(socket_families, family) == socket_families.end())
            p.refuse("socket", EAFNOSUPPORT, SCMP_A0_64(SCMP_CMP_EQ, family));
    p.refuse("socketpair", EOPNOTSUPP, SCMP_A0_64(SCMP_CMP_NE, AF_UNIX));
    p.refuse("socket", EAFNOSUPPORT, SCMP_A0_64(SCMP_CMP_GT, AF_NETLINK));
    p.refuse("socket", EAFNOSUPPORT, SCMP_A0_64(SCMP_CMP_EQ, AF_NETLINK), SCMP_A2_64(SCMP_CMP_NE, 0));
}

// The calls by which there is a socket that may change something in its network namespace. What a local one has there
// is its name, which goes with it.
void tell_of_sockets(policy& p) {
    for (const std::uint64_t family : {AF_INET, AF_INET6}) p.tell_of("socket", SCMP_A0_64(SCMP_CMP_EQ, family));
    p.tell_of("socket", SCMP_A0_64(SCMP_CMP_EQ, AF_NETLINK), SCMP_A2_64(SCMP_CMP_EQ, 0));
}

void refuse_calls(policy& p) {
    for (const char* call : denied) p.refuse(call, EPERM);
    p.refuse("clone3", ENOSYS);
    for (const std::uint64_t flag : namespace_flags)
        p.refuse("clone", EPERM, SCMP_A0_64(SCMP_CMP_MASKED_EQ, flag, flag));
    refuse_socket_families(p);
    // The kernel looks at 32 bits of the request; so do we, or the upper ones would hide it.
    // Typing into a terminal, the console's, and other line disciplines, which are much code that nobody looks at.
    for (const std::uint64_t request :
         {std::uint64_t{TIOCSTI}, std::uint64_t{TIOCLINUX}, std::uint64_t{TIOCCONS}, std::uint64_t{TIOCSETD}})
        p.refuse("ioctl", EPERM, SCMP_A1_64(SCMP_CMP_MASKED_EQ, 0xffffffff, request));
    // Limits of other processes, of the box's pid 1 above all.
    p.refuse("prlimit64", EPERM, SCMP_A0_64(SCMP_CMP_NE, 0));
}

void fill(policy& p, bool tells, filter_part part) {
    p.attribute(SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
    p.attribute(SCMP_FLTATR_CTL_NNP, 0);
    if (part != filter_part::zygote_child) refuse_calls(p);
    if (part == filter_part::zygote) return;
    for (const char* call : ways_into_a_box) p.refuse(call, EPERM);
    if (tells) tell_of_sockets(p);
}

}  // namespace

runtime::result<std::vector<sock_filter>> make_seccomp_filter(bool tells_of_sockets, filter_part part) {
    policy p;
    if (p.context() != nullptr) fill(p, tells_of_sockets, part);
    if (!p.good()) return runtime::error_code(EINVAL, boost::system::system_category());
    const descriptor memory(memfd_create("filter", MFD_CLOEXEC));
    if (!memory) return runtime::last_error();
    const int exported = seccomp_export_bpf(p.context(), memory.get());
    if (exported != 0) return runtime::error_code(-exported, boost::system::system_category());
    auto by_number = make_syscall_tree(native_architecture, p.answers(), SECCOMP_RET_ERRNO | ENOSYS);
    if (!by_number) return by_number.error();
    std::vector<sock_filter> filter = std::move(*by_number);
    const off_t bytes = lseek(memory.get(), 0, SEEK_END);
    const std::size_t before = filter.size();
    filter.resize(before + static_cast<std::size_t>(bytes) / sizeof(sock_filter));
    if (bytes <= 0 || pread(memory.get(), filter.data() + before, static_cast<std::size_t>(bytes), 0) != bytes)
        return runtime::error_code(EIO, boost::system::system_category());
    return filter;
}

runtime::result<box_filters> make_box_filters(bool tell_of_sockets) {
    box_filters all;
    for (const auto [part, into] :
         {std::pair{filter_part::whole, &all.whole}, std::pair{filter_part::zygote, &all.zygote},
          std::pair{filter_part::zygote_child, &all.zygote_child}}) {
        auto made = make_seccomp_filter(tell_of_sockets, part);
        if (!made) return made.error();
        *into = std::move(*made);
    }
    return all;
}

namespace {

// In a process of its own, which keeps the filter.
bool can_load(const std::vector<sock_filter>& filter, unsigned flags) {
    const pid_t child = fork();
    if (child == 0) {
        prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        _exit(load_filter(filter, flags) >= 0 ? 0 : 1);
    }
    int status = 0;
    return child > 0 && waitpid(child, &status, 0) == child && status == 0;
}

}  // namespace

int load_filter(const std::vector<sock_filter>& filter, unsigned flags) {
    const sock_fprog program{static_cast<unsigned short>(filter.size()), const_cast<sock_filter*>(filter.data())};
    return static_cast<int>(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program));
}

unsigned listener_flags(const std::vector<sock_filter>& filter) {
    // With the second one (kernel 5.19) a signal does not end a call that its listener has seen.
    constexpr unsigned patient = SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV;
    for (const unsigned flags : {patient, unsigned{SECCOMP_FILTER_FLAG_NEW_LISTENER}})
        if (can_load(filter, flags)) return flags;
    return 0;
}

}  // namespace stages::worker::sandbox
