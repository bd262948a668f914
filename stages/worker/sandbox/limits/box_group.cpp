// The groups of one box: its limits, and what it has used.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "runtime/base/last_error.hpp"
#include "stages/worker/sandbox/limits/cgroup.hpp"
#include "stages/worker/sandbox/limits/cgroup_files.hpp"

namespace stages::worker::sandbox {
namespace {

// Memory that may still be charged to a group whose box has ended: pages that a CPU has in store for it, and those of
// files that it was the first to read.
constexpr std::uint64_t residue_max = 1ULL << 20;
// Enough for pid 1 of a box that waits.
constexpr std::uint64_t first_process_bytes = 16ULL << 20;

struct counter_file {
    controller in;
    const char* v1;
    const char* v2;
    int mode_v1 = O_RDONLY;
};
// By box_group::counter.
constexpr std::array counter_files{
    counter_file{controller::cpuacct, "cpuacct.usage", "cpu.stat"},
    counter_file{controller::memory, "memory.usage_in_bytes", "memory.current"},
    counter_file{controller::memory, "memory.max_usage_in_bytes", "memory.peak", O_RDWR},
    counter_file{controller::memory, "memory.oom_control", "memory.events"},
    counter_file{controller::pids, "pids.current", "pids.current"},
    counter_file{controller::pids, "pids.peak", "pids.peak"},
    counter_file{controller::pids, "pids.events", "pids.events"},
};

}  // namespace

int box_group::file_of(counter which) const {
    static_assert(counter_files.size() == counter_count);
    const auto& [in, v1, v2, mode_v1] = counter_files[static_cast<std::size_t>(which)];
    descriptor& file = counters_[static_cast<std::size_t>(which)];
    if (!file && of(in) >= 0)
        file.reset(level_ == rung::cgroup1 ? openat(of(in), v1, mode_v1 | O_CLOEXEC)
                                           : openat(of(in), v2, O_RDONLY | O_CLOEXEC));
    return file.get();
}

std::string box_group::read(counter which) const {
    const int file = file_of(which);
    return file >= 0 ? read_counter(file) : std::string();
}

runtime::error_code box_group::write_limits(const std::string& memory, const std::string& processes) const {
    const int directory = of(controller::memory);
    // Swapping would only hide the limit; a machine without swap accounting has no such file.
    if (level_ == rung::cgroup2) {
        static_cast<void>(write_at(directory, "memory.swap.max", "0"));
        if (!write_at(directory, "memory.max", memory)) return runtime::last_error();
    } else {
        // Both together are never below memory alone: to widen it they go first, to narrow it last.
        const bool widened = write_at(directory, "memory.memsw.limit_in_bytes", memory);
        if (!write_at(directory, "memory.limit_in_bytes", memory)) return runtime::last_error();
        if (!widened && !write_at(directory, "memory.memsw.limit_in_bytes", memory) && errno != ENOENT)
            return runtime::last_error();
    }
    if (!write_at(of(controller::pids), "pids.max", processes)) return runtime::last_error();
    return {};
}

runtime::error_code box_group::set_limits(std::uint64_t memory_bytes, std::uint64_t processes) {
    if (level_ == rung::rlimit || (memory_bytes == memory_limit_ && processes == process_limit_)) return {};
    memory_limit_ = 0;
    // One more for the process that is pid 1 in the box.
    if (const auto failed = write_limits(std::to_string(memory_bytes), std::to_string(processes + 1))) return failed;
    memory_limit_ = memory_bytes;
    process_limit_ = processes;
    return {};
}

runtime::error_code box_group::make_room_for(std::uint64_t memory_bytes) {
    if (level_ != rung::cgroup1 || memory_limit_ >= memory_bytes) return {};
    memory_limit_ = 0;
    if (const auto failed = write_limits("-1", "max")) return failed;
    memory_limit_ = process_limit_ = unlimited;
    return {};
}

void box_group::hasten() {
    if (of(controller::cpu) < 0) return;
    put_first(of(controller::cpu));
    hastened_ = true;
}

int box_group::clone_target() const { return level_ == rung::cgroup2 ? directories_.front().get() : -1; }

runtime::result<std::vector<int>> box_group::join_files() {
    if (level_ != rung::cgroup1) return std::vector<int>();
    return entries();
}

runtime::result<std::vector<int>> box_group::entries() {
    // A process that has one thread and moves itself does not have to stop all forks of the machine for it.
    const char* file = level_ == rung::cgroup1 ? "tasks" : "cgroup.procs";
    for (std::size_t i = entries_.size(); i < directories_.size(); ++i) {
        descriptor entry(openat(directories_[i].get(), file, O_WRONLY | O_CLOEXEC));
        if (!entry) return runtime::last_error();
        entries_.push_back(std::move(entry));
    }
    std::vector<int> files;
    for (const auto& entry : entries_) files.push_back(entry.get());
    return files;
}

std::optional<std::uint64_t> box_group::cpu_us() const {
    const std::string text = read(counter::cpu_time);
    if (level_ == rung::cgroup2) return find_counter(text, "usage_usec");
    const auto nanoseconds = to_number(text);
    if (!nanoseconds) return std::nullopt;
    return *nanoseconds / 1000 - std::min(*nanoseconds / 1000, cpu_before_us_);
}

std::optional<std::uint64_t> box_group::peak_memory_bytes() const { return to_number(read(counter::memory_peak)); }

std::optional<std::uint64_t> box_group::peak_processes() const {
    const auto peak = to_number(read(counter::processes_peak));
    if (!peak || *peak == 0) return std::nullopt;
    return *peak - 1;
}

std::uint64_t box_group::out_of_memory_kills() const {
    return find_counter(read(counter::memory_kills), "oom_kill").value_or(0);
}

bool box_group::process_limit_hit() const {
    return find_counter(read(counter::processes_refused), "max").value_or(0) > 0;
}

// What it cannot set back is the largest number of processes; so that must have been the smallest there is, pid 1 and
// the program. With cgroup2 a box has one group, and there would be little to gain.
bool box_group::renew() {
    if (level_ != rung::cgroup1 || process_limit_hit() || out_of_memory_kills() > 0) return false;
    const auto number = [this](counter which) { return to_number(read(which)); };
    if (number(counter::processes_now) != 0U || number(counter::processes_peak) > 2U) return false;
    if (number(counter::memory_now).value_or(UINT64_MAX) > residue_max) return false;
    if (make_room_for(first_process_bytes)) return false;
    if (::pwrite(file_of(counter::memory_peak), "0", 1, 0) != 1) return false;
    // Where it has no lowest weight it has the usual one.
    if (hastened_ && !(weight_.file != nullptr ? write_at(of(controller::cpu), weight_.file, weight_.lowest)
                                               : put_usual(of(controller::cpu))))
        return false;
    hastened_ = false;
    cpu_before_us_ += cpu_us().value_or(0);
    return true;
}

bool box_group::remove(const cgroup_tree& tree) const {
    bool gone = true;
    for (const auto& h : tree.hierarchies_)
        if (unlinkat(h.base.get(), name_.c_str(), AT_REMOVEDIR) != 0 && errno != ENOENT) gone = false;
    return gone;
}

}  // namespace stages::worker::sandbox
