// Programs that use up what a machine has in places where nobody looks first.
#include "tests/abuse/hostile.hpp"

namespace tests {
namespace {

using stages::worker::cause;

class exhaustion : public hostile {};

TEST_F(exhaustion, a_thread_bomb_meets_the_limit_of_processes) {
    auto request = sandbox_host::request("python", R"code(
import sys, threading
stop, count = threading.Event(), 0
try:
    while count < 1000:
        threading.Thread(target=stop.wait).start()
        count += 1
except RuntimeError:
    print(count)
stop.set()
sys.exit(3)
)code");
    request.limits.processes = 20;
    expect_limit_of_20_processes(host.run(request));
}

TEST_F(exhaustion, orphans_are_reaped_and_zombies_count) {
    auto request = sandbox_host::request("python", R"code(
import os, time
def fork():
    while True:
        try: return os.fork()
        except BlockingIOError: time.sleep(0.001)  # orphans that wait for process 1
for _ in range(150):
    if fork() == 0:
        fork()
        os._exit(0)
    os.wait()
zombies = 0
try:
    while zombies < 100:
        if os.fork() == 0: os._exit(0)
        zombies += 1
except BlockingIOError: pass
print(0 < zombies < 20)
)code");
    request.limits.processes = 20;
    const auto out = host.run(request);
    expect_exit(out, 0);
    EXPECT_EQ(out.standard_output, "True\n");
}

TEST_F(exhaustion, memory_in_every_place_is_the_trees) {
    if (!host.limits_trees()) GTEST_SKIP() << "needs cgroups";
    for (const char* script : {
             // A file in memory by name.
             "f = open('/dev/shm/x', 'wb')\nwhile True: f.write(b'x' * 1_000_000)\n",
             // Shared pages, each written by another process.
             "import mmap, os\nm = mmap.mmap(-1, 300 << 20)\nfor part in range(30):\n"
             "    if os.fork() == 0:\n        m[part * 10 << 20:(part + 1) * 10 << 20] = b'x' * (10 << 20)\n"
             "        os._exit(0)\n    os.wait()\n",
             // System V shared memory that nobody is attached to.
             "import ctypes\nlibc = ctypes.CDLL(None)\nlibc.shmat.restype = ctypes.c_void_p\n"
             "for i in range(30):\n    at = libc.shmat(libc.shmget(i + 1, 10 << 20, 0o1600), None, 0)\n"
             "    ctypes.memset(at, 1, 10 << 20)\n    libc.shmdt(ctypes.c_void_p(at))\n",
         }) {
        auto request = sandbox_host::request("python", script);
        request.limits.memory_bytes = 48ULL << 20;
        request.limits.disk_bytes = 512ULL << 20;
        const auto out = host.run(request);
        expect_end(out, cause::out_of_memory);
        EXPECT_LT(out.whole_ms, 30'000);
    }
}

// How much the kernel lets a process have of these depends on the kernel; that the machine bears it does not.
TEST_F(exhaustion, memory_in_the_kernel_is_bounded_too) {
    for (const char* script : {
             // Bytes in pipes.
             "import fcntl, os\nos_pipes = []\nfor i in range(100):\n    r, w = os.pipe()\n    os.set_blocking(w, "
             "False)\n"
             "    fcntl.fcntl(w, 1031, 1 << 20)\n    os_pipes.append((r, w))\n"
             "    while True:\n        try: os.write(w, b'x' * 65536)\n        except BlockingIOError: break\n",
             // Bytes in sockets.
             "import socket\npairs = []\nfor i in range(400):\n    a, b = socket.socketpair()\n    "
             "a.setblocking(False)\n"
             "    pairs.append((a, b))\n    while True:\n        try: a.send(b'x' * 65536)\n"
             "        except BlockingIOError: break\n",
             // Names that are looked for and are not there.
             "import os\nfor i in range(100_000): os.path.exists(f'/usr/lib/{i:0200}')\n",
             // Files that are read.
             "import glob\nleft = 100 << 20\nfor name in glob.glob('/usr/lib/x86_64-linux-gnu/*.so*'):\n"
             "    with open(name, 'rb') as f: left -= len(f.read(1 << 20))\n    if left < 0: break\n",
         }) {
        auto request = sandbox_host::request("python", script);
        request.limits.memory_bytes = 48ULL << 20;
        const auto out = host.run(request);
        const bool own_exit = out.verdict.ended_by == cause::exited && out.verdict.exit_code.has_value();
        EXPECT_TRUE(own_exit || out.verdict.ended_by == cause::out_of_memory)
            << script << out.verdict.message << out.standard_error;
        if (out.verdict.usage.peak_memory_bytes) EXPECT_LE(*out.verdict.usage.peak_memory_bytes, 48ULL << 20);
    }
}

TEST_F(exhaustion, static_memory_and_an_endless_stack) {
    if (!host.has("c")) GTEST_SKIP() << "no gcc";
    auto request =
        sandbox_host::request("c",
                              "static volatile char all[1u << 30];\n"
                              "int main() { for (unsigned i = 0; i < sizeof all; i += 4096) all[i] = 1; return 0; }\n");
    request.limits.memory_bytes = 64ULL << 20;
    if (host.limits_trees()) expect_end(host.run(request), cause::out_of_memory);
    const auto out = host.run(sandbox_host::request(
        "c",
        "static int deeper(int n) { volatile char page[4096]; page[0] = 1; return deeper(n + 1) + page[n & 4095]; }\n"
        "int main() { return deeper(0); }\n"));
    expect_end(out, cause::exited);
    EXPECT_EQ(out.verdict.signal, 11);
}

TEST_F(exhaustion, deep_folders_and_long_names_are_gone_at_once) {
    const auto out = host.python(R"code(
import os
deep = 0
try:
    while deep < 1000:
        os.mkdir('d' * 255)
        os.chdir('d' * 255)
        deep += 1
except OSError as e: print(e.strerror)
try: os.mkdir('d' * 256)
except OSError as e: print(e.strerror)
print(deep)
)code");
    expect_exit(out, 0);
    EXPECT_EQ(out.standard_output, "File name too long\n1000\n");
    EXPECT_LT(out.whole_ms, 10'000);
}

TEST_F(exhaustion, nobody_dumps_core) {
    const auto out = host.bash(
        "for i in $(seq 30); do (ulimit -c unlimited 2>/dev/null; kill -SEGV $BASHPID); done 2>/dev/null\n"
        "ulimit -S -c; ulimit -H -c; ls -A | grep -v main.sh; kill -SEGV $$\n");
    expect_end(out, cause::exited);
    EXPECT_EQ(out.verdict.signal, 11);
    EXPECT_EQ(out.standard_output, "0\n0\n");
}

// The end, its limits and a cancellation meet as closely as a test can make them: there is one verdict, and it agrees
// with itself.
TEST_F(exhaustion, ends_that_meet_make_one_verdict) {
    for (int i = 0; i < 24; ++i) {
        auto request =
            sandbox_host::request("python", i % 2 == 0 ? "import time; time.sleep(0.1)\nraise SystemExit(7)\n"
                                                       : "x = []\nwhile True: x.append(bytearray(300_000))\n");
        request.limits.wall_ms = 80 + static_cast<std::uint64_t>(i) * 3;
        request.limits.memory_bytes = 64ULL << 20;
        run_options options;
        options.cancel_after_ms = 80 + i * 3;
        const auto out = host.run(request, options);
        switch (out.verdict.ended_by) {
            case cause::exited: EXPECT_EQ(out.verdict.exit_code, i % 2 == 0 ? 7 : 1) << out.standard_error; break;
            case cause::timeout_wall:
            case cause::cancelled:
            case cause::out_of_memory:
                EXPECT_FALSE(out.verdict.exit_code);
                EXPECT_FALSE(out.verdict.signal);
                break;
            default: ADD_FAILURE() << static_cast<int>(out.verdict.ended_by) << out.verdict.message;
        }
    }
}

}  // namespace
}  // namespace tests
