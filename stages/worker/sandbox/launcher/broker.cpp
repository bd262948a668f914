#include "stages/worker/sandbox/launcher/broker.hpp"

#include <signal.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <boost/system/errc.hpp>
#include <cerrno>

#include "runtime/base/time.hpp"

namespace stages::worker::sandbox {
namespace {

std::int64_t now_ns() { return runtime::system_clock().steady().nanoseconds_since_start; }

// So that the program may open /dev/stdout and the like. Only pipes are the program's own; whatever else was handed
// over belongs to somebody.
void give_pipe(int file, uid_t owner) {
    struct stat about{};
    if (fstat(file, &about) == 0 && S_ISFIFO(about.st_mode)) static_cast<void>(fchown(file, owner, owner) == 0);
}

// Descriptors that are the program's standard streams.
std::size_t streams_beside(const launch_packet& what) { return what.terminal.rows == 0 ? 3 : 0; }

}  // namespace

broker::broker(const box_context& context, const cgroup_tree& groups, descriptor socket, broker_options options)
    : context_(context),
      socket_(std::move(socket)),
      options_(std::move(options)),
      events_(epoll_create1(EPOLL_CLOEXEC)),
      boxes_(context_, groups, options_, events_.get()),
      pools_(context_, options_, boxes_, events_.get()) {
    watch(events_.get(), socket_.get(), socket_key);
}

void broker::run() {
    while (!closed_) {
        const std::int64_t next = std::min(look_at_all(), pools_.look(now_ns()));
        tell_of_pools(now_ns());
        epoll_event ready[32];
        // What is kept ready is made only when nothing waits.
        int count = epoll_wait(events_.get(), ready, 32, 0);
        if (count == 0 && !pools_.prepare()) {
            const std::int64_t wait = std::max<std::int64_t>(0, next - now_ns());
            const timespec timeout{wait / 1'000'000'000, wait % 1'000'000'000};
            count = epoll_pwait2(events_.get(), ready, 32, next == INT64_MAX ? nullptr : &timeout, nullptr);
        }
        for (int i = 0; i < count; ++i) take(ready[i].data.u64, ready[i].events);
    }
    boxes_.end_all();
}

void broker::take(std::uint64_t key, std::uint32_t happened) {
    if (key == socket_key) {
        if ((happened & EPOLLOUT) != 0) flush();
        if ((happened & ~EPOLLOUT) != 0) take_packets();
        return;
    }
    const auto of = static_cast<watched>(key & 3);
    const std::uint64_t number = key >> 2;
    if (of == watched::mother || of == watched::successor) return pools_.read_zygote(number, of == watched::successor);
    const auto found = boxes_.all().find(number);
    if (found == boxes_.all().end()) return;
    if (of == watched::handle) return conclude(found);
    read_reports(number, found->second);
}

void broker::take_packets() {
    while (!closed_) {
        auto got = receive_packet(socket_.get());
        if (!got) {
            closed_ = got.error() != boost::system::errc::resource_unavailable_try_again;
            return;
        }
        if (auto* what = std::get_if<launch_packet>(&got->what)) {
            launch(std::move(*what), std::move(got->descriptors));
        } else if (const auto* end = std::get_if<kill_packet>(&got->what)) {
            if (box* b = box_of(end->run)) kill(*b, end->why);
        } else if (const auto* signal = std::get_if<signal_packet>(&got->what)) {
            if (const box* b = box_of(signal->run)) forward(*b, signal->number);
        } else if (auto* warm = std::get_if<warm_packet>(&got->what)) {
            pools_.add(std::move(*warm));
        } else {
            closed_ = true;
        }
    }
}

// Null if it has none, or has none any more.
box* broker::box_of(std::uint64_t run) {
    const auto found = boxes_of_runs_.find(run);
    return found == boxes_of_runs_.end() ? nullptr : &boxes_.at(found->second);
}

void broker::refuse(std::uint64_t run, std::string why) {
    ended_packet answer;
    answer.run = run;
    answer.message = std::move(why);
    send(answer);
}

// Null if it can be launched.
const char* broker::unfit(const launch_packet& what, const std::vector<descriptor>& files) const {
    const std::size_t streams = streams_beside(what);
    if (files.size() < streams || files.size() > streams + box_file_sources_max)
        return "one descriptor is needed for each stream, and one for each source of files";
    for (const auto& file : what.files)
        if (file.source + streams >= files.size()) return "a file's source is missing";
    if (what.run == 0 || boxes_of_runs_.contains(what.run)) return "bad run number";
    return nullptr;
}

void broker::launch(launch_packet what, std::vector<descriptor> files) {
    const std::uint64_t run = what.run;
    if (const char* why = unfit(what, files)) return refuse(run, why);
    if (untold_ >= options_.boxes_max || boxes_.full())
        return refuse(run, "sandbox.boxes_max is reached: " + std::to_string(options_.boxes_max));
    const char* step = "";
    for (;;) {
        const auto chosen = pools_.choose(what, step);
        const auto failed = chosen ? hand_over((*chosen)->second, what, files, step) : chosen.error();
        if (!failed) {
            auto& [number, b] = **chosen;
            b.run = run;
            boxes_of_runs_.emplace(run, number);
            if (b.watch.hears_late())
                watch(events_.get(), b.process.socket.get(), key_of(watched::reports, number), EPOLLRDHUP);
            ++untold_;
            return;
        }
        if (chosen) boxes::end((*chosen)->second);
        if (!chosen || what.start == start_kind::cold || boxes_.full())
            return refuse(run, std::string("cannot make a box: ") + step + ": " + failed.message());
        // Limits may be too narrow for an interpreter that has booted; in a fresh box it is told so by its own.
        what.warm = 0;
    }
}

// Whatever depends on the run. Nothing but trusted processes are in the box until its pid 1 has read the launch.
runtime::error_code broker::hand_over(box& b, const launch_packet& what, const std::vector<descriptor>& files,
                                      const char*& step) {
    b.keeps_disk = what.keep_disk;
    b.start = what.start;
    step = "limits";
    if (const auto failed = b.group.set_limits(what.limits.memory_bytes, what.limits.processes)) return failed;
    step = "disk";
    if (const auto failed = boxes_.size_disk(b, disk_size_for(what))) return failed;
    const std::size_t streams = streams_beside(what);
    if (!context_.own_user_namespace)
        for (std::size_t i = 0; i < streams; ++i) give_pipe(files[i].get(), b.owner);
    step = "order";
    std::vector<int> numbers;
    if (streams == 0) numbers.assign(3, b.terminal_end.get());
    for (const auto& file : files) numbers.push_back(file.get());
    b.watch = run_watch(what, b.ready, b.group, now_ns());
    if (const auto failed = send_packet(b.process.socket.get(), what, numbers)) return failed;
    b.terminal_end.reset();
    return {};
}

void broker::kill(box& b, kill_reason why) {
    if (!b.told && b.watch.condemn(why)) boxes::end(b);
}

void broker::forward(const box& b, int number) {
    if (b.told) return;
    siginfo_t about{};
    about.si_signo = forwarding_signal;
    about.si_code = SI_QUEUE;
    about.si_value.sival_int = number;
    syscall(SYS_pidfd_send_signal, b.process.handle.get(), forwarding_signal, &about, 0);
}

void broker::begun(box& b, std::int64_t at_ns) {
    b.watch.begun(at_ns);
    b.process.program_end.reset();
    std::vector<descriptor> beside;
    if (b.terminal) beside.push_back(std::move(b.terminal));
    if (b.listener) beside.push_back(std::move(b.listener));
    send(started_packet{b.run, b.start}, std::move(beside));
}

void broker::take_report(box& b, const box_record& record) {
    switch (record.what) {
        case box_record::kind::made:
            b.made = true;
            b.process.slots.reset();
            // With a program to come it is that program's to say.
            if (b.pool == 0) b.ready = true;
            return pools_.enter(b);
        case box_record::kind::ready: b.ready = true; return;
        case box_record::kind::began: return begun(b, record.at_ns);
        case box_record::kind::ended:
            b.watch.exited(record.code, record.at_ns);
            b.network_as_new = record.network_as_new;
            // Nothing of the program is left, only pid 1 and its namespaces, which take their time. Without a control
            // group only reaping it tells the CPU time.
            if (record.alone && b.group.limits_trees()) tell(b, 0);
            return;
        case box_record::kind::failed:
            b.failure = std::string(record.step.data(), strnlen(record.step.data(), record.step.size())) + ": " +
                        runtime::error_code(record.code, boost::system::system_category()).message();
    }
}

void broker::read_reports(std::uint64_t number, box& b) {
    box_record record;
    ssize_t n = 0;
    while ((n = ::recv(b.process.socket.get(), &record, sizeof record, MSG_DONTWAIT)) == sizeof record)
        take_report(b, record);
    // The end: pid 1 is on its way out, and its handle will tell when.
    if (n != 0 && errno == EAGAIN) return;
    epoll_ctl(events_.get(), EPOLL_CTL_DEL, b.process.socket.get(), nullptr);
    pools_.forget(number, b);
}

// When to wake at the latest.
std::int64_t broker::look_at_all() {
    std::int64_t next = INT64_MAX;
    if (boxes_.all().empty()) return next;
    const std::int64_t now = now_ns();
    for (auto& [number, b] : boxes_.all()) {
        if (b.told || b.run == 0) continue;
        if (b.watch.has_to_hear(now)) watch(events_.get(), b.process.socket.get(), key_of(watched::reports, number));
        if (const auto why = b.watch.look(b.group, now); why != kill_reason::none) kill(b, why);
        next = std::min(next, b.watch.next_look_ns());
    }
    return next;
}

void broker::tell(box& b, std::uint64_t cpu_of_tree_us) {
    if (b.told || b.run == 0) return;
    auto end = b.watch.verdict(b.group, b.disk.get(), cpu_of_tree_us, b.failure);
    end.run = b.run;
    // Nothing runs in the box any more, so that what lies there will not change.
    std::vector<descriptor> beside;
    if (b.keeps_disk) beside.push_back(std::move(b.disk));
    send(std::move(end), std::move(beside));
    b.told = true;
    --untold_;
    // Else its pid 1 ends when it comes to, and not before programs that run.
    if (!boxes_.has_room()) b.group.hasten();
}

void broker::tell_of_pools(std::int64_t now) {
    if (!unsent_.empty()) return;  // verdicts first, and no more than the shard takes
    for (auto& each : pools_.news(now)) send(std::move(each));
}

// The tree is gone: pid 1 is only waited for when everything in its namespace has ended.
void broker::conclude(boxes::iterator which) {
    box& b = which->second;
    const std::uint64_t cpu_us = boxes::reap(b);
    read_reports(which->first, b);
    pools_.forget(which->first, b);
    b.watch.ended(now_ns());
    tell(b, cpu_us);
    if (b.run != 0) boxes_of_runs_.erase(b.run);
    boxes_.remove(which, pools_.spares());
}

void broker::send(packet what, std::vector<descriptor> beside) {
    if (unsent_.empty() && !send_packet(socket_.get(), what, beside)) return;
    unsent_.push_back({std::move(what), std::move(beside)});
    watch(events_.get(), socket_.get(), socket_key, EPOLLIN | EPOLLOUT);
}

void broker::flush() {
    while (!unsent_.empty()) {
        const auto failed = send_packet(socket_.get(), unsent_.front().what, unsent_.front().beside);
        if (failed == boost::system::errc::resource_unavailable_try_again) return;
        if (failed) closed_ = true;
        unsent_.pop_front();
    }
    watch(events_.get(), socket_.get(), socket_key);
}

}  // namespace stages::worker::sandbox
