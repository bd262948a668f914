#include "stages/worker/sandbox/launcher/nursery_process.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/system/errc.hpp>
#include <cerrno>
#include <cstring>

#include "stages/worker/sandbox/box/rootfs.hpp"
#include "stages/worker/sandbox/channel/channel.hpp"
#include "stages/worker/sandbox/devices/box_network.hpp"
#include "stages/worker/sandbox/filter/seccomp_filter.hpp"
#include "stages/worker/sandbox/inside/shut_in.hpp"
#include "stages/worker/sandbox/launcher/broker.hpp"

namespace stages::worker::sandbox {
namespace {

// Standard input and output lead nowhere, errors stay; of everything else what the server has meant for this program,
// and for nobody who is executed from here.
void close_all_but(unsigned sockets) {
    const int nowhere = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (nowhere >= 0) {
        dup2(nowhere, 0);
        dup2(nowhere, 1);
    }
    close_range(first_launcher_fd, ~0U, CLOSE_RANGE_CLOEXEC);
    close_range(first_launcher_fd + sockets, ~0U, 0);
}

}  // namespace

report_packet nursery_process::probe() {
    report_packet report;
    const bool root = geteuid() == 0;
    groups_ = cgroup_tree::make(options_.group_name, options_.highest_rung, options_.leftover_cpu, server_);
    // In a user namespace a program owns the files of its network in /proc, and could change their modes.
    const bool looks_into_networks = root && box_networks::can_count_sockets();
    const auto telling = make_seccomp_filter(true);
    if (looks_into_networks && telling) context_.listener_flags = listener_flags(*telling);
    auto filters = make_box_filters(context_.listener_flags != 0);
    rootfs_plan plan;
    plan.own_user_namespace = !root;
    plan.first_uid = options_.first_uid;
    plan.etc = options_.etc;
    plan.warm_files = options_.warm_files;
    plan.uid_count = uids_of(options_.boxes_max) * static_cast<std::uint32_t>(channels_.size());
    auto root_folder = enter_rootfs(plan);
    report.problem = root_folder.problem;
    if (!filters) {
        report.problem = "seccomp filter: " + filters.error().message();
    } else {
        context_.filters = std::move(*filters);
    }
    if (root) allow_zygotes();
    if (root) inside::drop_bounding_set();
    context_.masks = std::move(root_folder.masks);
    context_.own_user_namespace = !root;
    context_.limits_by_process = groups_.level() == rung::rlimit;
    context_.idle_scheduling = groups_.lacks_weight();
    report.rung = static_cast<std::uint8_t>(groups_.level());
    report.missing = groups_.missing();
    if (root && !looks_into_networks)
        report.missing.push_back("no /proc can be mounted: every box has a new network namespace");
    return report;
}

void nursery_process::run() {
    prctl(PR_SET_NAME, "weir-nursery");
    close_all_but(1 + static_cast<unsigned>(channels_.size()));
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

}  // namespace stages::worker::sandbox
