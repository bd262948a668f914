// The system call filter, interpreted as the kernel would: what it says of numbers, and of calls that make sockets.
#include "stages/worker/sandbox/filter/seccomp_filter.hpp"

#include <gtest/gtest.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include <cerrno>
#include <cstring>
#include <random>

#include "stages/worker/sandbox/filter/syscall_tree.hpp"

namespace stages::worker::sandbox {
namespace {

#if defined(__x86_64__)
constexpr std::uint32_t this_machine = AUDIT_ARCH_X86_64;
#else
constexpr std::uint32_t this_machine = AUDIT_ARCH_AARCH64;
#endif

bool holds(std::uint16_t code, std::uint32_t value, std::uint32_t with) {
    switch (BPF_OP(code)) {
        case BPF_JEQ: return value == with;
        case BPF_JGT: return value > with;
        case BPF_JGE: return value >= with;
        case BPF_JSET: return (value & with) != 0;
        default: break;
    }
    ADD_FAILURE() << "a jump that the test does not know: " << code;
    return false;
}

// Classic BPF, as far as libseccomp writes it.
std::uint32_t answer(const std::vector<sock_filter>& filter, const seccomp_data& call) {
    std::uint32_t value = 0;
    for (std::size_t at = 0; at < filter.size(); ++at) {
        const sock_filter& now = filter[at];
        switch (BPF_CLASS(now.code)) {
            case BPF_LD: std::memcpy(&value, reinterpret_cast<const char*>(&call) + now.k, sizeof value); break;
            case BPF_ALU: value &= now.k; break;
            case BPF_RET: return now.k;
            case BPF_JMP:
                at += BPF_OP(now.code) == BPF_JA ? now.k : holds(now.code, value, now.k) ? now.jt : now.jf;
                break;
            default: ADD_FAILURE() << "an instruction that the test does not know: " << now.code; return 0;
        }
    }
    ADD_FAILURE() << "the filter has no end";
    return 0;
}

std::uint32_t answer_to_number(const std::vector<sock_filter>& filter, std::uint32_t number,
                               std::uint32_t architecture = this_machine) {
    seccomp_data call{};
    call.nr = static_cast<int>(number);
    call.arch = architecture;
    return answer(filter, call);
}

std::uint32_t answer(const std::vector<sock_filter>& filter, int number, std::uint64_t family, std::uint64_t type,
                     std::uint64_t protocol) {
    seccomp_data call{};
    call.nr = number;
    call.arch = this_machine;
    call.args[0] = family;
    call.args[1] = type;
    call.args[2] = protocol;
    return answer(filter, call);
}

constexpr std::uint32_t refused(int error) { return SECCOMP_RET_ERRNO | static_cast<std::uint32_t>(error); }

std::vector<sock_filter> filter_of(bool tells) {
    auto made = make_seccomp_filter(tells);
    EXPECT_TRUE(made) << made.error().message();
    return made ? std::move(*made) : std::vector<sock_filter>();
}

// The kernel looks at the lower halves only; whoever puts something into the upper ones is up to no good.
template <class What>
void for_each_call(const What& what) {
    constexpr std::uint64_t upper = std::uint64_t{1} << 32;
    for (std::uint64_t family = 0; family < 64; ++family)
        for (const std::uint64_t above : {std::uint64_t{0}, upper, 7 * upper})
            for (const std::uint64_t type : {1, 2, 3, 5, SOCK_CLOEXEC | 1})
                for (const std::uint64_t protocol : {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{15}, upper})
                    what(family + above, type, protocol);
}

TEST(seccomp_filter, is_short) {
    for (const bool tells : {false, true}) {
        const auto filter = filter_of(tells);
        EXPECT_GT(filter.size(), 50U);
        EXPECT_LT(filter.size(), 400U) << "every box loads it";
    }
}

TEST(seccomp_filter, numbers_have_their_answers) {
    constexpr std::uint32_t first_unknown = 457;
    const auto filter = filter_of(false);
    for (const int number : {SYS_mount, SYS_umount2, SYS_pivot_root, SYS_unshare, SYS_setns, SYS_ptrace, SYS_bpf,
                             SYS_keyctl, SYS_reboot, SYS_io_uring_setup, SYS_kexec_load, SYS_init_module, SYS_open_tree,
                             SYS_pidfd_getfd, SYS_userfaultfd, SYS_personality, SYS_settimeofday})
        EXPECT_EQ(answer_to_number(filter, static_cast<std::uint32_t>(number)), refused(EPERM)) << number;
    EXPECT_EQ(answer_to_number(filter, SYS_clone3), refused(ENOSYS));
    int allowed = 0;
    for (std::uint32_t number = 0; number < first_unknown; ++number) {
        const auto said = answer_to_number(filter, number);
        if (said == SECCOMP_RET_ALLOW) ++allowed;
        // With arguments that are all 0, socket() is of no family and socketpair() of the wrong one.
        const bool is_refused =
            said == refused(EPERM) || number == SYS_clone3 || number == SYS_socket || number == SYS_socketpair;
        EXPECT_TRUE(said == SECCOMP_RET_ALLOW || is_refused) << number << ": " << said;
    }
    EXPECT_GT(allowed, 350);
    for (const std::uint32_t number : {first_unknown, first_unknown + 1, 1000U, 0x3fffffffU})
        EXPECT_EQ(answer_to_number(filter, number), refused(ENOSYS)) << number;
    // 32-bit programs, and on x86 those with short pointers.
    for (const std::uint32_t number : {0U, 1U, 56U, 400U})
        EXPECT_EQ(answer_to_number(filter, number, AUDIT_ARCH_I386), SECCOMP_RET_KILL_PROCESS) << number;
#if defined(__x86_64__)
    for (const std::uint32_t number : {0x40000000U, 0x40000001U, 0x40000200U})
        EXPECT_EQ(answer_to_number(filter, number), SECCOMP_RET_KILL_PROCESS) << number;
#endif
}

// As the kernel does with what two filters say: the lowest action wins, and kills are above all.
std::uint32_t stricter(std::uint32_t one, std::uint32_t other) {
    const auto rank = [](std::uint32_t said) { return static_cast<std::int32_t>(said & SECCOMP_RET_ACTION_FULL); };
    return rank(other) < rank(one) ? other : one;
}

TEST(seccomp_filter, a_zygote_and_its_child_have_the_whole_of_it_together) {
    for (const bool tells : {false, true}) {
        const auto filters = make_box_filters(tells);
        ASSERT_TRUE(filters) << filters.error().message();
        const auto together = [&filters](const seccomp_data& call) {
            return stricter(answer(filters->zygote, call), answer(filters->zygote_child, call));
        };
        EXPECT_LT(filters->zygote_child.size(), filters->whole.size() / 2) << "every child loads it";
        seccomp_data call{};
        for (const std::uint32_t architecture : {this_machine, std::uint32_t{AUDIT_ARCH_I386}})
            for (const std::uint64_t first : {0UL, 1UL, 2UL, 10UL, 0x20000UL, 0x10000000UL, 0x7e020000UL, 1UL << 32})
                for (const std::uint64_t second : {0UL, 0x5412UL, 0x541cUL, 0x541dUL, 0x5423UL, 0x5413UL})
                    for (std::uint32_t number = 0; number < 500; ++number) {
                        call.nr = static_cast<int>(number);
                        call.arch = architecture;
                        call.args[0] = first;
                        call.args[1] = second;
                        ASSERT_EQ(together(call), answer(filters->whole, call))
                            << number << " " << first << " " << second;
                    }
        call.arch = this_machine;
        for_each_call([&](std::uint64_t family, std::uint64_t type, std::uint64_t protocol) {
            for (const int number : {SYS_socket, SYS_socketpair}) {
                call.nr = number;
                call.args[0] = family;
                call.args[1] = type;
                call.args[2] = protocol;
                ASSERT_EQ(together(call), answer(filters->whole, call)) << number << " " << family << " " << protocol;
            }
        });
        // It could not put them into boxes otherwise.
        for (const int number : {SYS_setns, SYS_unshare}) {
            EXPECT_EQ(answer_to_number(filters->zygote, static_cast<std::uint32_t>(number)), SECCOMP_RET_ALLOW);
            EXPECT_EQ(answer_to_number(filters->zygote_child, static_cast<std::uint32_t>(number)), refused(EPERM));
        }
    }
}

// Behind the tree stands what looks at arguments; here it has one answer.
TEST(syscall_tree, every_number_finds_its_answer) {
    constexpr std::uint32_t further = 4711;
    std::mt19937 draw(1);
    for (int round = 0; round < 50; ++round) {
        const std::uint32_t choices[]{SECCOMP_RET_ALLOW, refused(EPERM), refused(ENOSYS), look_at_arguments};
        std::vector<std::uint32_t> answers;
        while (answers.size() < 300) answers.insert(answers.end(), 1 + draw() % 9, choices[draw() % 4]);
        auto filter = make_syscall_tree(this_machine, answers, refused(ENOSYS));
        ASSERT_TRUE(filter) << filter.error().message();
        filter->push_back({BPF_RET | BPF_K, 0, 0, further});
        const auto expected = [&](std::uint32_t number) {
            if (number >= 0x40000000) return further;
            if (number >= answers.size()) return refused(ENOSYS);
            return answers[number] == look_at_arguments ? further : answers[number];
        };
        for (std::uint32_t number = 0; number < 400; ++number)
            EXPECT_EQ(answer_to_number(*filter, number), expected(number)) << number;
        for (const std::uint32_t number : {0x3fffffffU, 0x40000000U, 0xffffffffU})
            EXPECT_EQ(answer_to_number(*filter, number), expected(number)) << number;
        EXPECT_EQ(answer_to_number(*filter, 1, AUDIT_ARCH_I386), further);
    }
}

TEST(syscall_tree, more_ranges_than_a_jump_reaches_over_are_refused) {
    std::vector<std::uint32_t> answers;
    for (std::uint32_t number = 0; number < 300; ++number)
        answers.push_back(number % 2 == 0 ? SECCOMP_RET_ALLOW : refused(EPERM));
    const auto filter = make_syscall_tree(this_machine, answers, refused(ENOSYS));
    ASSERT_FALSE(filter);
    EXPECT_EQ(filter.error().value(), EOVERFLOW);
}

TEST(seccomp_filter, no_socket_but_a_local_one_comes_into_being_untold) {
    const auto filter = filter_of(true);
    int told = 0;
    for_each_call([&](std::uint64_t family, std::uint64_t type, std::uint64_t protocol) {
        for (const int number : {SYS_socket, SYS_socketpair}) {
            const auto said = answer(filter, number, family, type, protocol);
            if (family == AF_UNIX) {
                EXPECT_EQ(said, SECCOMP_RET_ALLOW) << number << " " << protocol;
            } else {
                EXPECT_NE(said, SECCOMP_RET_ALLOW) << number << " " << family << " " << protocol;
            }
            if (said == SECCOMP_RET_USER_NOTIF) ++told;
        }
    });
    EXPECT_GT(told, 0);
}

TEST(seccomp_filter, both_filters_let_the_same_calls_pass) {
    const auto telling = filter_of(true);
    const auto plain = filter_of(false);
    for_each_call([&](std::uint64_t family, std::uint64_t type, std::uint64_t protocol) {
        for (const int number : {SYS_socket, SYS_socketpair}) {
            const auto told = answer(telling, number, family, type, protocol);
            const auto said = answer(plain, number, family, type, protocol);
            EXPECT_EQ(told == SECCOMP_RET_USER_NOTIF ? SECCOMP_RET_ALLOW : told, said) << number << " " << family;
        }
    });
    for (const int number : {SYS_read, SYS_execve, SYS_accept4, SYS_connect})
        EXPECT_EQ(answer(telling, number, 1, 1, 0), SECCOMP_RET_ALLOW);
}

TEST(seccomp_filter, only_local_and_internet_families) {
    const auto filter = filter_of(false);
    for (const int family : {AF_UNIX, AF_INET, AF_INET6})
        EXPECT_EQ(answer(filter, SYS_socket, static_cast<std::uint64_t>(family), 1, 0), SECCOMP_RET_ALLOW);
    EXPECT_EQ(answer(filter, SYS_socket, AF_NETLINK, SOCK_RAW, 0), SECCOMP_RET_ALLOW);
    EXPECT_EQ(answer(filter, SYS_socket, AF_NETLINK, SOCK_RAW, 15), refused(EAFNOSUPPORT));
    for (const int family : {AF_UNSPEC, AF_PACKET, AF_ALG, AF_VSOCK, AF_TIPC, AF_X25})
        EXPECT_EQ(answer(filter, SYS_socket, static_cast<std::uint64_t>(family), 1, 0), refused(EAFNOSUPPORT));
    EXPECT_EQ(answer(filter, SYS_socketpair, AF_UNIX, 1, 0), SECCOMP_RET_ALLOW);
    for (const int family : {AF_TIPC, AF_INET, AF_VSOCK})
        EXPECT_EQ(answer(filter, SYS_socketpair, static_cast<std::uint64_t>(family), 1, 0), refused(EOPNOTSUPP));
}

}  // namespace
}  // namespace stages::worker::sandbox
