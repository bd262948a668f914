// What a fresh box costs: /bin/true by bare fork and exec, by bubblewrap (if installed), and in a box through a broker,
// in interleaved rounds of one run, so that the ratios are worth something on a noisy machine. And what programs that
// burn every CPU in boxes do to a thread of the server that sleeps and wakes up.
//
//   perf_sandbox_start [rounds [runs of each per round [usual]]]     usual: programs do not give way
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <string>
#include <vector>

#include "runtime/base/time.hpp"
#include "stages/worker/sandbox/channel/channel.hpp"
#include "stages/worker/sandbox/nursery.hpp"

namespace sandbox = stages::worker::sandbox;

namespace {

double now_ms() { return static_cast<double>(runtime::system_clock().steady().nanoseconds_since_start) / 1e6; }

[[noreturn]] void give_up(const std::string& why) {
    std::fprintf(stderr, "perf_sandbox_start: %s\n", why.c_str());
    std::exit(1);
}

// CPU time that a process has used so far, to the nanosecond.
double cpu_of_ms(pid_t process) {
    std::FILE* file = std::fopen(("/proc/" + std::to_string(process) + "/schedstat").c_str(), "r");
    double on_cpu_ns = 0;
    if (file == nullptr || std::fscanf(file, "%lf", &on_cpu_ns) != 1) on_cpu_ns = 0;
    if (file != nullptr) std::fclose(file);
    return on_cpu_ns / 1e6;
}

struct series {
    std::string name;
    std::vector<double> each_ms;
    double all_ms = 0;
    double cpu_ms = 0;  // of everybody who takes part, as far as it is known

