// Boxes, brokers and servers that die at the wrong moment.
#include <gtest/gtest.h>

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>

#include "stages/worker/sandbox/channel.hpp"
#include "tests/support/sandbox_host.hpp"

namespace tests {
namespace {

using stages::worker::cause;
namespace sandbox = stages::worker::sandbox;

class survival : public testing::Test {
  protected:
    sandbox_host& host = sandbox_host::get();
    void TearDown() override { EXPECT_EQ(host.leftovers(), ""); }
};

TEST_F(survival, a_killed_broker_takes_its_boxes_along_and_is_replaced) {
    const pid_t before = host.broker_process();
    run_options options;
    options.on_started = [&] { ::kill(before, SIGKILL); };
    const auto out = host.run(sandbox_host::request("bash", "echo before; sleep 30"), options);
    EXPECT_EQ(out.verdict.ended_by, cause::infrastructure);
    EXPECT_NE(out.verdict.message, "");
    EXPECT_LT(out.whole_ms, 5000);
    const auto next = host.bash("echo again");
    EXPECT_EQ(next.standard_output, "again\n");
    EXPECT_NE(host.broker_process(), before);
    EXPECT_EQ(host.worker().counters().brokers_lost, 1U);
}

TEST_F(survival, a_broker_is_not_upset_by_garbage) {
    // Its own shard would be the sender: the socket is ended, and the shard takes a new broker.
    const auto out = host.bash("echo fine");
    EXPECT_EQ(out.standard_output, "fine\n");
}

// A server of its own: it starts a box that never ends, says which processes there are, and waits to be killed.
[[noreturn]] void be_a_server(int tell, const std::string& group) {
    sandbox::launcher_options options;
    options.group_name = group;
    options.first_uid = 400'000;
    options.boxes_max = 4;
    auto nursery = sandbox::nursery::fork_one(options, 1);
    if (!nursery) _exit(1);
    const auto channel = nursery->take_channel(0);
    static_cast<void>(sandbox::send_packet(channel.get(), sandbox::broker_wanted_packet{}));
    auto got = sandbox::wait_for_packet(channel.get(), 10'000);
    if (!got || got->descriptors.size() != 1) _exit(2);
    sandbox::launch_packet what;
    what.run = 1;
    what.limits = {600'000, 600'000, 64U << 20, 16, 1U << 20};
    what.executable = "/bin/bash";
    what.arguments = {"bash", "-c", "setsid sleep 1000 & sleep 1000"};
    what.environment = {"PATH=/usr/bin:/bin"};
    const int nowhere = open("/dev/null", O_RDWR | O_CLOEXEC);
    const std::array files{nowhere, nowhere, nowhere};
    static_cast<void>(sandbox::send_packet(got->descriptors[0].get(), what, files));
    const auto begun = sandbox::wait_for_packet(got->descriptors[0].get(), 10'000);
    if (!begun || !std::holds_alternative<sandbox::started_packet>(begun->what)) _exit(3);
    const std::array<pid_t, 2> processes{nursery->process(), std::get<sandbox::broker_here_packet>(got->what).process};
    if (::write(tell, processes.data(), sizeof processes) != sizeof processes) _exit(4);
    for (;;) pause();
}

// Of the named group in all hierarchies: the folders below it, apart from the server's own.
std::size_t groups_of(const std::string& group) {
    std::size_t count = 0;
    std::error_code ignored;
    for (const std::string base : {"/sys/fs/cgroup", "/sys/fs/cgroup/memory", "/sys/fs/cgroup/pids", "/sys/fs/cgroup/cpu",
                                   "/sys/fs/cgroup/cpuacct"})
        for (const auto& entry : std::filesystem::directory_iterator(base + "/" + group, ignored))
            if (entry.is_directory(ignored) && entry.path().filename() != "server") ++count;
    return count;
}

TEST_F(survival, a_killed_server_leaves_nothing_behind) {
    const std::string group = "weir-test-server-" + std::to_string(getpid());
    int ends[2];
    ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
    const sandbox::descriptor hear(ends[0]);
    const pid_t server = fork();
    if (server == 0) be_a_server(ends[1], group);
    close(ends[1]);
    std::array<pid_t, 2> processes{};
    ASSERT_EQ(::read(hear.get(), processes.data(), sizeof processes), static_cast<ssize_t>(sizeof processes));
    const std::string broker = std::to_string(processes[1]);
    const std::string box = read_file("/proc/" + broker + "/task/" + broker + "/children");
    EXPECT_NE(box, "");
    ::kill(server, SIGKILL);
    waitpid(server, nullptr, 0);
    bool gone = false;
    for (int attempt = 0; attempt < 500 && !gone; ++attempt) {
        gone = ::kill(processes[0], 0) != 0 && ::kill(processes[1], 0) != 0 && ::kill(std::atoi(box.c_str()), 0) != 0;
        if (!gone) usleep(10'000);
    }
    EXPECT_TRUE(gone);
    EXPECT_EQ(groups_of(group), 0U);
}

TEST_F(survival, a_new_server_removes_what_an_older_one_left) {
    if (geteuid() != 0 || !host.limits_trees()) GTEST_SKIP() << "needs cgroups";
    const std::string group = "weir-test-server-" + std::to_string(getpid());
    std::vector<std::string> left;
    for (const std::string base : {"/sys/fs/cgroup/memory", "/sys/fs/cgroup/pids", "/sys/fs/cgroup/cpu", "/sys/fs/cgroup/cpuacct"})
        if (std::filesystem::exists(base)) left.push_back(base + "/" + group + "/life-1-1/9-9");
    if (host.report().level == sandbox::rung::cgroup2) left = {"/sys/fs/cgroup/" + group + "/life-1-1/9-9"};
    const pid_t stray = fork();
    if (stray == 0)
        for (;;) pause();
    for (const auto& folder : left) {
        ASSERT_TRUE(std::filesystem::create_directories(folder));
        std::FILE* file = std::fopen((folder + "/cgroup.procs").c_str(), "w");
        ASSERT_NE(file, nullptr);
        std::fprintf(file, "%d", stray);
        std::fclose(file);
    }
    int ends[2];
    ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
    const sandbox::descriptor hear(ends[0]);
    const pid_t server = fork();
    if (server == 0) be_a_server(ends[1], group);
    close(ends[1]);
    std::array<pid_t, 2> processes{};
    ASSERT_EQ(::read(hear.get(), processes.data(), sizeof processes), static_cast<ssize_t>(sizeof processes));
    int status = 0;
    EXPECT_EQ(waitpid(stray, &status, 0), stray);
    EXPECT_TRUE(WIFSIGNALED(status));
    for (const auto& folder : left) EXPECT_FALSE(std::filesystem::exists(folder)) << folder;
    ::kill(server, SIGKILL);
    waitpid(server, nullptr, 0);
    for (int attempt = 0; attempt < 500 && ::kill(processes[0], 0) == 0; ++attempt) usleep(10'000);
    EXPECT_EQ(groups_of(group), 0U);
}

TEST_F(survival, more_boxes_than_the_broker_has_seats_for_are_refused_by_name) {
    std::vector<stages::worker::launch_request> requests(70, sandbox_host::request("bash", "sleep 1"));
    const auto all = host.run_all(requests);
    std::size_t refused = 0;
    for (const auto& out : all) {
        if (out.verdict.exit_code == 0) continue;
        ++refused;
        EXPECT_EQ(out.verdict.ended_by, cause::infrastructure);
        EXPECT_NE(out.verdict.message.find("boxes_max"), std::string::npos) << out.verdict.message;
    }
    EXPECT_LE(refused, 6U);
}

}  // namespace
}  // namespace tests
