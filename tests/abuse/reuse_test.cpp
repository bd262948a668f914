// Boxes that get the network namespace or the control groups of one that has ended: as new, or not at all.
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <optional>
#include <string>

#include "stages/worker/sandbox/devices/box_network.hpp"
#include "tests/abuse/hostile.hpp"

namespace tests {
namespace {

using stages::worker::cause;

// All that the kernel counts in a network namespace, and who is there.
constexpr const char* look_around = R"code(
for name in ('dev', 'snmp', 'snmp6', 'netstat', 'unix', 'tcp', 'udp', 'ip6_flowlabel', 'igmp', 'igmp6', 'dev_mcast', 'rt6_stats',
             'ipv6_route', 'fib_triestat', 'dev_snmp6/lo', 'tcp_metrics', 'arp', 'packet', 'ptype', 'protocols', 'sockstat'):
    try: text = open('/proc/self/net/' + name).read()
    except FileNotFoundError: continue
    if name == 'sockstat': text = text.split('\n')[0]
    if name == 'protocols': text = [line.split()[:3] for line in text.split('\n')]  # memory is the machine's
    print(name, text)
)code";

class reuse : public hostile {
  protected:
    std::uint64_t networks_reused() { return host.pools_by_now().front().networks_reused; }
    std::uint64_t groups_reused() { return host.pools_by_now().front().groups_reused; }
    // Nobody after such a program sees anything of it, at once or later; that those are in networks which others have
    // left is counted.
    void expect_no_trace_of(const std::string& python_code) {
        const std::string untouched = python(look_around);
        for (int i = 0; i < 4; ++i) {
            python(python_code);
            EXPECT_TRUE(python(look_around) == untouched) << "after " << python_code;
            EXPECT_TRUE(python("import time\ntime.sleep(0.1)\n" + std::string(look_around)) == untouched)
                << "after " << python_code;
        }
        const auto before = networks_reused();
        for (int i = 0; i < 8; ++i) EXPECT_TRUE(python(look_around) == untouched) << "after " << python_code;
        if (sandbox_host::reuses_networks()) EXPECT_GE(networks_reused(), before + 6);
    }
    outcome with_memory(std::uint64_t bytes, const std::string& script) {
        auto what = sandbox_host::request("python", script);
        what.limits.memory_bytes = bytes;
        return host.run(what);
    }
};

TEST_F(reuse, a_network_that_was_used_before_looks_like_a_new_one) {
    const std::string first = python(look_around);
    EXPECT_NE(first.find("sockets: used 0\n"), std::string::npos) << first;
    EXPECT_NE(first.find("lo:       0       0    0 "), std::string::npos) << first;
    expect_no_trace_of("import socket\nsocket.socketpair()\n");
}

TEST_F(reuse, whoever_makes_a_socket_of_the_internet_is_the_last_in_its_network) {
    if (!sandbox_host::reuses_networks()) GTEST_SKIP() << "every box has a new one";
    if (sandbox_host::starts_warm()) GTEST_SKIP() << "programs that only boot others come between";
    for (const char* call : {"socket.socket(socket.AF_INET, socket.SOCK_DGRAM)", "socket.socket(socket.AF_INET6)",
                             "socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)"}) {
        const auto before = networks_reused();
        for (int i = 0; i < 20; ++i) python(std::string("import socket\n") + call + "\n");
        // Those that had been left before.
        EXPECT_LE(networks_reused(), before + 8) << call;
    }
}

TEST_F(reuse, local_sockets_leave_a_network_as_new) {
    for (const std::string code : {R"code(
import socket
for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_SEQPACKET):
    server, client = socket.socket(socket.AF_UNIX, kind), socket.socket(socket.AF_UNIX, kind)
    server.bind('\0name')
    client.bind('')
    if kind != socket.SOCK_DGRAM: server.listen()
    client.connect('\0name')
    client.send(b'x')
    if kind == socket.SOCK_DGRAM: server.recv(1)
)code",
                                   R"code(
import asyncio
async def say():
    process = await asyncio.create_subprocess_exec('true')
    await process.wait()
asyncio.run(say())
)code",
                                   R"code(
import os, socket, time
named = socket.socket(socket.AF_UNIX)
named.bind('\0left')
named.listen()
if os.fork() == 0:
    os.setsid()
    time.sleep(60)
)code"}) {
        expect_no_trace_of(code);
        if (!sandbox_host::reuses_networks() || sandbox_host::starts_warm()) continue;
        const auto before = networks_reused();
        for (int i = 0; i < 20; ++i) python(code);
        EXPECT_GE(networks_reused(), before + 12) << code;
    }
}

