// Programs that reach for their parent, the machine's devices and clock, for names that Weir might use, and for what
// earlier programs have left.
#include "tests/abuse/hostile.hpp"

namespace tests {
namespace {

using stages::worker::cause;
using stages::worker::output_fault;

class residue : public hostile {};

TEST_F(residue, its_parent_can_neither_be_stopped_nor_killed) {
    EXPECT_EQ(python(R"code(
import os, signal
print(os.getppid())
for number in (signal.SIGSTOP, signal.SIGTSTP, signal.SIGTERM, signal.SIGSEGV, 40, signal.SIGKILL):
    try: os.kill(os.getppid(), number)
    except OSError as e: print(e.strerror)
print(open('/proc/1/stat').read().split()[2] in 'SRD')
)code"),
              "1\nTrue\n");
}

// Nothing of Weir opens, writes or removes a name in a box once its program has begun.
TEST_F(residue, links_at_names_that_others_might_write_lead_nowhere) {
    const std::string users = read_file("/etc/passwd");
    auto request = sandbox_host::request("bash", R"code(
rm main.sh && ln -s /etc/passwd main.sh
for name in out stdout stderr result meta run.sh artifact main .weir core tmp; do ln -s /etc/passwd $name; done
mv /tmp /box/elsewhere 2>/dev/null || ln -s /etc /tmp/etc
ln main.sh again; ln -s /proc/1/root root
echo done
)code");
    request.outputs = {"main.sh", "out", "again", "root/etc/passwd"};
    request.output_each_max = 1U << 20;
    request.outputs_together_max = 1U << 20;
    const auto out = host.run(request);
    expect_exit(out, 0);
    EXPECT_EQ(out.standard_output, "done\n");
    ASSERT_EQ(out.verdict.outputs.size(), 4U);
    for (const auto& one : out.verdict.outputs) {
        EXPECT_EQ(static_cast<int>(one.fault), static_cast<int>(output_fault::not_regular)) << one.path;
        EXPECT_EQ(one.bytes, "");
    }
    EXPECT_EQ(read_file("/etc/passwd"), users);
}

TEST_F(residue, the_kernels_log_and_devices_are_out_of_reach) {
    EXPECT_EQ(python(R"code(
import ctypes, errno, os, stat
libc = ctypes.CDLL(None, use_errno=True)
buffer = ctypes.create_string_buffer(4096)
print(libc.klogctl(3, buffer, 4096), errno.errorcode[ctypes.get_errno()])
for kind, number in ((stat.S_IFCHR, os.makedev(1, 1)), (stat.S_IFBLK, os.makedev(8, 0)), (stat.S_IFCHR, os.makedev(10, 229))):
    try: os.mknod('/tmp/node', kind | 0o666, number); print('made')
    except OSError as e: print(errno.errorcode[e.errno])
)code"),
              "-1 EPERM\nEPERM\nEPERM\nEPERM\n");
}

// Run after run leaves objects of every kind behind, with a process that holds them all.
TEST_F(residue, kernel_objects_of_one_run_are_not_there_for_the_next) {
    for (int i = 0; i < 3; ++i) {
        EXPECT_EQ(python(R"code(
import ctypes, fcntl, os, signal, socket
libc = ctypes.CDLL(None, use_errno=True)
print(libc.shmget(4711, 0, 0), libc.semget(4711, 0, 0), libc.msgget(4711, 0), libc.mq_open(b'/left', os.O_RDWR))
print(os.listdir('/dev/shm'), os.listdir('/tmp'))
lock = os.open('/usr/bin/env', os.O_RDONLY)
fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
named = socket.socket(socket.AF_UNIX)
named.bind('\0left')
made = (libc.shmget(4711, 4096, 0o1666), libc.semget(4711, 1, 0o1666), libc.msgget(4711, 0o1666),
        libc.mq_open(b'/left', os.O_CREAT | os.O_RDWR, 0o666, None))
print(min(made) >= 0)
open('/dev/shm/left', 'w').close()
open('/tmp/left', 'w').close()
if os.fork() == 0:
    os.setsid()
    for fd in range(3): os.close(fd)
    signal.pause()
)code"),
                  "-1 -1 -1 -1\n[] []\nTrue\n");
    }
}

TEST_F(residue, its_time_is_measured_from_outside) {
    const auto out = host.python(R"code(
import ctypes, signal, time
libc = ctypes.CDLL(None, use_errno=True)
print(libc.adjtimex(ctypes.create_string_buffer(512)), libc.settimeofday(ctypes.create_string_buffer(16), None))
signal.signal(signal.SIGALRM, lambda *_: None)
signal.setitimer(signal.ITIMER_REAL, 0.005, 0.005)
end = time.monotonic() + 0.3
while time.monotonic() < end: time.sleep(0.01)
signal.setitimer(signal.ITIMER_REAL, 0)
)code");
    expect_exit(out, 0);
    EXPECT_EQ(out.standard_output, "-1 -1\n");
    EXPECT_GE(out.verdict.usage.wall_us, 300'000U);
}

TEST_F(residue, no_program_gets_ahead_of_others) {
    EXPECT_EQ(python(R"code(
import ctypes, os, platform, resource
libc = ctypes.CDLL(None, use_errno=True)
def no_call(answer):
    if answer < 0: raise OSError
def no_lower_score():
    with open('/proc/self/oom_score_adj', 'w') as f: f.write('-1')
ioprio_set = 251 if platform.machine() == 'x86_64' else 30
for what, attempt in {
    'nice': lambda: os.nice(-1),
    'fifo': lambda: os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1)),
    'round robin': lambda: os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1)),
    'disk first': lambda: no_call(libc.syscall(ctypes.c_long(ioprio_set), 1, 0, 1 << 13)),
    'locked memory': lambda: no_call(libc.mlockall(3)),
    'open files': lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (100_000, 100_000)),
    'processes': lambda: resource.setrlimit(resource.RLIMIT_NPROC, (resource.RLIM_INFINITY,) * 2),
    'file size': lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2),
    'killed last': no_lower_score,
    'control groups': lambda: os.listdir('/sys/fs/cgroup'),
}.items():
    try: attempt(); print(what)
    except (OSError, ValueError): pass