    [[nodiscard]] double percentile(double part) {
        std::sort(each_ms.begin(), each_ms.end());
        return each_ms[std::min(each_ms.size() - 1,
                                static_cast<std::size_t>(part * static_cast<double>(each_ms.size())))];
    }
    [[nodiscard]] double rate() const { return static_cast<double>(each_ms.size()) * 1000 / all_ms; }
};

void spawn_and_wait(const std::vector<const char*>& command) {
    const pid_t child = fork();
    if (child == 0) {
        execv(command[0], const_cast<char* const*>(command.data()));
        _exit(127);
    }
    int status = 0;
    if (child < 0 || waitpid(child, &status, 0) != child || status != 0) give_up(std::string(command[0]) + " failed");
}

double cpu_of_children_ms() {
    rusage usage{};
    getrusage(RUSAGE_CHILDREN, &usage);
    return static_cast<double>(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e3 +
           static_cast<double>(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e3;
}

constexpr std::uint32_t pool_max = 8;  // as a server has it

// A broker without a shard: launches and answers over its socket.
class boxes {
  public:
    explicit boxes(bool leftover_cpu) {
        sandbox::launcher_options options;
        options.leftover_cpu = leftover_cpu;
        options.pool_max = pool_max;
        options.group_name = "weir-perf-" + std::to_string(getpid());
        auto made = sandbox::nursery::start(options, 1);
        if (!made) give_up(made.error().message());
        std::printf("%s\n", made->report().describe().c_str());
        channel_ = made->take_channel(0);
        static_cast<void>(sandbox::send_packet(channel_.get(), sandbox::broker_wanted_packet{}));
        auto got = sandbox::wait_for_packet(channel_.get(), 10'000);
        if (!got || got->descriptors.size() != 1) give_up("no broker");
        socket_ = std::move(got->descriptors.front());
        broker_ = std::get<sandbox::broker_here_packet>(got->what).process;
        nowhere_.reset(open("/dev/null", O_RDWR | O_CLOEXEC));
        what_.limits = {10'000, 10'000, 64U << 20, 16, 16U << 20};
        what_.executable = "/bin/true";
        what_.arguments = {"true"};
        what_.environment = {"PATH=/usr/bin:/bin"};
        what_.file_name = "main.sh";
        what_.file_bytes = "true\n";
    }

    // Programs that never end by themselves; `launches` of them.
    void burn(std::size_t launches) {
        sandbox::launch_packet burner = what_;
        burner.executable = "/bin/bash";
        burner.arguments = {"bash", "-c", "while :; do :; done"};
        burner.limits.cpu_ms = burner.limits.wall_ms = 3'600'000;
        for (std::size_t i = 0; i < launches; ++i) {
            burner.run = ++what_.run;
            burning_.push_back(burner.run);
            const std::array files{nowhere_.get(), nowhere_.get(), nowhere_.get()};
            if (sandbox::send_packet(socket_.get(), burner, files)) give_up("cannot launch");
        }
        for (std::size_t begun = 0; begun < launches; ++begun) next<sandbox::started_packet>("no burner");
    }
    // How long each takes to be gone.
    void stop_burning(series& into) {
        for (const std::uint64_t run : burning_) {
            const double at = now_ms();
            static_cast<void>(
                sandbox::send_packet(socket_.get(), sandbox::kill_packet{run, sandbox::kill_reason::cancelled}));
            next<sandbox::ended_packet>("a burner does not end");
            into.each_ms.push_back(now_ms() - at);
        }
        burning_.clear();
    }

    // `count` runs, `in_flight` of them at once.
    void run(std::size_t count, std::size_t in_flight, series& into) {
        std::vector<double> began(count);
        std::size_t launched = 0;
        const std::uint64_t first = what_.run + 1;
        const double begin = now_ms();
        const double cpu_before_ms = cpu_of_ms(broker_);
        const auto launch = [&] {
            ++what_.run;
            began[launched++] = now_ms();
            const std::array files{nowhere_.get(), nowhere_.get(), nowhere_.get()};
            if (sandbox::send_packet(socket_.get(), what_, files)) give_up("cannot launch");
        };
        while (launched < std::min(in_flight, count)) launch();
        for (std::size_t ended = 0; ended < count;) {
            auto got = sandbox::wait_for_packet(socket_.get(), 20'000);
            if (!got) give_up("the broker is gone");
            const auto* end = std::get_if<sandbox::ended_packet>(&got->what);
            if (end == nullptr) continue;
            if (end->how != sandbox::box_end::exited || end->code != 0) give_up("a box failed: " + end->message);
            into.each_ms.push_back(now_ms() - began[end->run - first]);
            into.cpu_ms += static_cast<double>(end->cpu_us.value_or(0)) / 1e3;
            ++ended;
            if (launched < count) launch();
        }
        into.all_ms += now_ms() - begin;
        into.cpu_ms += cpu_of_ms(broker_) - cpu_before_ms;
    }

  private:
    // The broker also tells how its pools do.
    template <class Packet>
    void next(const char* otherwise) {
        for (;;) {
            const auto got = sandbox::wait_for_packet(socket_.get(), 20'000);
            if (got && std::holds_alternative<Packet>(got->what)) return;
            if (!got || !std::holds_alternative<sandbox::pool_packet>(got->what)) give_up(otherwise);
        }
    }

    sandbox::descriptor channel_;
    sandbox::descriptor socket_;
    sandbox::descriptor nowhere_;
    pid_t broker_ = 0;
    std::vector<std::uint64_t> burning_;
    sandbox::launch_packet what_;
};

void one_after_the_other(std::size_t count, series& into, const std::function<void()>& what) {
    const double begin = now_ms();
    const double cpu_before_ms = cpu_of_ms(getpid()) + cpu_of_children_ms();
    for (std::size_t i = 0; i < count; ++i) {
        const double at = now_ms();
        what();
        into.each_ms.push_back(now_ms() - at);
    }
    into.all_ms += now_ms() - begin;
    into.cpu_ms += cpu_of_ms(getpid()) + cpu_of_children_ms() - cpu_before_ms;
}

// How much later than asked for a sleeping thread runs again.
void measure_wake_ups(std::size_t count, series& into) {
    for (std::size_t i = 0; i < count; ++i) {
        const double at = now_ms();
        const timespec nap{0, 500'000};
        nanosleep(&nap, nullptr);
        into.each_ms.push_back(now_ms() - at - 0.5);
    }
}

// Making, joining and removing the groups that a box has on v1, without any box.
struct group_folder {
    std::string path;
    bool usable = false;
};

std::vector<group_folder> v1_groups() {
    std::vector<group_folder> folders;
    for (const char* controller : {"memory", "pids", "cpu"}) {
        group_folder folder{std::string("/sys/fs/cgroup/") + controller + "/weir-perf-probe", false};
        folder.usable = mkdir(folder.path.c_str(), 0755) == 0;
        if (folder.usable) rmdir(folder.path.c_str());
        folders.push_back(folder);
    }
    return folders;
}

void join_from_child(const std::vector<group_folder>& folders, double& joined_ms) {
    int ends[2];
    if (pipe(ends) != 0) give_up("pipe");
    const pid_t child = fork();
    if (child == 0) {
        const double at = now_ms();
        for (const auto& folder : folders) {
            const int file = open((folder.path + "/cgroup.procs").c_str(), O_WRONLY | O_CLOEXEC);
            if (write(file, "0", 1) != 1) _exit(1);
        }
        const double took = now_ms() - at;
        _exit(write(ends[1], &took, sizeof took) == sizeof took ? 0 : 1);
    }
    close(ends[1]);
    if (read(ends[0], &joined_ms, sizeof joined_ms) != sizeof joined_ms) give_up("cannot join a v1 group");
    close(ends[0]);
    waitpid(child, nullptr, 0);
}

void measure_v1_groups(std::size_t count, series& make, series& join, series& remove) {
    const auto folders = v1_groups();
    if (!std::all_of(folders.begin(), folders.end(), [](const auto& f) { return f.usable; })) return;
    for (std::size_t i = 0; i < count; ++i) {
        double at = now_ms();
        for (const auto& folder : folders) mkdir(folder.path.c_str(), 0755);
        make.each_ms.push_back(now_ms() - at);
        double joined_ms = 0;
        join_from_child(folders, joined_ms);
        join.each_ms.push_back(joined_ms);
        at = now_ms();
        for (const auto& folder : folders)
            while (rmdir(folder.path.c_str()) != 0 && errno == EBUSY) {
            }
        remove.each_ms.push_back(now_ms() - at);
    }
}

}  // namespace

int main(int argc, char** argv) {
    const std::size_t rounds = argc > 1 ? std::strtoul(argv[1], nullptr, 10) : 10;
    const std::size_t count = argc > 2 ? std::strtoul(argv[2], nullptr, 10) : 100;
    const std::vector<const char*> bare{"/bin/true", nullptr};
    const std::vector<const char*> bubblewrap{"/usr/bin/bwrap", "--unshare-all", "--die-with-parent",
                                              "--ro-bind",      "/usr",          "/usr",
                                              "--symlink",      "usr/bin",       "/bin",
                                              "--symlink",      "usr/lib",       "/lib",
                                              "--symlink",      "usr/lib64",     "/lib64",
                                              "--proc",         "/proc",         "--dev",
                                              "/dev",           "--tmpfs",       "/tmp",
                                              "--chdir",        "/tmp",          "/bin/true",
                                              nullptr};
    const bool has_bubblewrap = access(bubblewrap[0], X_OK) == 0;
    boxes some(argc <= 3);
    series plain{"fork + exec /bin/true"}, wrapped{"bubblewrap --unshare-all"}, one{"box, one in flight"},
        two{"box, two in flight"}, make{"make memory, pids, cpu groups"}, join{"join them"}, remove{"remove them"},
        idle{"wake up late, no programs"}, busy{"wake up late, CPUs burn"}, killed{"kill one of those that burn"};
    const std::size_t burners = 8 * std::max<std::size_t>(1, static_cast<std::size_t>(sysconf(_SC_NPROCESSORS_ONLN)));
    for (std::size_t round = 0; round < rounds; ++round) {
        one_after_the_other(count, plain, [&] { spawn_and_wait(bare); });
        if (has_bubblewrap) one_after_the_other(count / 4 + 1, wrapped, [&] { spawn_and_wait(bubblewrap); });
        some.run(count, 1, one);
        some.run(count, 2, two);
        measure_v1_groups(count / 4 + 1, make, join, remove);
        measure_wake_ups(count * 5, idle);
        some.burn(burners);
        measure_wake_ups(count * 5, busy);
        some.stop_burning(killed);
    }
    std::printf("%-30s %8s %8s %8s %10s %8s %12s\n", "", "p50 ms", "p99 ms", "per s", "p50 ratio", "rate",
                "CPU ms each");
    const double plain_p50 = plain.percentile(0.5);
    for (series* s : {&plain, &wrapped, &one, &two, &make, &join, &remove, &idle, &busy, &killed}) {
        if (s->each_ms.empty()) continue;
        std::printf("%-30s %8.3f %8.3f", s->name.c_str(), s->percentile(0.5), s->percentile(0.99));
        if (s->all_ms > 0)
            std::printf(" %8.0f %10.2f %8.2f %12.3f", s->rate(), s->percentile(0.5) / plain_p50,
                        s->rate() / plain.rate(), s->cpu_ms / static_cast<double>(s->each_ms.size()));
        std::printf("\n");
    }
    return 0;
}
