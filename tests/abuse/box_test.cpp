// What a well-behaved program finds in a box.
#include <unistd.h>

#include <array>

#include "tests/abuse/hostile.hpp"

namespace tests {
namespace {

using stages::worker::cause;

class box : public hostile {
  protected:
    void expect_exit(const outcome& out, int code) {
        EXPECT_EQ(out.verdict.ended_by, cause::exited) << out.verdict.message;
        EXPECT_EQ(out.verdict.exit_code, code) << out.standard_error;
        EXPECT_FALSE(out.verdict.signal);
        EXPECT_TRUE(out.started);
    }
};

TEST_F(box, runs_every_language) {
    for (const auto& runtime : host.installed()) {
        for (const auto& version : runtime.versions) {
            auto request = sandbox_host::request(runtime.what.language, runtime.what.example);
            request.lang_version = version;
            request.args = {"box"};
            const auto out = host.run(request);
            expect_exit(out, 0);
            EXPECT_EQ(out.standard_output, "Hello, box!\n") << runtime.what.language << version;
            EXPECT_EQ(out.standard_error, "");
        }
    }
}

TEST_F(box, what_nobody_follows_is_told_before_the_end_too) {
    auto request = sandbox_host::request("bash", "echo one; sleep 1; echo two");
    request.unfollowed = true;
    const auto out = host.run(request);
    expect_exit(out, 0);
    EXPECT_TRUE(out.started);
    EXPECT_EQ(out.standard_output, "one\ntwo\n");
    EXPECT_LT(out.first_output_ms + 500, out.whole_ms);
}

// Its end comes before its start was heard of.
TEST_F(box, the_output_of_a_program_that_nobody_follows_is_kept_when_it_is_ended) {
    auto request = sandbox_host::request("bash", "echo one; sleep 60");
    request.limits.wall_ms = 4;
    std::array<int, 2> seen{};  // of those that somebody follows, and of the others
    for (int attempt = 0; attempt < 80; ++attempt) {
        request.unfollowed = attempt % 2 == 1;
        const auto out = host.run(request);
        EXPECT_EQ(out.verdict.ended_by, cause::timeout_wall) << out.verdict.message;
        if (out.started && out.standard_output == "one\n") ++seen[request.unfollowed ? 1 : 0];
    }
    // How many have begun in that time is the machine's affair.
    EXPECT_GE(seen[1] * 2 + 10, seen[0]);
}

TEST_F(box, an_unknown_version_is_our_failure_not_the_programs) {
    auto request = sandbox_host::request("python", "");
    request.lang_version = "2.2";
    const auto out = host.run(request);
    EXPECT_EQ(out.verdict.ended_by, cause::infrastructure);
    EXPECT_FALSE(out.started);
    EXPECT_NE(out.verdict.message, "");
}

TEST_F(box, exit_code_and_signal_are_the_programs_own) {
    expect_exit(host.bash("exit 42"), 42);
    const auto out = host.python("import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)\n");
    EXPECT_EQ(out.verdict.ended_by, cause::exited);
    EXPECT_EQ(out.verdict.signal, 11);
    EXPECT_FALSE(out.verdict.exit_code);
}

TEST_F(box, arguments_arrive_as_they_are) {
    auto request = sandbox_host::request("python", "import sys\nprint(sys.argv)\n");
    request.args = {"a b", "", "$(id)", "x\ny", "--", "-c", "ä'\""};
    const auto out = host.run(request);
    expect_exit(out, 0);
    EXPECT_EQ(out.standard_output, "['main.py', 'a b', '', '$(id)', 'x\\ny', '--', '-c', 'ä\\'\"']\n");
}

TEST_F(box, large_scripts_and_arguments_fit) {
    auto request = sandbox_host::request("python", "import sys\nprint(sum(map(len, sys.argv[1:])))\n#");
    request.script.append(200'000, 'x');
    for (int i = 0; i < 64; ++i) request.args.emplace_back(4096, 'y');
    const auto out = host.run(request);
    expect_exit(out, 0);
    EXPECT_EQ(out.standard_output, "262144\n");
}

TEST_F(box, standard_input_is_byte_exact_then_ends) {
    for (const std::size_t size : {0UL, 1UL, 65'536UL, 65'537UL, 1UL << 20}) {
        auto request = sandbox_host::request(
            "python", "import sys, hashlib\nb = sys.stdin.buffer.read()\nprint(len(b), sum(b), b[:2])\n");
        std::uint64_t sum = 0;
        for (std::size_t i = 0; i < size; ++i) {
            request.standard_input.push_back(static_cast<char>(i % 251));
            sum += i % 251;
        }
        const auto out = host.run(request);
        expect_exit(out, 0);
        EXPECT_EQ(out.standard_output.substr(0, out.standard_output.rfind(" b")),
                  std::to_string(size) + " " + std::to_string(sum));
    }
}

TEST_F(box, output_is_byte_exact) {
    const auto out = host.python(
        "import sys\nsys.stdout.buffer.write(bytes(range(256)) * 300 + 'äöü€😀'.encode() * 999)\n"
        "sys.stderr.buffer.write(b'\\0\\xff' * 100)\n");
    expect_exit(out, 0);
    std::string expected;
    for (int i = 0; i < 300 * 256; ++i) expected.push_back(static_cast<char>(i % 256));
    for (int i = 0; i < 999; ++i) expected += "äöü€😀";
    EXPECT_EQ(out.standard_output, expected);
    EXPECT_EQ(out.standard_error.size(), 200U);
    EXPECT_EQ(out.verdict.usage.output_bytes, expected.size() + 200);
    EXPECT_FALSE(out.verdict.stdout_truncated);
}

TEST_F(box, a_slow_reader_slows_the_program_and_loses_nothing) {
    auto request = sandbox_host::request("python", "print('x' * 1_000_000)\n");
    run_options options;
    options.observer_delay_ms = 5;
    const auto out = host.run(request, options);
    expect_exit(out, 0);
    EXPECT_EQ(out.standard_output.size(), 1'000'001U);
}

TEST_F(box, the_first_line_of_a_slow_program_is_seen_while_it_runs) {
    const auto out = host.python("import time\nprint('now')\ntime.sleep(1.5)\n");
    expect_exit(out, 0);
    EXPECT_LT(out.first_output_ms, out.whole_ms - 1200);
}

TEST_F(box, bash_runs_pipelines_and_opens_its_own_streams) {
    const auto out = host.bash(
        "seq 1 1000 | sort -rn | head -1\necho err > /dev/stderr\necho out > /dev/stdout\ncat <(echo sub)\n"
        "read line < /dev/stdin; echo \"[$line]\"\n");
    expect_exit(out, 0);
    EXPECT_EQ(out.standard_output, "1000\nout\nsub\n[]\n");
    EXPECT_EQ(out.standard_error, "err\n");
}

TEST_F(box, python_forks_threads_and_talks_over_loopback) {
    const auto out = host.python(R"code(
import multiprocessing, socket, threading, tempfile, pwd, os
if __name__ == '__main__':
    with multiprocessing.Pool(3) as pool:
        print(sum(pool.map(abs, range(-10, 0))))
    server = socket.create_server(('127.0.0.1', 0))
    threading.Thread(target=lambda: server.accept()[0].sendall(b'hello')).start()
    print(socket.create_connection(server.getsockname()).recv(5))
    with tempfile.TemporaryDirectory() as folder:
        print(folder.startswith('/tmp/'))
    print(pwd.getpwnam(os.environ['USER']).pw_uid == os.getuid(), os.getcwd(), os.environ['HOME'], os.cpu_count() > 0)
    print(multiprocessing.shared_memory.SharedMemory(create=True, size=100).size >= 100
          if hasattr(multiprocessing, 'shared_memory') else True)
)code");
    expect_exit(out, 0);
    EXPECT_EQ(out.standard_output, "55\nb'hello'\nTrue\nTrue /box /box True\nTrue\n");
}

TEST_F(box, node_works) {
    if (!host.has("node")) GTEST_SKIP() << "no node on this machine";
    auto request = sandbox_host::request("node", R"code(
const { Worker } = require('worker_threads'); const os = require('os'); const fs = require('fs');
const { execFileSync } = require('child_process');
fs.writeFileSync('out.txt', 'x');
console.log(execFileSync('ls').toString().trim().split('\n').join(','), os.cpus().length > 0,
            Object.keys(os.networkInterfaces()).join());
new Worker("require('worker_threads').parentPort.postMessage(7)", { eval: true }).on('message', m => console.log(m));
)code");
    request.limits.memory_bytes = 1ULL << 30;
    const auto out = host.run(request);
    expect_exit(out, 0);
    EXPECT_EQ(out.standard_output, "main.js,out.txt true lo\n7\n");
}

TEST_F(box, usage_is_measured_from_outside) {
    const auto out = host.python(
        "import os, time\nx = bytearray(50_000_000)\npids = [os.fork() for _ in range(1)]\n"
        "if 0 in pids: time.sleep(0.2); os._exit(0)\nend = time.process_time() + 0.3\n"
        "while time.process_time() < end: pass\nos.wait()\n");
    expect_exit(out, 0);
    const auto& usage = out.verdict.usage;
    EXPECT_GT(usage.wall_us, 290'000U);
    ASSERT_TRUE(usage.cpu_us);
    EXPECT_GT(*usage.cpu_us, 290'000U);
    if (!host.limits_trees()) return;
    ASSERT_TRUE(usage.peak_memory_bytes);
    EXPECT_GT(*usage.peak_memory_bytes, 50'000'000U);
    EXPECT_LT(*usage.peak_memory_bytes, 80'000'000U);
    if (usage.peak_processes) EXPECT_EQ(*usage.peak_processes, 2U);
}

TEST_F(box, many_at_once_do_not_meet) {
    std::vector<stages::worker::launch_request> requests;
    for (int i = 0; i < 16; ++i) {
        requests.push_back(
            sandbox_host::request("bash",
                                  "ls /box /tmp /dev/shm | grep -v main; echo $1 > /tmp/mine; "
                                  "sleep 0.1; cat /tmp/mine; test $(ls /proc | grep -c '^[0-9]') -lt 6 && echo alone"));
        requests.back().args = {std::to_string(i)};
    }
    const auto all = host.run_all(requests);
    for (std::size_t i = 0; i < all.size(); ++i) {
        expect_exit(all[i], 0);
        EXPECT_EQ(all[i].standard_output, "/box:\n\n/dev/shm:\n\n/tmp:\n" + std::to_string(i) + "\nalone\n");
    }
}

TEST_F(box, the_standard_librarys_own_tests_pass) {
    if (access("/usr/lib/python3.11/test/test_json/__init__.py", R_OK) != 0) GTEST_SKIP() << "libpython3.11-testsuite";
    for (const char* module : {"test_json", "test_re", "test_heapq", "test_statistics", "test_tempfile"}) {
        auto request = sandbox_host::request("python",
                                             "import sys, unittest\nfrom test import support\n"
                                             "unittest.main(module='test.' + sys.argv.pop(1), verbosity=0)\n");
        request.args = {module};
        request.limits.memory_bytes = 1ULL << 30;
        request.limits.disk_bytes = 256ULL << 20;
        const auto out = host.run(request);
        EXPECT_EQ(out.verdict.exit_code, 0) << module << "\n" << out.standard_error;
    }
}

TEST_F(box, no_signal_is_blocked) {
    EXPECT_EQ(
        host.bash("while read -r name value; do [ $name = SigBlk: ] && echo $value; done < /proc/self/status; true")
            .standard_output,
        "0000000000000000\n");
    EXPECT_EQ(python("import signal\nprint(signal.pthread_sigmask(signal.SIG_BLOCK, []))\n"), "set()\n");
}

}  // namespace
}  // namespace tests
