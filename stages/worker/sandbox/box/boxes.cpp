#include "stages/worker/sandbox/box/boxes.hpp"

#include <signal.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "stages/worker/sandbox/devices/terminal.hpp"

namespace stages::worker::sandbox {

void watch(int events, int fd, std::uint64_t key, std::uint32_t what) {
    epoll_event event{};
    event.events = what;
    event.data.u64 = key;
    if (epoll_ctl(events, EPOLL_CTL_ADD, fd, &event) != 0 && errno == EEXIST)
        epoll_ctl(events, EPOLL_CTL_MOD, fd, &event);
}

boxes::boxes(const box_context& context, const cgroup_tree& groups, const broker_options& options, int events)
    : context_(context),
      options_(options),
      events_(events),
      seats_(uids_of(options.boxes_max), false),
      groups_(groups, options.group_prefix) {}

// All that is there before its first process, and that process.
runtime::error_code boxes::furnish(box& b, const box_needs& needs, const char*& step) {
    b.owner = context_.own_user_namespace ? mapped_uid : options_.first_uid + b.seat;
    const auto put = [](auto made, auto& into) {
        if (made) into = std::move(*made);
        return made ? runtime::error_code() : made.error();
    };
    step = "network";
    if (const auto failed = put(networks_.take(), b.network)) return failed;
    if (needs.network) {
        if (const auto failed = put(networks_.listen_in(b.network), b.listener)) return failed;
        b.has_network = true;
    }
    step = "control group";
    if (const auto failed = put(groups_.take(), b.group)) return failed;
    step = "disk";
    b.size_of_disk = usual_disk_;
    if (const auto failed = put(make_disk(b.owner, usual_disk_), b.disk)) return failed;
    descriptor terminals;
    if (needs.terminal.rows != 0) {
        step = "terminal";
        auto made = make_terminal(needs.terminal, context_.own_user_namespace ? 0 : b.owner);
        if (!made) return made.error();
        terminals = std::move(made->mount);
        b.terminal = std::move(made->master);
        b.terminal_end = std::move(made->program);
    }
    step = "namespaces";
    return put(start_box(context_, b.owner, b.disk.get(), terminals.get(), b.group, networks_, b.network, slots_),
               b.process);
}

runtime::result<boxes::iterator> boxes::make(const box_needs& needs, const char*& step) {
    box b;
    while (seats_[next_seat_ % seats_.size()]) ++next_seat_;
    // In turn, so that an id rests before it comes again.
    b.seat = static_cast<std::uint32_t>(next_seat_++ % seats_.size());
    if (const auto failed = furnish(b, needs, step)) {
        groups_.give_back(std::move(b.group), 0);
        networks_.give_back(std::move(b.network), 0);
        return failed;
    }
    seats_[b.seat] = true;
    const std::uint64_t number = next_number_++;
    const auto at = all_.emplace(number, std::move(b)).first;
    watch(events_, at->second.process.socket.get(), key_of(watched::reports, number));
    watch(events_, at->second.process.handle.get(), key_of(watched::handle, number));
    return at;
}

runtime::error_code boxes::size_disk(box& b, const disk_size& size) {
    const auto failed = b.size_of_disk == size ? runtime::error_code() : resize_disk(b.disk.get(), size);
    if (!failed) usual_disk_ = size;
    return failed;
}

void boxes::end(box& b) {
    b.group.hasten();
    syscall(SYS_pidfd_send_signal, b.process.handle.get(), SIGKILL, nullptr, 0);
}

std::uint64_t boxes::reap(const box& b) {
    siginfo_t about{};
    rusage usage{};
    if (syscall(SYS_waitid, P_PIDFD, b.process.handle.get(), &about, WEXITED, &usage) != 0) return 0;
    const auto microseconds = [](const timeval& t) {
        return static_cast<std::uint64_t>(t.tv_sec) * 1'000'000 + static_cast<std::uint64_t>(t.tv_usec);
    };
    return microseconds(usage.ru_utime) + microseconds(usage.ru_stime);
}

void boxes::remove(iterator which, std::size_t spares) {
    box& b = which->second;
    // Other boxes' first processes may hold copies for a moment, which would keep them in the epoll set.
    epoll_ctl(events_, EPOLL_CTL_DEL, b.process.handle.get(), nullptr);
    epoll_ctl(events_, EPOLL_CTL_DEL, b.process.socket.get(), nullptr);
    seats_[b.seat] = false;
    b.disk.reset();  // its pages are the group's
    groups_.give_back(std::move(b.group), spares);
    networks_.give_back(std::move(b.network), b.network_as_new && !b.has_network ? spares : 0);
    all_.erase(which);
}

void boxes::end_all() {
    for (auto& [number, b] : all_) end(b);
    for (auto& [number, b] : all_) reap(b);
    while (!all_.empty()) remove(all_.begin(), 0);
    keep_at_most(0);
    groups_.remove_left();  // the nursery takes those that are still there
}

bool boxes::prepare(std::size_t spares) {
    groups_.remove_left();
    return networks_.prepare(spares + 1);
}

void boxes::keep_at_most(std::size_t spares) {
    // One network is always there: it is what a box takes longest to make.
    networks_.keep_at_most(std::max<std::size_t>(1, spares));
    groups_.keep_at_most(spares);
}

}  // namespace stages::worker::sandbox
