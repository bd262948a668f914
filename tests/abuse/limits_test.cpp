// Programs that want more than they may have, and programs that will not end.
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <functional>
#include <set>

#include "stages/worker/sandbox/limits/cgroup.hpp"
#include "tests/abuse/hostile.hpp"

namespace tests {
namespace {

using stages::worker::cause;
using stages::worker::on_output_limit;
using stages::worker::sandbox::has_word;
using stages::worker::sandbox::rung;

class limits : public hostile {};

// True if a group can be made there, and has this file.
bool makes_groups_with(const std::string& file, const std::string& hierarchy) {
    const std::string group = hierarchy + "/weir-limits-test";
    if (mkdir(group.c_str(), 0755) != 0) return false;
    const bool has_it = access((group + "/" + file).c_str(), F_OK) == 0;
    EXPECT_EQ(rmdir(group.c_str()), 0);
    return has_it;
}

// Tests of trees are passed over where the server says that the machine has no control groups; it must not say so here.
TEST_F(limits, a_machine_that_can_limit_trees_does) {
    const auto controllers = read_file("/sys/fs/cgroup/cgroup.controllers");
    if (has_word(controllers, "memory") && has_word(controllers, "pids")) {
        if (!makes_groups_with("cgroup.procs", "/sys/fs/cgroup")) GTEST_SKIP() << "no groups (v2) can be made here";
        EXPECT_EQ(host.report().level, rung::cgroup2);
        return;
    }
    for (const char* controller : {"memory", "pids"})
        if (!makes_groups_with("cgroup.procs", std::string("/sys/fs/cgroup/") + controller))
            GTEST_SKIP() << "no groups (v1) can be made here";
    EXPECT_TRUE(host.limits_trees());
}

// Beside many idle siblings the server was seen to wait for several of their turns, beside one for fewer.
TEST_F(limits, one_idle_group_is_around_all_boxes) {
    host.run(sandbox_host::request("bash", "true"));
    std::size_t boxes = 0;
    std::set<std::string> hierarchies{"/sys/fs/cgroup/cpu", "/sys/fs/cgroup"};
    for (const auto& group : host.groups()) {
        const auto above = group.substr(0, group.rfind('/'));
        hierarchies.insert(above);
        if (read_file(group + "/cpu.idle") != "1\n" || group.ends_with(".all")) continue;
        ++boxes;
        EXPECT_TRUE(above.ends_with(".all")) << group;
        EXPECT_EQ(read_file(above + "/cpu.idle"), "1\n");
    }
    if (!host.limits_trees()) GTEST_SKIP() << "needs cgroups";
    if (std::ranges::none_of(hierarchies, std::bind_front(makes_groups_with, "cpu.idle")))
        GTEST_SKIP() << "this kernel has no idle groups";
    EXPECT_GT(boxes, 0U) << "no box waits, and none is kept";
}

TEST_F(limits, wall_time) {
    const std::uint64_t wall_ms = 400 * times_slower();
    std::uint64_t best_us = UINT64_MAX;
    for (const char* script :
         {"sleep 100", "kill -STOP $$", "trap '' TERM INT HUP; while :; do sleep 1; done", "read x < <(sleep 99)"}) {
        auto request = sandbox_host::request("bash", std::string("echo before\n") + script);
        request.limits.wall_ms = wall_ms;
        const auto out = host.run(request);
        expect_end(out, cause::timeout_wall);
        EXPECT_EQ(out.standard_output, "before\n");
        EXPECT_GE(out.verdict.usage.wall_us, wall_ms * 1000);
        EXPECT_LT(out.whole_ms, 3000 * times_slower());
        best_us = std::min(best_us, out.verdict.usage.wall_us);
    }
    // On a busy machine some of them die late, not all.
    EXPECT_LE(best_us, wall_ms * 1050);
}

TEST_F(limits, cpu_time_within_five_per_cent) {
    auto request = sandbox_host::request("python", "print('before')\nwhile True: pass\n");
    request.limits.cpu_ms = 1000;
    const auto out = host.run(request);
    expect_end(out, cause::timeout_cpu);
    EXPECT_EQ(out.standard_output, "before\n");
    ASSERT_TRUE(out.verdict.usage.cpu_us);
    EXPECT_GE(*out.verdict.usage.cpu_us, host.limits_trees() ? 990'000U : 800'000U);
    EXPECT_LE(*out.verdict.usage.cpu_us, 1'000'000U + (host.limits_trees() ? 50'000U : 200'000U) * times_slower());
}

TEST_F(limits, cpu_time_of_all_processes_together) {
    if (!host.limits_trees()) GTEST_SKIP() << "needs cgroups";
    auto request = sandbox_host::request(
        "bash",
        "for i in 1 2 3 4; do (while :; do :; done) & done; sleep 0.1; setsid bash -c 'while :; do :; done' & wait");
    request.limits.cpu_ms = 600;
    const auto out = host.run(request);
    expect_end(out, cause::timeout_cpu);
    EXPECT_LE(*out.verdict.usage.cpu_us, 600'000U + 60'000U * times_slower());
}

TEST_F(limits, memory_of_one_process) {
    auto request =
        sandbox_host::request("python", "print('before')\nx = []\nwhile True: x.append(bytearray(1_000_000))\n");
    request.limits.memory_bytes = 64ULL << 20;
    const auto out = host.run(request);
    EXPECT_EQ(out.standard_output, "before\n");
    if (!host.limits_trees()) {
        expect_end(out, cause::exited);  // MemoryError
        EXPECT_EQ(out.verdict.exit_code, 1);
        return;
    }
    expect_end(out, cause::out_of_memory);
    EXPECT_GT(*out.verdict.usage.peak_memory_bytes, 60'000'000U);
    EXPECT_LE(*out.verdict.usage.peak_memory_bytes, 64ULL << 20);
}

TEST_F(limits, memory_of_all_processes_together) {
    if (!host.limits_trees()) GTEST_SKIP() << "needs cgroups";
    auto request = sandbox_host::request(
        "python",
        "import os, time\nfor i in range(6):\n  if os.fork() == 0:\n    x = bytearray(30_000_000); time.sleep(30)\n"
        "time.sleep(30)\n");
    request.limits.memory_bytes = 100ULL << 20;
    const auto out = host.run(request);
    expect_end(out, cause::out_of_memory);
    EXPECT_LT(out.whole_ms, 10'000);
}

TEST_F(limits, memory_hidden_in_files) {
    if (!host.limits_trees()) GTEST_SKIP() << "needs cgroups";
    auto request = sandbox_host::request(
        "python",
        "import os, time\nfd = os.memfd_create('x')\nfor i in range(200): os.write(fd, b'x' * 1_000_000)\n"
        "time.sleep(5)\n");
    request.limits.memory_bytes = 64ULL << 20;
    request.limits.disk_bytes = 512ULL << 20;  // also the largest file
    expect_end(host.run(request), cause::out_of_memory);
}

TEST_F(limits, a_fork_bomb_meets_its_limit) {
    auto request = sandbox_host::request("python", R"code(
import os, sys, time
count = 0
try:
    while True:
        if os.fork() == 0: time.sleep(60)
        count += 1
except BlockingIOError:
    print(count)
    sys.exit(3)
)code");
    request.limits.processes = 20;
    expect_limit_of_20_processes(host.run(request));
}

TEST_F(limits, an_endless_fork_bomb_ends_with_its_time) {
    auto request = sandbox_host::request("bash", "bomb() { bomb | bomb & }; while :; do bomb; done 2>/dev/null");
    request.limits.processes = 50;
    request.limits.wall_ms = 1500;
    const auto out = host.run(request);
    EXPECT_TRUE(out.verdict.ended_by == cause::timeout_wall || out.verdict.ended_by == cause::process_limit ||
                out.verdict.ended_by == cause::exited)
        << static_cast<int>(out.verdict.ended_by) << out.verdict.message;
    EXPECT_LT(out.whole_ms, 3000 * times_slower());
}

TEST_F(limits, a_flood_is_cut_and_counted) {
    auto request = sandbox_host::request("python",
                                         "import sys\nfor i in range(300): sys.stdout.write('é' * 50_000)\n"
                                         "sys.stderr.write('done')\n");
    request.limits.output_bytes = 1'000'001;
    const auto out = host.run(request);
    expect_end(out, cause::exited);
    EXPECT_EQ(out.verdict.exit_code, 0);
    EXPECT_TRUE(out.verdict.stdout_truncated);
    EXPECT_FALSE(out.verdict.stderr_truncated);
    EXPECT_EQ(out.standard_output.size(), 1'000'000U) << "the cut steps back to the end of a character";
    EXPECT_EQ(out.standard_error, "done");
    EXPECT_EQ(out.verdict.usage.output_bytes, 300U * 100'000U + 4);
}

TEST_F(limits, a_flood_ends_the_tree_if_asked_for) {
    auto request = sandbox_host::request("bash", "yes & yes >&2");
    request.limits.output_bytes = 100'000;
    request.limits.when_output_is_full = on_output_limit::kill;
    const auto out = host.run(request);
    expect_end(out, cause::output_limit);
    EXPECT_TRUE(out.standard_output.size() == 100'000 || out.standard_error.size() == 100'000);
    EXPECT_LE(out.standard_output.size(), 100'000U);
    EXPECT_LT(out.whole_ms, 10'000);
}

TEST_F(limits, a_full_disk_is_named_if_the_program_fails_of_it) {
    const char* fill =
        "import sys\nopen('/tmp/a', 'wb').close()\nf = open('big', 'wb', buffering=0)\n"
        "try:\n  while True: f.write(b'x' * 100_000)\nexcept OSError as e:\n  print(e.errno)\n";
    auto request = sandbox_host::request("python", std::string(fill) + "  sys.exit(5)\n");
    request.limits.disk_bytes = 8ULL << 20;
    auto out = host.run(request);
    expect_end(out, cause::disk_limit);
    EXPECT_EQ(out.verdict.exit_code, 5);
    request.script = fill;
    out = host.run(request);
    expect_end(out, cause::exited);
    EXPECT_EQ(out.verdict.exit_code, 0);
}

TEST_F(limits, the_disk_is_one_for_all_its_folders) {
    auto request = sandbox_host::request(
        "bash",
        "head -c 5000000 /dev/zero > /tmp/a && head -c 5000000 /dev/zero > /dev/shm/b || { echo full; exit 1; }");
    request.limits.disk_bytes = 8ULL << 20;
    const auto out = host.run(request);
    expect_end(out, cause::disk_limit);
    EXPECT_EQ(out.standard_output, "full\n");
}

TEST_F(limits, a_huge_sparse_file_and_very_many_files) {
    auto request = sandbox_host::request("python", R"code(
import os, resource, signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
try: os.truncate(os.open('s', os.O_CREAT | os.O_RDWR), 1 << 50)
except OSError as e: print(e.strerror)
n = 0
try:
    while n < 200_000:
        os.mknod(f'f{n}', 0o600); n += 1
except OSError as e: print(e.strerror)
)code");
    const auto out = host.run(request);
    expect_end(out, cause::exited);
    EXPECT_EQ(out.standard_output, "File too large\nNo space left on device\n");
}

TEST_F(limits, the_end_does_not_wait_for_a_daemon) {
    const auto out = host.bash("(setsid sleep 100 & setsid bash -c 'trap \"\" TERM; sleep 100' &) ; echo bye");
    expect_end(out, cause::exited);
    EXPECT_EQ(out.verdict.exit_code, 0);
    EXPECT_EQ(out.standard_output, "bye\n");
    EXPECT_LT(out.whole_ms, 5000 * times_slower());
}

TEST_F(limits, closing_its_output_does_not_end_it) {
    auto request = sandbox_host::request("bash", "exec >&- 2>&-; sleep 0.3; exit 9");
    const auto out = host.run(request);
    expect_end(out, cause::exited);
    EXPECT_EQ(out.verdict.exit_code, 9);
}

TEST_F(limits, cancel_ends_the_whole_tree_at_once) {
    const std::int64_t bound_ms = 20 * times_slower();
    std::int64_t best_ms = INT64_MAX;
    for (int attempt = 0; attempt < 5 && best_ms > bound_ms; ++attempt) {
        auto request = sandbox_host::request(
            "bash", "echo before; trap '' TERM; for i in 1 2 3; do setsid sleep 50 & done; sleep 50");
        run_options options;
        options.cancel_after_ms = 500 * times_slower();
        const auto out = host.run(request, options);
        expect_end(out, cause::cancelled);
        EXPECT_EQ(out.standard_output, "before\n");
        best_ms = std::min(best_ms, out.after_cancel_ms);
    }
    EXPECT_LE(best_ms, bound_ms);
}

TEST_F(limits, cancel_before_it_begins) {
    run_options options;
    options.cancel_after_ms = 0;
    const auto out = host.run(sandbox_host::request("bash", "sleep 20"), options);
    EXPECT_EQ(out.verdict.ended_by, cause::cancelled);
}

TEST_F(limits, a_program_cannot_forge_its_end) {
    const auto out = host.bash("echo '{\"exit_code\": 0}'; echo 'WB' >&2; exit 137");
    expect_end(out, cause::exited);
    EXPECT_EQ(out.verdict.exit_code, 137);
}

}  // namespace
}  // namespace tests
