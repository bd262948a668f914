#include "stages/worker/sandbox/nursery.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <algorithm>
#include <boost/system/errc.hpp>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <map>

#include "runtime/base/last_error.hpp"
#include "stages/worker/sandbox/broker.hpp"
#include "stages/worker/sandbox/channel.hpp"
#include "stages/worker/sandbox/seccomp_filter.hpp"

namespace stages::worker::sandbox {
namespace {

constexpr int probe_timeout_ms = 60'000;  // a machine under load, or one that still takes an earlier life apart

// Standard input and output lead nowhere, errors stay; everything else but `kept` is closed.
void close_all_but(std::vector<int> kept) {
    const int nowhere = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (nowhere >= 0) {
        dup2(nowhere, 0);
        dup2(nowhere, 1);
    }
    kept.push_back(2);
    std::sort(kept.begin(), kept.end());
    unsigned next = 3;
    for (const int fd : kept) {
        if (fd < 3) continue;
        if (static_cast<unsigned>(fd) > next) close_range(next, static_cast<unsigned>(fd) - 1, 0);
        next = static_cast<unsigned>(fd) + 1;
    }
    close_range(next, ~0U, 0);
}

// A box can read the command line of its pid 1, which is a copy of this process. What lies there is the server's
// command line and, behind it, its environment: both go. `title` is shown instead.
void forget_command_line(const std::string& title) {
    std::FILE* file = std::fopen("/proc/self/stat", "r");
    if (file == nullptr) return;
    char text[2048];
    const std::size_t size = std::fread(text, 1, sizeof text - 1, file);
    std::fclose(file);
    text[size] = '\0';
    // The name in parentheses may hold anything; arg_start, arg_end, env_start and env_end are fields 48 to 51.
    const char* at = std::strrchr(text, ')');
    for (int field = 2; at != nullptr && field < 48; ++field) at = std::strchr(at + 1, ' ');
    unsigned long begin = 0, end = 0, environment_begin = 0, environment_end = 0;
    if (at == nullptr || std::sscanf(at, "%lu %lu %lu %lu", &begin, &end, &environment_begin, &environment_end) != 4 ||
        begin >= end)
        return;
    std::memset(reinterpret_cast<char*>(begin), 0, end - begin);
    std::memcpy(reinterpret_cast<char*>(begin), title.data(), std::min(title.size(), end - begin - 1));
    if (environment_begin < environment_end)
        std::memset(reinterpret_cast<char*>(environment_begin), 0, environment_end - environment_begin);
}

class nursery_process {
  public:
    nursery_process(const launcher_options& options, std::vector<descriptor> channels, descriptor reports, pid_t server)
        : options_(options), channels_(std::move(channels)), reports_(std::move(reports)), server_(server) {}

    [[noreturn]] void run();

  private:
    report_packet probe();
    void serve();
    void take_signals();
    void take_request(std::size_t i);
    void make_broker(std::size_t i);
    [[noreturn]] void become_broker(std::size_t i, descriptor socket);
    [[noreturn]] void end();