// Nor is one kept whose box was killed: nobody is left who could say.
TEST_F(reuse, a_killed_program_leaves_no_network) {
    if (!sandbox_host::reuses_networks()) GTEST_SKIP() << "every box has a new one";
    if (sandbox_host::starts_warm()) GTEST_SKIP() << "programs that only boot others come between";
    const auto before = networks_reused();
    for (int i = 0; i < 20; ++i) {
        auto request = sandbox_host::request("bash", "sleep 60");
        request.limits.wall_ms = 100;
        expect_end(host.run(request), cause::timeout_wall);
    }
    EXPECT_LE(networks_reused(), before + 8);
}

// Each call is told to pid 1, by several threads and processes at once, while children end and signals come.
TEST_F(reuse, sockets_work_as_ever_however_many) {
    EXPECT_EQ(python(R"code(
import os, signal, socket, threading
signal.signal(signal.SIGALRM, lambda *_: None)
signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
made = []
def make():
    for _ in range(300):
        a, b = socket.socketpair()
        a.send(b'x'); made.append(b.recv(1)); a.close(); b.close()
threads = [threading.Thread(target=make) for _ in range(4)]
for one in threads: one.start()
for _ in range(6):
    if os.fork() == 0:
        for _ in range(40):
            socket.socket(socket.AF_INET).close()
            between = os.fork()
            if between == 0:
                os.fork()
                os._exit(0)
            os.waitpid(between, 0)
        os._exit(0)
for one in threads: one.join()
while True:
    try: os.wait()
    except ChildProcessError: break
signal.setitimer(signal.ITIMER_REAL, 0)
print(len(made), socket.create_server(('127.0.0.1', 0)).getsockname()[0])
)code"),
              "1200 127.0.0.1\n");
}

// What the kernel keeps without a socket, or sends when there is none any more.
TEST_F(reuse, nobody_sees_groups_and_routes_of_the_box_before) {
    expect_no_trace_of(R"code(
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, socket.inet_aton('239.1.2.3') + socket.inet_aton('127.0.0.1'))
s.close()
)code");
    expect_no_trace_of(R"code(
import socket, struct
s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, socket.inet_pton(socket.AF_INET6, 'ff02::1234') + struct.pack('I', 1))
s.close()
)code");
    expect_no_trace_of(R"code(
import socket
for family, address in ((socket.AF_INET6, '::1'), (socket.AF_INET, '127.0.0.1')):
    socket.socket(family, socket.SOCK_DGRAM).connect((address, 9))
)code");
}

TEST_F(reuse, nobody_sees_packets_of_the_box_before) {
    expect_no_trace_of(R"code(
import socket
a = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
a.bind(('127.0.0.1', 0))
a.sendto(b'mark', a.getsockname())
)code");
    expect_no_trace_of(R"code(
import socket
server = socket.create_server(('::1', 0), family=socket.AF_INET6)
client = socket.create_connection(server.getsockname()[:2])
server.accept()
client.close()
)code");
}

TEST_F(reuse, nobody_sees_what_was_refused_to_the_box_before) {
    expect_no_trace_of(R"code(
import socket
try: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'', ('10.1.2.3', 9))
except OSError: pass
)code");
    expect_no_trace_of(R"code(
import socket
try: socket.create_connection(('127.0.0.1', 9))
except ConnectionRefusedError: pass
)code");
}

// The kernel's settings for a namespace would outlive whoever made them.
TEST_F(reuse, nothing_of_a_network_can_be_set) {
    EXPECT_EQ(python(R"code(
import os
tried = set_ = 0
for folder, _, names in os.walk('/proc/sys/net'):
    for name in names:
        path = os.path.join(folder, name)
        tried += 1
        try: text = open(path).read()
        except OSError: text = '0'
        try:
            with open(path, 'w') as file: file.write(text)
            set_ += 1; print(path)
        except OSError: pass
print(tried > 100, set_)
)code"),
              "True 0\n");
}

