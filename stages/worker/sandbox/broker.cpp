#include "stages/worker/sandbox/broker.hpp"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <boost/system/errc.hpp>
#include <cerrno>

#include "runtime/base/time.hpp"

namespace stages::worker::sandbox {
namespace {

constexpr std::int64_t ms = 1'000'000;
constexpr std::int64_t look_max_ns = 500 * ms;    // at the latest, for CPU time
constexpr std::int64_t memory_look_ns = 15 * ms;  // where the kernel kills one process of a group, not all

std::int64_t now_ns() { return runtime::system_clock().steady().nanoseconds_since_start; }

std::uint64_t usable_cpus() {
    cpu_set_t set;
    CPU_ZERO(&set);
    if (sched_getaffinity(0, sizeof set, &set) != 0) return 1;
    return std::max(1, CPU_COUNT(&set));
}

// Reaps pid 1; the answer is the CPU time of it and of all that it and its children have waited for.
std::uint64_t reap(int handle) {
    siginfo_t about{};
    rusage usage{};
    if (syscall(SYS_waitid, P_PIDFD, handle, &about, WEXITED, &usage) != 0) return 0;
    const auto microseconds = [](const timeval& t) {
        return static_cast<std::uint64_t>(t.tv_sec) * 1'000'000 + static_cast<std::uint64_t>(t.tv_usec);
    };
    return microseconds(usage.ru_utime) + microseconds(usage.ru_stime);
}

// So that the program may open /dev/stdout and the like. Only pipes are the program's own; whatever else was handed
// over belongs to somebody.
void give_pipe(int file, uid_t owner) {
    struct stat about{};
    if (fstat(file, &about) == 0 && S_ISFIFO(about.st_mode)) static_cast<void>(fchown(file, owner, owner) == 0);
}

// Descriptors that are the program's standard streams.
std::size_t streams_beside(const launch_packet& what) { return what.terminal.rows == 0 ? 3 : 0; }

bool disk_is_full(int disk) {
    struct statfs about{};
    return fstatfs(disk, &about) == 0 && (about.f_bavail == 0 || about.f_ffree == 0);
}

}  // namespace

broker::broker(const box_context& context, const cgroup_tree& groups, descriptor socket, broker_options options)
    : context_(context),
      socket_(std::move(socket)),
      options_(std::move(options)),
      events_(epoll_create1(EPOLL_CLOEXEC)),
      seats_(uids_of(options_.boxes_max), false),
      cpus_(usable_cpus()),
      groups_(groups, options_.group_prefix) {
    watch(socket_.get(), socket_key);
    add_pool({});
}

void broker::watch(int fd, std::uint64_t key, bool also_writable) {
    epoll_event event{};
    event.events = EPOLLIN | (also_writable ? EPOLLOUT : 0U);
    event.data.u64 = key;
    if (epoll_ctl(events_.get(), EPOLL_CTL_ADD, fd, &event) != 0 && errno == EEXIST)
        epoll_ctl(events_.get(), EPOLL_CTL_MOD, fd, &event);
}

void broker::run() {
    while (!closed_) {
        std::int64_t next = std::min(look_at_all(), look_at_pools(now_ns()));
        epoll_event ready[32];
        // What is kept ready is made only when nothing waits.
        int count = epoll_wait(events_.get(), ready, 32, 0);
        if (count == 0 && !prepare_next()) {
            const std::int64_t wait = std::max<std::int64_t>(0, next - now_ns());
            const timespec timeout{wait / 1'000'000'000, wait % 1'000'000'000};
            count = epoll_pwait2(events_.get(), ready, 32, next == INT64_MAX ? nullptr : &timeout, nullptr);
        }
        for (int i = 0; i < count; ++i) {
            const std::uint64_t key = ready[i].data.u64;
            const auto of = static_cast<watched>(key & 3);
            if (key == socket_key) {
                if ((ready[i].events & EPOLLOUT) != 0) flush();
                if ((ready[i].events & ~EPOLLOUT) != 0) take_packets();
            } else if (of == watched::mother || of == watched::successor) {
                const auto found = pools_.find(static_cast<std::uint32_t>(key >> 2));
                if (found != pools_.end()) read_zygote(found->second, of == watched::successor);
            } else if (const auto found = boxes_.find(key >> 2); found != boxes_.end()) {
                if (of == watched::reports) {
                    read_reports(found->first, found->second);
                } else {
                    conclude(found);
                }
            }
        }
    }
    end_all();
}

void broker::take_packets() {
    for (;;) {
        auto got = receive_packet(socket_.get());
        if (!got) {
            const auto why = got.error();
            closed_ = why != boost::system::errc::resource_unavailable_try_again;
            return;
        }
        if (auto* what = std::get_if<launch_packet>(&got->what)) {
            launch(std::move(*what), std::move(got->descriptors));
        } else if (const auto* end = std::get_if<kill_packet>(&got->what)) {
            const auto found = boxes_of_runs_.find(end->run);
            if (found != boxes_of_runs_.end()) kill(boxes_.at(found->second), end->why);
        } else if (const auto* signal = std::get_if<signal_packet>(&got->what)) {
            const auto found = boxes_of_runs_.find(signal->run);
            if (found != boxes_of_runs_.end()) forward(boxes_.at(found->second), signal->number);
        } else if (auto* warm = std::get_if<warm_packet>(&got->what)) {
            add_pool(std::move(*warm));
        } else {
            closed_ = true;
            return;
        }
    }
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
    if (untold_ >= options_.boxes_max || boxes_.size() >= seats_.size())
        return refuse(run, "sandbox.boxes_max is reached: " + std::to_string(options_.boxes_max));
    const char* step = "";
    auto chosen = choose_box(what, step);
    auto failed = chosen ? hand_over((*chosen)->second, what, files, step) : chosen.error();
    if (failed && chosen && what.start != start_kind::cold && boxes_.size() < seats_.size()) {
        // Limits may be too narrow for an interpreter that has booted; in a fresh box it is told so by its own.
        give_up((*chosen)->first);
        what.warm = 0;
        chosen = choose_box(what, step);
        failed = chosen ? hand_over((*chosen)->second, what, files, step) : chosen.error();
    }
    if (failed) {
        if (chosen) give_up((*chosen)->first);
        return refuse(run, std::string("cannot make a box: ") + step + ": " + failed.message());
    }
    (*chosen)->second.run = run;
    boxes_of_runs_.emplace(run, (*chosen)->first);
    ++untold_;
}

// Whatever depends on the run. Nothing but trusted processes are in the box until its pid 1 has read the launch.
runtime::error_code broker::hand_over(box& b, launch_packet& what, const std::vector<descriptor>& files,
                                      const char*& step) {
    b.limits = what.limits;
    b.keeps_disk = what.keep_disk;
    b.start = what.start;
    if (!b.program_end) b.group.close_entries();
    step = "limits";
    if (const auto failed = b.group.set_limits(what.limits.memory_bytes, what.limits.processes)) return failed;
    step = "disk";
    if (const auto failed = size_disk(b.disk.get(), what)) return failed;
    const std::size_t streams = streams_beside(what);
    if (!context_.own_user_namespace)
        for (std::size_t i = 0; i < streams; ++i) give_pipe(files[i].get(), options_.first_uid + b.seat);
    b.cpu_before_us = b.start == start_kind::cold ? 0 : b.group.cpu_us().value_or(0);
    step = "order";
    std::vector<int> numbers;
    if (streams == 0) numbers.assign(3, b.terminal_end.get());
    for (const auto& file : files) numbers.push_back(file.get());
    if (const auto failed = send_packet(b.process.socket.get(), what, numbers)) return failed;
    b.terminal_end.reset();
    const std::int64_t now = now_ns();
    b.began_ns = now;
    b.wall_deadline_ns = now + static_cast<std::int64_t>(std::min<std::uint64_t>(what.limits.wall_ms, 1ULL << 40)) * ms;
    b.next_look_ns = now;
    return {};
}

void broker::kill(box& b, kill_reason why) {
    if (b.told || b.killed_for != kill_reason::none) return;  // the first cause stands
    b.killed_for = why;
    b.group.hasten();
    // Pid 1 takes its whole namespace along.
    syscall(SYS_pidfd_send_signal, b.process.handle.get(), SIGKILL, nullptr, 0);
}

void broker::forward(const box& b, int number) {
    if (b.told) return;
    siginfo_t about{};
    about.si_signo = forwarding_signal;
    about.si_code = SI_QUEUE;
    about.si_value.sival_int = number;
    syscall(SYS_pidfd_send_signal, b.process.handle.get(), forwarding_signal, &about, 0);
}

std::vector<descriptor> broker::given_at_start(box& b) {
    std::vector<descriptor> out;
    if (b.terminal) out.push_back(std::move(b.terminal));
    if (b.listener) out.push_back(std::move(b.listener));
    return out;
}

void broker::read_reports(std::uint64_t number, box& b) {
    box_record record;
    ssize_t n = 0;
    while ((n = ::recv(b.process.socket.get(), &record, sizeof record, MSG_DONTWAIT)) == sizeof record) {
        switch (record.what) {
            case box_record::kind::made:
                b.made = true;
                // With a program to come it is that program's to say.
                if (b.pool == 0) b.ready = true;
                order_child(b);
                break;
            case box_record::kind::ready: b.ready = true; break;
            case box_record::kind::began:
                b.begun = true;
                b.began_ns = record.at_ns;
                b.wall_deadline_ns =
                    record.at_ns +
                    static_cast<std::int64_t>(std::min<std::uint64_t>(b.limits.wall_ms, 1ULL << 40)) * ms;
                send(started_packet{b.run, b.start}, given_at_start(b));
                break;
            case box_record::kind::ended:
                b.exited = true;
                b.exit_status = record.code;
                b.made_no_socket = record.made_no_socket && !b.has_network;
                b.ended_ns = record.at_ns;
                // Nothing of the program is left, only pid 1 and its namespaces, which take their time. Without a
                // control group only reaping it tells the CPU time.
                if (record.alone && !context_.limits_by_process) tell(b, 0);
                break;
            case box_record::kind::failed:
                record.step.back() = '\0';
                b.failure = std::string(record.step.data()) + ": " +
                            runtime::error_code(record.code, boost::system::system_category()).message();
                break;
        }
    }
    // The end: pid 1 is on its way out, and its handle will tell when.
    if (n != 0 && errno == EAGAIN) return;
    epoll_ctl(events_.get(), EPOLL_CTL_DEL, b.process.socket.get(), nullptr);
    forget_waiting(number, b);
}

// Looks at what the box has used, and says when to look again: as soon as all CPUs together could use up the rest, so
// that the limit is met within a few per cent and an idle box costs little.
void broker::look(box& b, std::int64_t now) {
    if (now >= b.wall_deadline_ns) kill(b, kill_reason::wall);
    if (now < b.next_look_ns || b.killed_for != kill_reason::none) return;
    std::int64_t wait = look_max_ns;
    if (const auto used = b.group.cpu_us()) {
        const std::uint64_t limit_us = b.limits.cpu_ms * 1000 + b.cpu_before_us;
        if (*used >= limit_us) return kill(b, kill_reason::cpu);
        const auto soonest = static_cast<std::int64_t>((limit_us - *used) / cpus_) * 1000;
        const std::int64_t finest = std::max(ms, static_cast<std::int64_t>(limit_us / 50 / cpus_) * 1000);
        wait = std::min(wait, std::max(soonest, finest));
    }
    if (!b.group.dies_as_one()) {
        if (b.group.out_of_memory_kills() > 0) return kill(b, kill_reason::memory);
        wait = std::min(wait, memory_look_ns);
    }
    b.next_look_ns = now + wait;
}

// When to wake at the latest.
std::int64_t broker::look_at_all() {
    std::int64_t next = INT64_MAX;
    if (boxes_.empty()) return next;
    const std::int64_t now = now_ns();
    for (auto& [number, b] : boxes_) {
        if (b.told || b.run == 0) continue;
        if (b.killed_for == kill_reason::none) look(b, now);
        if (b.killed_for == kill_reason::none) next = std::min({next, b.wall_deadline_ns, b.next_look_ns});
    }
    return next;
}

ended_packet broker::verdict_of(box& b, std::uint64_t cpu_of_tree_us) {
    ended_packet end;
    end.run = b.run;
    end.wall_us = static_cast<std::uint64_t>(std::max<std::int64_t>(0, b.ended_ns - b.began_ns) / 1000);
    end.cpu_us = b.group.cpu_us();
    if (end.cpu_us) *end.cpu_us -= std::min(*end.cpu_us, b.cpu_before_us);
    if (!end.cpu_us) end.cpu_us = cpu_of_tree_us;
    end.peak_memory_bytes = b.group.peak_memory_bytes();
    end.peak_processes = b.group.peak_processes();
    end.process_limit_hit = b.group.process_limit_hit();
    end.disk_limit_hit =
        disk_is_full(b.disk.get()) || (b.exited && WIFSIGNALED(b.exit_status) && WTERMSIG(b.exit_status) == SIGXFSZ);
    if (b.group.out_of_memory_kills() > 0) {
        end.how = box_end::killed;
        end.killed_for = kill_reason::memory;
    } else if (b.exited && WIFEXITED(b.exit_status)) {
        end.how = box_end::exited;
        end.code = WEXITSTATUS(b.exit_status);
    } else if (b.exited && context_.limits_by_process && cpu_of_tree_us >= b.limits.cpu_ms * 800 &&
               (WTERMSIG(b.exit_status) == SIGXCPU || WTERMSIG(b.exit_status) == SIGKILL)) {
        // The kernel's rlimit and its accounting differ by some ticks; a signal alone proves nothing.
        end.how = box_end::killed;
        end.killed_for = kill_reason::cpu;
    } else if (b.exited) {
        end.how = box_end::signaled;
        end.code = WTERMSIG(b.exit_status);
    } else if (b.killed_for != kill_reason::none) {
        end.how = box_end::killed;
        end.killed_for = b.killed_for;
    } else {
        end.message = b.failure.empty() ? "the box was killed from outside" : "cannot make a box: " + b.failure;
    }
    return end;
}

void broker::tell(box& b, std::uint64_t cpu_of_tree_us) {
    if (b.told || b.run == 0) return;
    auto end = verdict_of(b, cpu_of_tree_us);
    // Nothing runs in the box any more, so that what lies there will not change.
    std::vector<descriptor> beside;
    if (b.keeps_disk) beside.push_back(std::move(b.disk));
    send(std::move(end), std::move(beside));
    b.told = true;
    --untold_;
    // Else its pid 1 ends when it comes to, and not before programs that run.
    if (!has_room()) b.group.hasten();
}

// The tree is gone: pid 1 is only waited for when everything in its namespace has ended.
void broker::conclude(boxes::iterator which) {
    box& b = which->second;
    const std::uint64_t cpu_us = reap(b.process.handle.get());
    read_reports(which->first, b);
    forget_waiting(which->first, b);
    if (!b.exited) b.ended_ns = now_ns();
    tell(b, cpu_us);
    // Other boxes' first processes may hold copies for a moment, which would keep them in the epoll set.
    epoll_ctl(events_.get(), EPOLL_CTL_DEL, b.process.handle.get(), nullptr);
    epoll_ctl(events_.get(), EPOLL_CTL_DEL, b.process.socket.get(), nullptr);
    seats_[b.seat] = false;
    b.disk.reset();  // its pages are the group's
    groups_.give_back(std::move(b.group), spares_max());
    networks_.give_back(std::move(b.network), b.made_no_socket ? spares_max() : 0);
    if (b.run != 0) boxes_of_runs_.erase(b.run);
    boxes_.erase(which);
}

namespace {

runtime::error_code send_with(int socket, const packet& what, const std::vector<descriptor>& beside) {
    std::vector<int> numbers;
    for (const auto& one : beside) numbers.push_back(one.get());
    return send_packet(socket, what, numbers);
}

}  // namespace

void broker::send(packet what, std::vector<descriptor> beside) {
    if (unsent_.empty() && !send_with(socket_.get(), what, beside)) return;
    unsent_.push_back({std::move(what), std::move(beside)});
    watch(socket_.get(), socket_key, true);
}

void broker::flush() {
    while (!unsent_.empty()) {
        const auto failed = send_with(socket_.get(), unsent_.front().what, unsent_.front().beside);
        if (failed == boost::system::errc::resource_unavailable_try_again) return;
        if (failed) closed_ = true;
        unsent_.pop_front();
    }
    watch(socket_.get(), socket_key);
}

void broker::end_all() {
    for (auto& [number, b] : boxes_) {
        kill(b, kill_reason::cancelled);
        if (b.told) b.group.hasten();  // it is on its way out
    }
    for (auto& [number, b] : boxes_) {
        reap(b.process.handle.get());
        groups_.give_back(std::move(b.group), 0);
    }
    boxes_.clear();
    pools_.clear();
    groups_.keep_at_most(0);
    groups_.remove_left();  // the nursery takes those that are still there
}

}  // namespace stages::worker::sandbox
