// The control groups of boxes. One ladder, probed once: cgroup2 with its controllers; cgroup1 (also where v1 and v2 are
// mixed and v2 has none); or none, where only rlimits stand. Each box has a group of its own and of the lowest CPU
// weight, and where that is given, one group around all boxes has it too: the server's threads are siblings of that
// one, so that a server that wakes up has the CPU at once. Beside many such siblings a durable write was seen to take
// several of their turns, beside one seldom more than one or two.
//
//   <base>/<name>.<life>.<box>         <base> is the server's own group, or the top one; <life> is new at every start
//   <base>/<name>.<life>.all/<name>.<life>.<box>   where groups have a CPU weight
//   <base>/<name>.server               only for cgroup2 below the root: a group there has processes or limited children
//
// What is called <name> and has another life is of an earlier one, and is killed and removed by sweep().
// Everything here is called by the nursery and its brokers, which have one thread each.
#pragma once

#include <sys/types.h>

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/result.hpp"
#include "stages/worker/sandbox/channel/descriptor.hpp"
#include "stages/worker/sandbox/channel/launcher_options.hpp"

namespace stages::worker::sandbox {

struct mount_entry {
    std::string root;  // which part of the file system is mounted
    std::string point;
    std::string type;
    std::string options;  // of the file system: controllers, for cgroup
};
// Of /proc/self/mountinfo; lines that are none are left out.
std::vector<mount_entry> parse_mountinfo(std::string_view text);

struct group_membership {
    std::string controllers;  // comma-separated; empty for cgroup2
    std::string path;
};
// Of /proc/self/cgroup.
std::vector<group_membership> parse_self_cgroup(std::string_view text);

// The value behind `key` in "key value" lines.
std::optional<std::uint64_t> find_counter(std::string_view text, std::string_view key);
// True if a comma- or space-separated list has this word.
bool has_word(std::string_view list, std::string_view word);

enum class controller : std::uint8_t { memory = 0, pids, cpuacct, cpu };
inline constexpr std::size_t controller_count = 4;

// How a group gets the lowest share of the CPU; without a file this machine has no way.
struct cpu_weight {
    const char* file = nullptr;
    const char* lowest = nullptr;
};

class box_group;

class cgroup_tree {
  public:
    // Never fails: it ends at the rung `rlimit`, and missing() says why. Where the server's group is needed, `server`
    // and the calling process are moved into it.
    static cgroup_tree make(const std::string& name, rung highest, bool lowest_weight, pid_t server);

    [[nodiscard]] rung level() const { return level_; }
    [[nodiscard]] const std::vector<std::string>& missing() const { return missing_; }
    // The lowest CPU weight is wanted, and no controller gives it.
    [[nodiscard]] bool lacks_weight() const { return lowest_weight_ && weight_.file == nullptr; }

    [[nodiscard]] runtime::result<box_group> make_group(const std::string& name) const;
    // Kills and removes the groups of earlier lives.
    void sweep() const;
    // Kills and removes the groups of this life whose box names begin so (those of one broker).
    void remove_groups(const std::string& box_prefix) const;
    // At the very end: this life's groups and, once the server and the caller have left it, the server's.
    void remove(pid_t server) const;

  private:
    friend class box_group;
    struct hierarchy {
        descriptor base;           // in which boxes have their groups
        descriptor above;          // if that is the one around all boxes: where it is
        unsigned controllers = 0;  // bit of each
        [[nodiscard]] int outer() const { return above ? above.get() : base.get(); }
        [[nodiscard]] bool has(controller c) const { return (controllers >> static_cast<unsigned>(c) & 1U) != 0; }
    };

    bool try_cgroup2(const std::vector<mount_entry>& mounts, const std::vector<group_membership>& own, pid_t server);
    bool try_cgroup1(const std::vector<mount_entry>& mounts, const std::vector<group_membership>& own);
    bool build_v2(const std::string& base, bool whole_view, pid_t server);
    std::string build_v1(const std::string& base, unsigned controllers);
    std::string open_base(hierarchy& h, const std::string& base) const;
    bool enable_v2(const hierarchy& h, bool whole_view, pid_t server, descriptor& home) const;
    void find_lowest_weight(const hierarchy& h);
    void put_around_all(hierarchy& h) const;
    runtime::error_code make_in_all(box_group& group) const;
    [[nodiscard]] std::string prefix() const { return name_ + "." + life_ + "."; }

