#include "stages/worker/sandbox/limits/run_watch.hpp"

#include <sched.h>
#include <signal.h>
#include <sys/statfs.h>
#include <sys/wait.h>

#include <algorithm>

namespace stages::worker::sandbox {
namespace {

constexpr std::int64_t ms = 1'000'000;
constexpr std::int64_t look_max_ns = 500 * ms;    // at the latest, for CPU time
constexpr std::int64_t memory_look_ns = 15 * ms;  // where the kernel kills one process of a group, not all

constexpr std::int64_t late_start_ns = 5 * ms;  // most of the programs that nobody follows have ended by then

std::uint64_t usable_cpus() {
    static const std::uint64_t count = [] {
        cpu_set_t set;
        CPU_ZERO(&set);
        if (sched_getaffinity(0, sizeof set, &set) != 0) return 1;
        return std::max(1, CPU_COUNT(&set));
    }();
    return count;
}

bool disk_is_full(int disk) {
    struct statfs about{};
    return fstatfs(disk, &about) == 0 && (about.f_bavail == 0 || about.f_ffree == 0);
}

}  // namespace

run_watch::run_watch(const launch_packet& what, bool ready, const box_group& group, std::int64_t now_ns)
    : limits_(what.limits), cpu_before_us_(what.start == start_kind::cold ? 0 : group.cpu_us().value_or(0)) {
    begun(now_ns);
    if (what.unfollowed && ready) hears_ns_ = now_ns + late_start_ns;
    next_look_ns_ = now_ns;
}

void run_watch::begun(std::int64_t at_ns) {
    began_ns_ = at_ns;
    hears_ns_ = INT64_MAX;
    wall_deadline_ns_ = at_ns + static_cast<std::int64_t>(std::min<std::uint64_t>(limits_.wall_ms, 1ULL << 40)) * ms;
}

void run_watch::exited(int status, std::int64_t at_ns) {
    exited_ = true;
    exit_status_ = status;
    ended(at_ns);
}

void run_watch::ended(std::int64_t at_ns) {
    if (ended_ns_ == 0) ended_ns_ = at_ns;
}

bool run_watch::has_to_hear(std::int64_t now_ns) {
    if (now_ns < hears_ns_) return false;
    hears_ns_ = INT64_MAX;
    return true;
}

bool run_watch::condemn(kill_reason why) {
    if (condemned_for_ != kill_reason::none) return false;
    condemned_for_ = why;
    return true;
}

kill_reason run_watch::look(const box_group& group, std::int64_t now_ns) {
    if (condemned_for_ != kill_reason::none) return kill_reason::none;
    if (now_ns >= wall_deadline_ns_) return kill_reason::wall;
    if (now_ns < next_look_ns_) return kill_reason::none;
    std::int64_t wait = look_max_ns;
    if (const auto used = group.cpu_us()) {
        const std::uint64_t limit_us = limits_.cpu_ms * 1000 + cpu_before_us_;
        if (*used >= limit_us) return kill_reason::cpu;
        const auto soonest = static_cast<std::int64_t>((limit_us - *used) / usable_cpus()) * 1000;
        const std::int64_t finest = std::max(ms, static_cast<std::int64_t>(limit_us / 50 / usable_cpus()) * 1000);
        wait = std::min(wait, std::max(soonest, finest));
    }
    if (!group.dies_as_one()) {
        if (group.out_of_memory_kills() > 0) return kill_reason::memory;
        wait = std::min(wait, memory_look_ns);
    }
    next_look_ns_ = now_ns + wait;
    return kill_reason::none;
}

std::int64_t run_watch::next_look_ns() const {
    return condemned_for_ != kill_reason::none ? INT64_MAX : std::min({wall_deadline_ns_, next_look_ns_, hears_ns_});
}

ended_packet run_watch::verdict(const box_group& group, int disk, std::uint64_t cpu_of_tree_us,
                                const std::string& failure) const {
    ended_packet end;
    end.wall_us = static_cast<std::uint64_t>(std::max<std::int64_t>(0, ended_ns_ - began_ns_) / 1000);
    end.cpu_us = group.cpu_us();
    if (end.cpu_us) *end.cpu_us -= std::min(*end.cpu_us, cpu_before_us_);
    if (!end.cpu_us) end.cpu_us = cpu_of_tree_us;
    end.peak_memory_bytes = group.peak_memory_bytes();
    end.peak_processes = group.peak_processes();
    end.process_limit_hit = group.process_limit_hit();
    const int signal = exited_ && WIFSIGNALED(exit_status_) ? WTERMSIG(exit_status_) : 0;
    end.disk_limit_hit = disk_is_full(disk) || signal == SIGXFSZ;
    if (group.out_of_memory_kills() > 0) {
        end.how = box_end::killed;
        end.killed_for = kill_reason::memory;
    } else if (exited_ && signal == 0) {
        end.how = box_end::exited;
        end.code = WEXITSTATUS(exit_status_);
    } else if (exited_ && !group.limits_trees() && cpu_of_tree_us >= limits_.cpu_ms * 800 &&
               (signal == SIGXCPU || signal == SIGKILL)) {
        // The kernel's rlimit and its accounting differ by some ticks; a signal alone proves nothing.
        end.how = box_end::killed;
        end.killed_for = kill_reason::cpu;
    } else if (exited_) {
        end.how = box_end::signaled;
        end.code = signal;
    } else if (condemned_for_ != kill_reason::none) {
        end.how = box_end::killed;
        end.killed_for = condemned_for_;
    } else {
        end.message = failure.empty() ? "the box was killed from outside" : "cannot make a box: " + failure;
    }
    return end;
}

}  // namespace stages::worker::sandbox