// A label outlives the socket that asked for it.
TEST_F(reuse, nobody_gets_a_network_with_a_flow_label) {
    const std::string code = R"code(
import errno, socket, struct
s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
request = socket.inet_pton(socket.AF_INET6, '::1') + struct.pack('>I', 0x12345) + struct.pack('=BBHHHI', 0, 255, 1, 60, 60, 0)
try:
    s.setsockopt(socket.IPPROTO_IPV6, 32, request)
    print(open('/proc/self/net/ip6_flowlabel').read())
except OSError as problem:
    if problem.errno != errno.ENOPROTOOPT: raise
    print('none')
)code";
    const auto labels = python(code);
    if (labels == "none\n") GTEST_SKIP() << "the kernel has no flow labels";
    EXPECT_NE(labels.find("12345"), std::string::npos) << labels;
    expect_no_trace_of(code);
}

// Names of local sockets go with the sockets, even with those that nobody holds but each other.
TEST_F(reuse, names_of_local_sockets_are_free_again) {
    for (int i = 0; i < 8; ++i)
        EXPECT_EQ(python(R"code(
import array, os, socket
print(open('/proc/self/net/unix').read().count('\n'))
named = socket.socket(socket.AF_UNIX)
named.bind('\0left')
named.listen()
a, b = socket.socketpair()
for one in (named, a, b):
    a.sendmsg([b'x'], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array('i', [one.fileno()]))])
)code"),
                  "1\n");
}

// A program cannot keep one for long: the kernel collects what nobody holds. In a process of its own, which moves.
TEST(networks, one_in_which_a_socket_is_left_is_nobody_elses) {
    if (geteuid() != 0) GTEST_SKIP() << "only a root server uses one again";
    namespace sandbox = stages::worker::sandbox;
    const auto in_a_process = [](bool with_socket) {
        const pid_t child = ::fork();
        if (child == 0) {
            sandbox::box_networks networks;
            auto first = networks.take();
            if (!first || networks.enter(*first)) ::_exit(100);
            const sandbox::descriptor left(with_socket ? ::socket(AF_UNIX, SOCK_STREAM, 0) : -1);
            networks.leave();
            networks.give_back(std::move(*first), 1);
            const auto second = networks.take();
            ::_exit(second ? static_cast<int>(networks.reused()) : 101);
        }
        int status = 0;
        ::waitpid(child, &status, 0);
        return WIFEXITED(status) ? WEXITSTATUS(status) : 102;
    };
    EXPECT_EQ(in_a_process(false), sandbox::box_networks::can_count_sockets() ? 1 : 0);
    EXPECT_EQ(in_a_process(true), 0);
}

// What a process has of the machine's /proc ("" is nothing); none when it has ended, as one without an executable has.
std::optional<std::string> has_of_proc(pid_t process) {
    const auto about = "/proc/" + std::to_string(process);
    std::error_code ended;
    std::string found;
    for (std::filesystem::directory_iterator at(about + "/fd", ended), end; !ended && at != end; at.increment(ended)) {
        std::error_code closed;
        const auto leads_to = std::filesystem::read_symlink(at->path(), closed).string();
        if (leads_to.find("sockstat") != std::string::npos || leads_to == "/" || leads_to.starts_with("/proc"))
            found += leads_to + ' ';
    }
    if (ended || std::filesystem::read_symlink(about + "/exe", ended).empty()) return std::nullopt;
    return found;
}

