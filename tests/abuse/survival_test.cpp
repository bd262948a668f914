// Boxes, brokers and servers that die at the wrong moment.
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <set>

#include "stages/worker/sandbox/channel/channel.hpp"
#include "tests/abuse/hostile.hpp"

namespace tests {
namespace {

using stages::worker::cause;
namespace sandbox = stages::worker::sandbox;

class survival : public hostile {};

TEST_F(survival, a_killed_broker_takes_its_boxes_along_and_is_replaced) {
    const pid_t before = host.broker_process();
    run_options options;
    options.on_started = [&] { ::kill(before, SIGKILL); };
    const auto out = host.run(sandbox_host::request("bash", "echo before; sleep 30"), options);
    EXPECT_EQ(out.verdict.ended_by, cause::infrastructure);
    EXPECT_NE(out.verdict.message, "");
    EXPECT_LT(out.whole_ms, 5000 * times_slower());
    const auto next = host.bash("echo again");
    EXPECT_EQ(next.standard_output, "again\n");
    EXPECT_NE(host.broker_process(), before);
    EXPECT_EQ(host.worker().counters().brokers_lost, 1U);
}

// A server of its own: it starts a box that never ends, says which processes there are, and waits to be killed.
[[noreturn]] void be_a_server(int tell, const std::string& group) {
    sandbox::launcher_options options;
    options.group_name = group;
    options.first_uid = 400'000;
    options.boxes_max = 4;
    auto nursery = sandbox::nursery::start(options, 1);
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
    auto begun = sandbox::wait_for_packet(got->descriptors[0].get(), 10'000);
    while (begun && std::holds_alternative<sandbox::pool_packet>(begun->what))
        begun = sandbox::wait_for_packet(got->descriptors[0].get(), 10'000);
    if (!begun || !std::holds_alternative<sandbox::started_packet>(begun->what)) _exit(3);
    const std::array<pid_t, 2> processes{nursery->process(), std::get<sandbox::broker_here_packet>(got->what).process};
    if (::write(tell, processes.data(), sizeof processes) != sizeof processes) _exit(4);
    for (;;) pause();
}

// Not counting one that only waits to be reaped by whoever is this machine's pid 1.
bool is_alive(pid_t process) {
    const std::string status = read_file("/proc/" + std::to_string(process) + "/status");
    return !status.empty() && status.find("State:\tZ") == std::string::npos;
}

// A server that is killed as soon as its box runs. What is left of it, if anything: processes, then groups.
struct short_life {
    explicit short_life(const std::string& group) {
        int ends[2];
        if (pipe2(ends, O_CLOEXEC) != 0) return;
        const sandbox::descriptor hear(ends[0]);
        server = fork();
        if (server == 0) be_a_server(ends[1], group);
        close(ends[1]);
        good = ::read(hear.get(), processes.data(), sizeof processes) == static_cast<ssize_t>(sizeof processes);
    }
    // True if all processes are gone soon.
    bool end() {
        const std::string broker = std::to_string(processes[1]);
        const pid_t box = std::atoi(read_file("/proc/" + broker + "/task/" + broker + "/children").c_str());
        EXPECT_GT(box, 1);
        ::kill(server, SIGKILL);
        waitpid(server, nullptr, 0);
        for (int attempt = 0; attempt < 500; ++attempt) {
            if (!is_alive(processes[0]) && !is_alive(processes[1]) && !is_alive(box)) return true;
            usleep(10'000);
        }
        return false;
    }
    pid_t server = 0;
    std::array<pid_t, 2> processes{};
    bool good = false;
};

TEST_F(survival, a_killed_server_leaves_nothing_behind) {
    const std::string group = "weir-test-server-" + std::to_string(getpid());
    short_life life(group);
    ASSERT_TRUE(life.good);
    EXPECT_TRUE(life.end());
    EXPECT_TRUE(group_folders(group).empty());
}

TEST_F(survival, a_new_server_removes_what_an_older_one_left) {
    if (!host.limits_trees()) GTEST_SKIP() << "needs cgroups";
    const std::string group = "weir-test-server-" + std::to_string(getpid());
    short_life first(group);
    ASSERT_TRUE(first.good);
    std::set<std::string> bases;
    for (const auto& folder : group_folders(group)) bases.insert(folder.substr(0, folder.rfind('/')));
    EXPECT_TRUE(first.end());
    // Inside a group that has processes of its own (this test's) cgroup2 allows no second server.
    if (bases.empty()) GTEST_SKIP() << "no groups for a second server";
    signal(SIGCHLD, SIG_IGN);  // nobody waits for the stray one
    const pid_t stray = fork();
    if (stray == 0)
        for (;;) pause();
    for (const auto& base : bases) {
        const std::string folder = base + "/" + group + ".1-1.9-9";
        ASSERT_TRUE(std::filesystem::create_directories(folder + "/inner"));
        std::FILE* file = std::fopen((folder + "/cgroup.procs").c_str(), "w");
        ASSERT_NE(file, nullptr);
        std::fprintf(file, "%d", stray);
        std::fclose(file);
    }
    short_life second(group);
    ASSERT_TRUE(second.good);
    EXPECT_FALSE(is_alive(stray));
    EXPECT_TRUE(group_folders(group + ".1-1.").empty());
    signal(SIGCHLD, SIG_DFL);
    EXPECT_TRUE(second.end());
    EXPECT_TRUE(group_folders(group).empty());
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
