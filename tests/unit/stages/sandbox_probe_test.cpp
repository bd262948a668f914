#include <gtest/gtest.h>

#include <fcntl.h>

#include "stages/worker/sandbox/channel/channel.hpp"
#include "stages/worker/sandbox/channel/protocol.hpp"
#include "stages/worker/sandbox/limits/cgroup.hpp"
#include "stages/worker/sandbox/nursery.hpp"
#include "stages/worker/sandbox/verdicts.hpp"

namespace stages::worker::sandbox {
namespace {

TEST(sandbox_probe, mounts_are_read_from_mountinfo) {
    const auto mounts = parse_mountinfo(
        "31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755\n"
        "32 31 0:29 /docker/1 /sys/fs/cgroup/cpu,cpuacct rw shared:5 master:1 - cgroup cgroup rw,cpu,cpuacct\n"
        "nonsense\n\n - - -\n"
        "41 31 0:38 / /sys/fs/a\\040b\\134 rw - cgroup2 cgroup2 rw,nsdelegate");
    ASSERT_EQ(mounts.size(), 3U);
    EXPECT_EQ(mounts[0].type, "tmpfs");
    EXPECT_EQ(mounts[1].root, "/docker/1");
    EXPECT_EQ(mounts[1].point, "/sys/fs/cgroup/cpu,cpuacct");
    EXPECT_TRUE(has_word(mounts[1].options, "cpuacct"));
    EXPECT_TRUE(has_word(mounts[1].options, "cpu"));
    EXPECT_FALSE(has_word(mounts[1].options, "acct"));
    EXPECT_EQ(mounts[2].point, "/sys/fs/a b\\");
}

TEST(sandbox_probe, own_groups_are_read_with_colons_in_their_names) {
    const auto groups = parse_self_cgroup("4:memory:/a:b\n0::/user.slice\n1:name=systemd:/\nbad\n:\n");
    ASSERT_EQ(groups.size(), 3U);
    EXPECT_EQ(groups[0].controllers, "memory");
    EXPECT_EQ(groups[0].path, "/a:b");
    EXPECT_EQ(groups[1].controllers, "");
    EXPECT_EQ(groups[1].path, "/user.slice");
}

TEST(sandbox_probe, counters_are_found_by_their_whole_name) {
    const std::string text = "oom 1\noom_kill 27\noom_group_kill 3\n";
    EXPECT_EQ(find_counter(text, "oom_kill"), 27U);
    EXPECT_EQ(find_counter(text, "oom"), 1U);
    EXPECT_FALSE(find_counter(text, "kill"));
    EXPECT_FALSE(find_counter("oom_kill x\n", "oom_kill"));
    EXPECT_FALSE(find_counter("", "oom_kill"));
}

ended_packet ended(box_end how, int code) {
    ended_packet end;
    end.how = how;
    end.code = code;
    return end;
}

TEST(sandbox_verdict, follows_the_contracts_order) {
    const program_limits limits;
    EXPECT_EQ(verdict_of(ended(box_end::exited, 0), limits).exit_code, 0);
    EXPECT_EQ(verdict_of(ended(box_end::signaled, 11), limits).signal, 11);
    EXPECT_FALSE(verdict_of(ended(box_end::signaled, 11), limits).exit_code);
    EXPECT_EQ(verdict_of(ended(box_end::failed, 0), limits).ended_by, cause::infrastructure);

    auto hit = ended(box_end::exited, 0);
    hit.process_limit_hit = hit.disk_limit_hit = true;
    EXPECT_EQ(verdict_of(hit, limits).ended_by, cause::exited) << "a limit that did no harm";
    hit.code = 1;
    EXPECT_EQ(verdict_of(hit, limits).ended_by, cause::process_limit);
    EXPECT_EQ(verdict_of(hit, limits).exit_code, 1);
    hit.process_limit_hit = false;
    EXPECT_EQ(verdict_of(hit, limits).ended_by, cause::disk_limit);

    for (const auto& [reason, expected] :
         {std::pair{kill_reason::cancelled, cause::cancelled}, std::pair{kill_reason::wall, cause::timeout_wall},
          std::pair{kill_reason::cpu, cause::timeout_cpu}, std::pair{kill_reason::memory, cause::out_of_memory},
          std::pair{kill_reason::output, cause::output_limit}}) {
        hit.how = box_end::killed;
        hit.killed_for = reason;
        EXPECT_EQ(verdict_of(hit, limits).ended_by, expected) << "what ended the tree comes before any limit";
    }
}

TEST(sandbox_channel, carries_small_and_large_packets_with_their_descriptors) {
    auto ends = make_channel();
    ASSERT_TRUE(ends);
    const int here = (*ends)[0].get();
    const int there = (*ends)[1].get();
    EXPECT_EQ(receive_packet(there).error(), boost::system::errc::resource_unavailable_try_again);
    launch_packet what;
    what.limits = {1, 1, 1, 1, 1};
    what.executable = "/bin/true";
    what.arguments = {"true"};
    const descriptor file(open("/dev/null", O_RDONLY | O_CLOEXEC));
    for (const std::size_t size : {0UL, 1000UL, 100'000UL, 1'000'000UL}) {
        what.file_bytes.assign(size, 'x');
        const std::array files{file.get(), file.get(), file.get()};
        ASSERT_FALSE(send_packet(here, what, files));
        auto got = receive_packet(there);
        ASSERT_TRUE(got);
        EXPECT_TRUE(std::get<launch_packet>(got->what) == what);
        EXPECT_EQ(got->descriptors.size(), 3U);
    }
    ASSERT_EQ(::write(here, "garbage", 7), 7);
    EXPECT_EQ(receive_packet(there).error(), boost::system::errc::protocol_error);
    ASSERT_EQ(::write(here, "WB@memfd", 8), 8);
    EXPECT_EQ(receive_packet(there).error(), boost::system::errc::protocol_error) << "a memfd that is not there";
    (*ends)[0].reset();
    EXPECT_EQ(receive_packet(there).error(), boost::system::errc::connection_reset);
}

TEST(launcher_options, more_than_a_launcher_takes_is_said_before_there_is_one) {
    launcher_options options;
    options.etc.assign(arguments_max + 1, "pattern");
    const auto made = nursery::start(options, 1);
    ASSERT_TRUE(made.has_value());
    EXPECT_NE(made->report().problem.find("patterns of /etc (129)"), std::string::npos) << made->report().problem;
    EXPECT_EQ(made->process(), 0);
}

}  // namespace
}  // namespace stages::worker::sandbox