// A broker looks into its networks by files of the machine's /proc. The first process of a box that is being made has
// them until it closes all that is the broker's: it must live to do so.
TEST_F(reuse, no_process_of_a_box_or_zygote_has_a_file_of_proc) {
    python("print(1)");
    std::size_t looked_at = 0;
    const auto look = [&] {
        for (const pid_t one : descendants_of(host.broker_process())) {
            std::string last;
            for (int attempt = 0; attempt < 500; ++attempt) {
                const auto has = has_of_proc(one);
                if (!has) break;
                last = *has;
                if (last.empty()) {
                    ++looked_at;
                    break;
                }
                usleep(10'000);
            }
            EXPECT_EQ(last, "") << "in process " << one;
        }
    };
    run_options options;
    options.on_started = look;
    expect_exit(host.run(sandbox_host::request("python", "import time\ntime.sleep(0.2)"), options), 0);
    if (geteuid() == 0) EXPECT_GE(looked_at, 2U);
}

TEST_F(reuse, groups_that_were_used_before_count_from_nothing) {
    if (!host.limits_trees()) GTEST_SKIP() << "needs cgroups";
    const auto before = groups_reused();
    const auto quiet = with_memory(512U << 20, "print(1)");
    ASSERT_TRUE(quiet.verdict.usage.peak_memory_bytes && quiet.verdict.usage.cpu_us);
    for (int i = 0; i < 4; ++i) {
        const auto large = with_memory(512U << 20,
                                       "b = bytearray(100 << 20)\nimport time\nend = time.process_time() + 0.3\n"
                                       "while time.process_time() < end: pass\n");
        expect_exit(large, 0);
        EXPECT_GT(*large.verdict.usage.peak_memory_bytes, 100U << 20);
        EXPECT_GT(*large.verdict.usage.cpu_us, 300'000U);
        for (int j = 0; j < 4; ++j) {
            const auto small = with_memory(64U << 20, "print(1)");
            expect_exit(small, 0);
            EXPECT_LT(*small.verdict.usage.peak_memory_bytes, *quiet.verdict.usage.peak_memory_bytes + (4U << 20));
            EXPECT_LT(*small.verdict.usage.cpu_us, *quiet.verdict.usage.cpu_us + 200'000);
            if (small.verdict.usage.peak_processes) EXPECT_EQ(*small.verdict.usage.peak_processes, 1U);
        }
    }
    if (host.report().level != stages::worker::sandbox::rung::cgroup1) return;
    EXPECT_GE(groups_reused(), before + 8);
    // Those of large programs too, once the box before has given its own back: its first process may end later than
    // its program, and then the one that is made meanwhile gets a new group.
    const auto between = groups_reused();
    for (int i = 0; i < 10; ++i) {
        expect_exit(with_memory(512U << 20, "b = bytearray(100 << 20)"), 0);
        EXPECT_EQ(host.leftovers(), "");
    }
    EXPECT_GE(groups_reused(), between + 8);
}

TEST_F(reuse, a_limit_that_was_met_is_not_the_next_ones) {
    if (!host.limits_trees()) GTEST_SKIP() << "needs cgroups";
    for (int i = 0; i < 3; ++i) {
        expect_end(with_memory(64U << 20, "b = bytearray(200 << 20)"), cause::out_of_memory);
        expect_exit(with_memory(512U << 20, "b = bytearray(200 << 20)"), 0);
        auto narrow =
            sandbox_host::request("python", "import os\ntry: os.fork()\nexcept BlockingIOError: os._exit(3)\n");
        narrow.limits.processes = 1;
        expect_end(host.run(narrow), cause::process_limit);
        const auto wide = host.bash("(echo done)");
        expect_exit(wide, 0);
        EXPECT_EQ(wide.standard_output, "done\n");
    }
}

// Limits stay with a group until the next program's are known.
TEST_F(reuse, every_program_has_its_own_limits_in_groups_of_programs_with_others) {
    if (!host.limits_trees()) GTEST_SKIP() << "needs cgroups";
    const auto with_processes = [this](std::uint64_t processes) {
        auto what = sandbox_host::request("python", "import os\ntry: os.fork()\nexcept BlockingIOError: os._exit(3)\n");
        what.limits.processes = processes;
        return host.run(what);
    };
    const auto before = groups_reused();
    for (int i = 0; i < 4; ++i) {
        for (int j = 0; j < 4; ++j) expect_exit(with_memory(512U << 20, "print(1)"), 0);
        expect_end(with_memory(64U << 20, "b = bytearray(200 << 20)"), cause::out_of_memory);
        for (int j = 0; j < 4; ++j) expect_exit(with_memory(64U << 20, "print(1)"), 0);
        expect_exit(with_memory(512U << 20, "b = bytearray(200 << 20)"), 0);
        for (int j = 0; j < 4; ++j) expect_exit(host.bash("exit 0"), 0);
        expect_end(with_processes(1), cause::process_limit);
        for (int j = 0; j < 4; ++j) {
            auto what = sandbox_host::request("bash", "exit 0");
            what.limits.processes = 1;
            expect_exit(host.run(what), 0);
        }
        expect_exit(with_processes(8), 0);
    }
    if (host.report().level == stages::worker::sandbox::rung::cgroup1) EXPECT_GE(groups_reused(), before + 40);
}

}  // namespace
}  // namespace tests