    std::string name_;
    std::string life_;
    rung level_ = rung::rlimit;
    std::vector<hierarchy> hierarchies_;
    std::vector<std::string> missing_;
    bool lowest_weight_ = true;
    cpu_weight weight_;
};

// The groups of one box: one directory in each hierarchy. Removed by remove() when the box is empty.
class box_group {
  public:
    box_group() = default;

    runtime::error_code set_limits(std::uint64_t memory_bytes, std::uint64_t processes);
    // A group that is used again may have those of its last program: lifts them where they are narrower than this.
    runtime::error_code make_room_for(std::uint64_t memory_bytes);
    static constexpr std::uint64_t unlimited = UINT64_MAX;
    // For a box that is to be gone soon: dying takes CPU time too, and at the lowest weight would last.
    void hasten();
    // For CLONE_INTO_CGROUP; -1 where there is no cgroup2.
    [[nodiscard]] int clone_target() const;
    // One file of each v1 hierarchy, to which the process that joins writes "0". It has one thread.
    [[nodiscard]] runtime::result<std::vector<int>> join_files();
    // The same of every hierarchy: for a process that is no child of the caller's.
    [[nodiscard]] runtime::result<std::vector<int>> entries();

    // Else there is no group, and whatever would be measured is absent.
    [[nodiscard]] bool limits_trees() const { return level_ != rung::rlimit; }
    // Each is absent where this machine does not measure it. The process that is pid 1 in the box is not counted.
    [[nodiscard]] std::optional<std::uint64_t> cpu_us() const;
    [[nodiscard]] std::optional<std::uint64_t> peak_memory_bytes() const;
    [[nodiscard]] std::optional<std::uint64_t> peak_processes() const;
    [[nodiscard]] std::uint64_t out_of_memory_kills() const;
    [[nodiscard]] bool process_limit_hit() const;
    // The kernel ends the whole group when its memory is over; else somebody must look at out_of_memory_kills().
    [[nodiscard]] bool dies_as_one() const { return dies_as_one_; }

    // For another box, once nothing is left of the one that it was for but its limits, if a box without a program can
    // live within them. False if that box could be told from what it reads, or this kernel can't: then it is to be
    // removed.
    [[nodiscard]] bool renew();
    // False while processes are left in it.
    [[nodiscard]] bool remove(const cgroup_tree& tree) const;

  private:
    friend class cgroup_tree;
    enum class counter : std::uint8_t {
        cpu_time = 0,
        memory_now,
        memory_peak,
        memory_kills,
        processes_now,
        processes_peak,
        processes_refused,
    };
    static constexpr std::size_t counter_count = 7;

    [[nodiscard]] int of(controller c) const { return place_[static_cast<std::size_t>(c)]; }
    // -1 where this machine has none.
    [[nodiscard]] int file_of(counter which) const;
    [[nodiscard]] std::string read(counter which) const;
    [[nodiscard]] runtime::error_code write_limits(const std::string& memory, const std::string& processes) const;

    std::string name_;
    rung level_ = rung::rlimit;
    bool dies_as_one_ = false;
    cpu_weight weight_;
    std::vector<descriptor> directories_;                      // one for each hierarchy
    std::array<int, controller_count> place_{-1, -1, -1, -1};  // the directory of each controller
    // Files stay open once they were needed, also for the next box: to find one takes longer than to read it.
    mutable std::array<descriptor, counter_count> counters_;
    std::vector<descriptor> entries_;
    std::uint64_t cpu_before_us_ = 0;         // of the boxes before
    std::uint64_t memory_limit_ = unlimited;  // 0: not known
    std::uint64_t process_limit_ = unlimited;
    bool hastened_ = false;
};

}  // namespace stages::worker::sandbox