    const launcher_options& options_;
    std::vector<descriptor> channels_;
    descriptor reports_;
    pid_t server_;
    descriptor signals_;
    box_context context_;
    cgroup_tree groups_;
    std::map<pid_t, std::size_t> brokers_;  // and the channel that each is for
    bool swept_ = false;
    bool asked_to_end_ = false;
};

report_packet nursery_process::probe() {
    report_packet report;
    const bool root = geteuid() == 0;
    groups_ = cgroup_tree::make(options_.group_name, options_.highest_rung, options_.leftover_cpu, server_);
    auto filter = make_seccomp_filter();
    rootfs_plan plan;
    plan.own_user_namespace = !root;
    plan.first_uid = options_.first_uid;
    plan.etc = options_.etc;
    plan.hooks = options_.hooks;
    plan.uid_count = uids_of(options_.boxes_max) * static_cast<std::uint32_t>(channels_.size());
    auto root_folder = enter_rootfs(plan);
    report.problem = root_folder.problem;
    if (!filter) {
        report.problem = "seccomp filter: " + filter.error().message();
    } else {
        context_.filter = std::move(*filter);
    }
    if (root) allow_zygotes();
    if (root) drop_bounding_set();
    context_.masks = std::move(root_folder.masks);
    context_.own_user_namespace = !root;
    context_.limits_by_process = groups_.level() == rung::rlimit;
    context_.idle_scheduling = groups_.lacks_weight();
    report.rung = static_cast<std::uint8_t>(groups_.level());
    report.missing = groups_.missing();
    return report;
}

void nursery_process::run() {
    prctl(PR_SET_NAME, "weir-nursery");
    forget_command_line("weir-nursery");
    setsid();
    for (int number = 1; number < NSIG; ++number) signal(number, SIG_DFL);
    signal(SIGPIPE, SIG_IGN);
    sigset_t watched;
    sigemptyset(&watched);
    sigaddset(&watched, SIGCHLD);
    sigaddset(&watched, SIGTERM);
    sigprocmask(SIG_SETMASK, &watched, nullptr);
    signals_.reset(signalfd(-1, &watched, SFD_CLOEXEC | SFD_NONBLOCK));
    // The boxes of a broker that died become this process's children; not every machine's pid 1 reaps.
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    // Not SIGKILL: it has brokers to end and groups to remove.
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != server_) _exit(0);
    std::vector<int> kept{reports_.get(), signals_.get()};
    for (const auto& channel : channels_) kept.push_back(channel.get());
    close_all_but(std::move(kept));
    const report_packet report = probe();
    umask(0);
    const bool told = !send_packet(reports_.get(), report);
    reports_.reset();
    if (!told || !report.problem.empty()) end();
    serve();
    end();
}

void nursery_process::serve() {
    while (!asked_to_end_) {
        std::vector<pollfd> waited{{signals_.get(), POLLIN, 0}};
        bool any = false;
        for (const auto& channel : channels_) {
            waited.push_back({channel.get(), POLLIN, 0});  // poll() skips -1
            any = any || channel;
        }
        if (!any) return;
        if (poll(waited.data(), waited.size(), -1) < 0 && errno != EINTR) return;
        if (waited[0].revents != 0) take_signals();
        for (std::size_t i = 0; i < channels_.size(); ++i)
            if (waited[i + 1].revents != 0) take_request(i);
    }
}

void nursery_process::take_signals() {
    signalfd_siginfo about{};
    while (::read(signals_.get(), &about, sizeof about) == sizeof about)
        if (about.ssi_signo == SIGTERM) asked_to_end_ = true;
    for (;;) {
        const pid_t ended = waitpid(-1, nullptr, WNOHANG);
        if (ended <= 0) return;
        // Its boxes were killed with it; their groups remain.
        if (brokers_.erase(ended) > 0) groups_.remove_groups(std::to_string(ended) + "-");
    }
}

void nursery_process::take_request(std::size_t i) {
    auto got = receive_packet(channels_[i].get());
    if (got && std::holds_alternative<broker_wanted_packet>(got->what)) {
        make_broker(i);
    } else if (!got && got.error() == boost::system::errc::resource_unavailable_try_again) {
        return;
    } else {
        channels_[i].reset();
    }
}

void nursery_process::make_broker(std::size_t i) {
    if (!swept_) groups_.sweep();
    swept_ = true;
    broker_here_packet answer;
    auto ends = make_channel();
    const pid_t child = ends ? fork() : -1;
    if (child == 0) {
        (*ends)[0].reset();
        become_broker(i, std::move((*ends)[1]));
    }
    if (child < 0) {
        answer.message = std::string("no broker: ") + std::strerror(errno);
        static_cast<void>(send_packet(channels_[i].get(), answer));
        return;
    }
    brokers_[child] = i;
    answer.process = child;
    const int socket = (*ends)[0].get();
    static_cast<void>(send_packet(channels_[i].get(), answer, std::span(&socket, 1)));
}

void nursery_process::become_broker(std::size_t i, descriptor socket) {
    prctl(PR_SET_NAME, "weir-broker");
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, nullptr);
    signals_.reset();
    for (auto& channel : channels_) channel.reset();
    broker_options options;
    options.boxes_max = options_.boxes_max;
    options.first_uid = options_.first_uid + static_cast<std::uint32_t>(i) * uids_of(options_.boxes_max);
    options.group_prefix = std::to_string(getpid()) + "-";
    options.pool_max = options_.pool_max;
    broker(context_, groups_, std::move(socket), std::move(options)).run();
    _exit(0);
}

void nursery_process::end() {
    for (const auto& [process, channel] : brokers_) kill(process, SIGKILL);
    for (const auto& [process, channel] : brokers_) waitpid(process, nullptr, 0);
    groups_.remove(server_);
    // What brokers left to this process has been killed with them.
    while (waitpid(-1, nullptr, 0) > 0) {
    }
    _exit(0);
}

}  // namespace

std::string launcher_report::describe() const {
    if (!problem.empty()) return "no sandbox: " + problem;
    std::string text = "limits by " + std::string(to_string(level));
    for (const auto& what : missing) text += "; " + what;
    return text;
}

runtime::result<nursery> nursery::fork_one(const launcher_options& options, std::size_t channels) {
    nursery made;
    std::vector<descriptor> theirs;
    for (std::size_t i = 0; i < channels; ++i) {
        auto ends = make_channel();
        if (!ends) return ends.error();
        made.channels_.push_back(std::move((*ends)[0]));
        theirs.push_back(std::move((*ends)[1]));
    }
    auto reports = make_channel();
    if (!reports) return reports.error();
    const pid_t server = getpid();
    made.process_ = fork();
    if (made.process_ < 0) return runtime::last_error();
    if (made.process_ == 0) {
        made.channels_.clear();
        (*reports)[0].reset();
        nursery_process(options, std::move(theirs), std::move((*reports)[1]), server).run();
    }
    theirs.clear();
    (*reports)[1].reset();
    auto got = wait_for_packet((*reports)[0].get(), probe_timeout_ms);
    if (!got) return got.error();
    auto* report = std::get_if<report_packet>(&got->what);
    if (report == nullptr || report->rung > static_cast<std::uint8_t>(rung::rlimit))
        return runtime::error_code(EPROTO, boost::system::system_category());
    made.report_.level = static_cast<rung>(report->rung);
    made.report_.problem = std::move(report->problem);
    made.report_.missing = std::move(report->missing);
    return made;
}

}  // namespace stages::worker::sandbox
