// Programs whose interpreter had booted before they came: nothing of what had booted is within their reach.
#include <gtest/gtest.h>

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <sstream>
#include <thread>

#include "stages/worker/sandbox/warm/zygote.hpp"
#include "tests/abuse/warm.hpp"

namespace tests {
namespace {

using stages::worker::box_start;
using stages::worker::cause;
using stages::worker::launch_request;
using stages::worker::sandbox::zygote;

// No more is kept of boxes that have ended than for as many as shall wait; one network is always there.
bool spares_follow(const std::vector<stages::worker::sandbox::pool_packet>& pools) {
    std::uint32_t wanted = 0;
    for (const auto& pool : pools) wanted += pool.wanted;
    return pools.front().kept_groups <= wanted && pools.front().kept_networks <= std::max(1U, wanted);
}

std::uint32_t waiting_boxes(const std::vector<stages::worker::sandbox::pool_packet>& pools) {
    std::uint32_t all = 0;
    for (const auto& pool : pools) all += pool.ready;
    return all;
}

TEST_F(warm, a_request_may_insist_on_a_cold_start) {
    const auto first = python("print(1)");
    EXPECT_EQ(first.standard_output, "1\n");
    const auto cold = host.run(request("python", "print(1)", true));
    EXPECT_EQ(start_of(cold), box_start::cold);
    EXPECT_EQ(cold.standard_output, "1\n");
}

// The zygote, its memory, its socket, its other children.
TEST_F(warm, a_hostile_program_finds_nothing_of_its_zygote) {
    ASSERT_TRUE(zygote_is_there());
    const auto before = zygotes();
    const auto out = python(R"code(
import ctypes, os, signal, socket, sys
libc = ctypes.CDLL(None, use_errno=True)
found = []
# Other processes: no number but the box's own exists, and no signal leaves it.
if sorted(p for p in os.listdir('/proc') if p.isdigit()) not in (['1', str(os.getpid())],): found.append('processes')
for pid in list(range(1, 400)) + [os.getppid()]:
    if pid == os.getpid(): continue
    for sig in (signal.SIGSTOP, signal.SIGKILL):
        try: os.kill(pid, sig); found.append('kill %d' % pid) if pid != 1 else None
        except OSError: pass
    for path in ('mem', 'environ', 'maps', 'fd', 'root', 'cwd'):
        if pid == 1:
            try: open('/proc/1/' + path, 'rb').read(1); found.append('/proc/1/' + path)
            except OSError: pass
    if libc.ptrace(16, pid, 0, 0) == 0: found.append('ptrace %d' % pid)
    fd = libc.syscall(434, pid, 0)   # pidfd_open
    if fd >= 0:
        if libc.syscall(438, fd, 0, 0) >= 0: found.append('pidfd_getfd %d' % pid)
        if libc.setns(fd, 0x20000000) == 0: found.append('setns %d' % pid)
        os.close(fd)
# Descriptors: only the three streams, whatever number one tries.
for fd in range(3, 4096):
    try: os.fstat(fd); found.append('descriptor %d' % fd)
    except OSError: pass
# Sockets: the network is the box's own, and the zygote listens nowhere.
for line in open('/proc/net/unix').read().splitlines()[1:]:
    if len(line.split()) > 7: found.append('socket ' + line)   # one with a name
# The library that was preloaded does nothing any more.
child = os.fork()
if child == 0: os._exit(3)
if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) != 3: found.append('fork')
try: os.open('/.weir/order', os.O_RDONLY); found.append('a second order')
except FileNotFoundError: pass
# Barriers of a box.
status = dict(l.split(':', 1) for l in open('/proc/self/status'))
for name in ('CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb'):
    if int(status[name], 16): found.append(name)
if status['NoNewPrivs'].strip() != '1' or status['Seccomp'].strip() != '2': found.append('barriers')
for path in ('/.weir', '/.weir/warm.so', '/usr', '/etc', '/'):
    if os.access(path, os.W_OK): found.append(path)
for flags in (0x20000000, 0x10000000, 0x00020000, 0x40000000):
    if libc.unshare(flags) == 0: found.append('unshare %x' % flags)
try: os.setuid(0); found.append('setuid')
except OSError: pass
# What it changes in its interpreter is its own.
import builtins
builtins.poisoned = True
sys.modules['json'] = None
os.environ['POISONED'] = '1'
for i in range(200):
    try: os.fork() or os._exit(0)
    except OSError: break
print(found)
)code");
    EXPECT_EQ(out.verdict.exit_code, 0) << out.standard_error;
    EXPECT_EQ(out.standard_output, "[]\n");
    const auto after =
        python("import os, sys, json, builtins\nprint(hasattr(builtins, 'poisoned'), 'POISONED' in os.environ)\n");
    EXPECT_EQ(after.standard_output, "False False\n") << after.standard_error;
    EXPECT_EQ(zygotes(), before);
}

TEST_F(warm, two_programs_of_one_zygote_share_no_namespace_and_no_user) {
    const char* script =
        "import os, time\nprint(os.getuid(), *(os.readlink('/proc/self/ns/' + n) for n in\n"
        "      ('cgroup', 'ipc', 'mnt', 'net', 'pid', 'uts')))\ntime.sleep(0.3)\n";
    ASSERT_TRUE(zygote_is_there());
    std::vector<launch_request> requests(2, request("python", script));
    const auto both = host.run_all(requests);
    std::istringstream one(both[0].standard_output);
    std::istringstream other(both[1].standard_output);
    int words = 0;
    for (std::string a, b; one >> a && other >> b; ++words) {
        if (words == 0 && geteuid() != 0) continue;
        if (words == 1 && !host.limits_trees()) continue;
        EXPECT_NE(a, b);
    }
    EXPECT_EQ(words, 7);
    EXPECT_EQ(start_of(both[0]), box_start::zygote);
    EXPECT_EQ(start_of(both[1]), box_start::zygote);
}

// It has a filter of its own, whose listener comes to pid 1.
TEST_F(warm, a_zygotes_child_that_makes_a_socket_of_the_internet_is_the_last_in_its_network) {
    if (!sandbox_host::reuses_networks()) GTEST_SKIP() << "every box has a new one";
    ASSERT_TRUE(zygote_is_there());
    const auto reused_by = [this](const std::string& script) {
        const auto before = host.pools_by_now().front().networks_reused;
        for (int i = 0; i < 20; ++i) EXPECT_EQ(python(script).verdict.exit_code, 0);
        return host.pools_by_now().front().networks_reused - before;
    };
    EXPECT_GE(reused_by("print(1)\n"), 12U);
    EXPECT_GE(reused_by("import socket\nsocket.socketpair()\n"), 12U);
    EXPECT_LE(reused_by("import socket\nsocket.socket()\n"), 8U);
}

TEST_F(warm, a_killed_zygote_is_replaced_and_its_children_live_on) {
    ASSERT_TRUE(zygote_is_there());
    const auto before = zygotes();
    run_options options;
    options.on_started = [&] {
        for (const pid_t one : before) ::kill(one, SIGKILL);
    };
    auto what = request("python", "import time\ntime.sleep(0.2)\nprint('done')");
    const auto out = host.run(what, options);
    EXPECT_EQ(out.standard_output, "done\n") << out.verdict.message;
    EXPECT_EQ(python("print(2)").standard_output, "2\n");
    ASSERT_TRUE(zygote_is_there());
    for (const pid_t one : zygotes()) EXPECT_EQ(std::ranges::count(before, one), 0);
}

// A stopped one owes an answer: what waits for it is lost, by name, and may be tried again.
TEST_F(warm, runs_that_a_dead_zygote_owes_a_process_end_as_infrastructure) {
    ASSERT_TRUE(zygote_is_there());
    for (const pid_t one : zygotes()) ::kill(one, SIGSTOP);
    std::vector<launch_request> requests(12, request("python", "print(3)"));
    std::jthread killer([&] {
        usleep(700'000);
        for (const pid_t one : zygotes()) ::kill(one, SIGKILL);
    });
    const auto all = host.run_all(requests);
    int lost = 0;
    for (const auto& out : all) {
        if (out.verdict.ended_by == cause::infrastructure) ++lost;
        if (out.verdict.ended_by != cause::infrastructure) EXPECT_EQ(out.standard_output, "3\n");
        EXPECT_FALSE(out.verdict.ended_by == cause::infrastructure && out.started);
    }
    EXPECT_GT(lost, 0);
    EXPECT_EQ(python("print(4)").standard_output, "4\n");
}

// It owes an answer for each child that it was asked for, and that runs end whose box has none is no answer.
TEST_F(warm, a_zygote_that_stands_still_is_replaced_and_one_that_rests_is_not) {
    constexpr unsigned patience_us = 10'000'000;
    ASSERT_TRUE(zygote_is_there());
    const auto before = zygotes();
    for (int i = 0; i < 5; ++i) EXPECT_EQ(python("print(5)").standard_output, "5\n");
    usleep(patience_us + 1'000'000);
    EXPECT_EQ(zygotes(), before);
    for (const pid_t one : before) ::kill(one, SIGSTOP);
    bool replaced = false;
    for (int look = 0; look < 400 && !replaced; ++look) {
        // Programs start all the same, but for those whose box waits for a child.
        auto what = request("python", "print(6)");
        what.limits.wall_ms = 2000;
        const auto out = host.run(what);
        if (out.started) EXPECT_EQ(out.standard_output, "6\n");
        usleep(50'000);
        const auto now = zygotes();
        replaced =
            !now.empty() && std::ranges::none_of(now, [&](pid_t one) { return std::ranges::count(before, one) > 0; });
    }
    EXPECT_TRUE(replaced);
    EXPECT_EQ(python("print(7)").standard_output, "7\n");
}

int filters_of(pid_t process) {
    const std::string status = read_file("/proc/" + std::to_string(process) + "/status");
    const std::size_t at = status.find("\nSeccomp_filters:");
    return at == std::string::npos ? -1 : std::atoi(status.c_str() + at + std::strlen("\nSeccomp_filters:"));
}

TEST_F(warm, a_zygote_is_behind_a_filter_itself) {
    ASSERT_TRUE(zygote_is_there());
    const int above = filters_of(host.broker_process());
    ASSERT_GE(above, 0) << "kernels from 5.9 on, as the sandbox needs anyway, tell";
    for (const pid_t one : zygotes()) EXPECT_EQ(filters_of(one), above + 1);
}

// Two zygotes of one interpreter. The example of the other finds no end, so that nothing is learned from it, and is no
// trouble: docs/languages.md says what becomes of such.
TEST_F(warm, a_program_asks_for_fewer_pages_where_an_example_was_rehearsed) {
    const auto faults = [this](const char* language) {
        const auto out =
            run_as(box_start::zygote, request(language, "read -r -a all < /proc/self/stat; echo ${all[9]}"));
        return std::atoi(out.standard_output.c_str());
    };
    const int rehearsed = faults("bash");
    const int unrehearsed = faults("rehearsed-for-ever");
    EXPECT_GT(rehearsed, 0);
    EXPECT_LT(rehearsed + 20, unrehearsed);
    const std::string left_behind("sleep\0004321", 10);
    for (const auto& process : folders_in("/proc"))
        EXPECT_EQ(read_file(process + "/cmdline").find(left_behind), std::string::npos) << process;
}

// The rehearsal's own memory was shared with the zygote.
TEST_F(warm, programs_of_one_zygote_share_no_memory_that_can_be_written_to) {
    for (const char* language : {"bash", "rehearsed-for-ever"}) {
        const auto out =
            run_as(box_start::zygote, request(language, "while read -r l; do echo \"$l\"; done < /proc/self/maps"));
        EXPECT_NE(out.standard_output.find(" r-xp "), std::string::npos);
        EXPECT_EQ(out.standard_output.find(" rw-s "), std::string::npos) << out.standard_output;
        EXPECT_EQ(out.standard_output.find(" rwx"), std::string::npos) << out.standard_output;
    }
}

// After so many children another one takes over, and of the old one nothing is left.
TEST_F(warm, a_spent_zygote_is_replaced_and_reaped) {
    ASSERT_TRUE(zygote_is_there());
    const auto before = zygotes();
    const auto is_there = [&] {
        return std::ranges::any_of(zygotes(), [&](pid_t one) { return std::ranges::count(before, one) > 0; });
    };
    // For five seconds after a failure, which may have been the test's before, none is booted.
    unsigned children = 0;
    for (int round = 0; round < 1000 && children < 6 * zygote::children_max && is_there(); ++round)
        for (const auto& out : host.run_all(std::vector<launch_request>(25, request("python", "print(8)")))) {
            EXPECT_EQ(out.standard_output, "8\n");
            if (start_of(out) == box_start::zygote) ++children;
        }
    EXPECT_GE(children, zygote::children_max / 2);
    ASSERT_FALSE(zygotes().empty());
    for (const pid_t one : before) {
        EXPECT_EQ(std::ranges::count(zygotes(), one), 0);
        bool is_gone = false;
        for (int look = 0; look < 200 && !is_gone; ++look, usleep(is_gone ? 0 : 10'000)) is_gone = ::kill(one, 0) != 0;
        EXPECT_TRUE(is_gone) << one;
    }
}

TEST_F(warm, limits_hold_in_a_warm_box) {
    auto what = request("python", "x = bytearray(200_000_000)\nprint('no')");
    what.limits.memory_bytes = 64ULL << 20;
    const auto memory = run_as(box_start::zygote, what);
    if (host.limits_trees()) EXPECT_EQ(memory.verdict.ended_by, cause::out_of_memory);
    if (!host.limits_trees()) EXPECT_NE(memory.verdict.exit_code, 0);
    what = request("python", "while True: pass");
    what.limits.cpu_ms = 300;
    const auto cpu = run_as(box_start::zygote, what);
    EXPECT_EQ(cpu.verdict.ended_by, cause::timeout_cpu);
    what = request("python", "import time\ntime.sleep(60)");
    what.limits.wall_ms = 200;
    const auto wall = run_as(box_start::zygote, what);
    EXPECT_EQ(wall.verdict.ended_by, cause::timeout_wall);
    what = request("python", "open('big', 'wb').write(bytes(9_000_000))");
    what.limits.disk_bytes = 1ULL << 20;
    EXPECT_EQ(run_as(box_start::zygote, what).verdict.ended_by, cause::disk_limit);
}

TEST_F(warm, what_boots_ahead_has_not_the_limits_of_the_program_before_it) {
    if (!host.has("node")) GTEST_SKIP() << "needs node";
    auto narrow = sandbox_host::request("bash", "exit 0");
    narrow.limits.memory_bytes = 20ULL << 20;
    narrow.limits.processes = 2;
    const auto lost_while_they_waited = [this] {
        std::uint64_t all = 0;
        for (const auto& pool : host.pools_by_now()) all += pool.failed;
        return all;
    };
    const auto before = lost_while_they_waited();
    for (int round = 0; round < 4; ++round) {
        host.run_all(std::vector<launch_request>(4, narrow));
        const auto out = run_as(box_start::parked, request("node", "console.log(5)"));
        EXPECT_EQ(out.standard_output, "5\n") << out.verdict.message;
    }
    EXPECT_EQ(lost_while_they_waited(), before);
}

// Named bounds: pool_max of each kind, four parked ones; back at rest within ten seconds.
TEST_F(warm, pools_follow_demand_and_shrink) {
    std::vector<launch_request> requests(12, request("python", "import time\ntime.sleep(0.05)"));
    std::uint32_t most = 0;
    for (int round = 0; round < 6; ++round) {
        host.run_all(requests);
        usleep(150'000);
        for (const auto& pool : host.pools()) {
            EXPECT_LE(pool.wanted, 4U);
            most = std::max(most, pool.wanted);
        }
    }
    EXPECT_EQ(most, 4U);
    bool rests = false;
    for (int tenth = 0; tenth < 100 && !rests; ++tenth) {
        usleep(100'000);
        rests = std::ranges::all_of(host.pools(), [](const auto& p) { return p.wanted <= 1 && p.ready <= 1; }) &&
                spares_follow(host.pools());
    }
    std::string pools;
    for (const auto& p : host.pools())
        pools += std::to_string(p.number) + ": " + std::to_string(p.wanted) + " wanted, " + std::to_string(p.ready) +
                 " ready, " + std::to_string(p.kept_networks) + " networks, " + std::to_string(p.kept_groups) +
                 " groups; ";
    EXPECT_TRUE(rests) << pools;
    EXPECT_LE(waiting_boxes(host.pools()), host.pools().size());
}

}  // namespace
}  // namespace tests