print('end')
)code"),
              "end\n");
}

TEST_F(residue, a_compiler_has_no_network_and_reads_no_file_of_the_machine) {
    auto out = host.run(sandbox_host::request(
        "compiled",
        "python3 -c 'import socket; print(\"echo\", socket.socket().connect_ex((\"1.1.1.1\", 80)))' > out\n"));
    expect_exit(out, 0);
    EXPECT_EQ(out.standard_output, "101\n") << "network is unreachable";
    if (!host.has("c")) GTEST_SKIP() << "no gcc";
    for (const char* source : {"__asm__(\".incbin \\\"/etc/shadow\\\"\");\nint main() { return 0; }\n",
                               "#include \"/proc/1/environ\"\nint main() { return 0; }\n",
                               "#include \"../../etc/shadow\"\nint main() { return 0; }\n"}) {
        out = host.run(sandbox_host::request("c", source));
        expect_end(out, cause::compile_error);
        EXPECT_EQ(out.standard_error.find("root:"), std::string::npos) << out.standard_error;
    }
    auto request = sandbox_host::request(
        "c", "#include <stdio.h>\nint main(int n, char** v) { for (int i = 1; i < n; ++i) puts(v[i]); return 0; }\n");
    request.args = {"-o/etc/x", "@main.c", "-fplugin=/tmp/x.so", "; id", "$(id)", "-"};
    out = host.run(request);
    expect_exit(out, 0);
    EXPECT_EQ(out.standard_output, "-o/etc/x\n@main.c\n-fplugin=/tmp/x.so\n; id\n$(id)\n-\n");
}

TEST_F(residue, a_compiler_that_explodes_meets_its_limits) {
    if (!host.has("c")) GTEST_SKIP() << "no gcc";
    std::string source = "#define a0 1,1,1,1,1,1,1,1\n";
    for (int i = 1; i < 10; ++i) {
        const std::string before = "a" + std::to_string(i - 1);
        source += "#define a" + std::to_string(i) + " ";
        for (int copies = 0; copies < 8; ++copies) source += (copies == 0 ? "" : ",") + before;
        source += '\n';
    }
    const auto out = host.run(sandbox_host::request("c", source + "int x[] = {a9};\nint main() { return x[0]; }\n"));
    EXPECT_TRUE(out.verdict.ended_by == cause::compile_limit || out.verdict.ended_by == cause::compile_error)
        << out.verdict.message;
}

}  // namespace
}  // namespace tests
