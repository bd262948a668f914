// Of one run: what it may use, and whether it has. Wall and CPU time and memory are watched from outside the box, by
// its broker, who looks as seldom as will do.
#pragma once

#include <cstdint>

#include "stages/worker/sandbox/channel/protocol.hpp"
#include "stages/worker/sandbox/limits/cgroup.hpp"

namespace stages::worker::sandbox {

class run_watch {
  public:
    run_watch() = default;
    // The box has its order. What the group has used until now is not the run's, if something had booted there. Of a
    // box that is ready the start is all that is left to be heard before the end, and may be heard late.
    run_watch(const launch_packet& what, bool ready, const box_group& group, std::int64_t now_ns);

    void begun(std::int64_t at_ns);
    // The program has ended by itself, with this status as wait() gives it. (A tree that was killed has none.)
    void exited(int status, std::int64_t at_ns);
    // Nothing of the tree is left; later calls than the first one mean nothing.
    void ended(std::int64_t at_ns);
    // The box is heard when it has ended, or when it has to be: true once, after some milliseconds.
    [[nodiscard]] bool hears_late() const { return hears_ns_ != INT64_MAX; }
    bool has_to_hear(std::int64_t now_ns);
    // Somebody ends the tree; the first cause stands. False if there was one.
    bool condemn(kill_reason why);

    // Why the tree must be ended now; none: within its limits.
    kill_reason look(const box_group& group, std::int64_t now_ns);
    // When to look again: as soon as all CPUs together could use up the rest, so that the limit is met within a few per
    // cent and an idle box costs little. INT64_MAX: there is nothing to look for.
    [[nodiscard]] std::int64_t next_look_ns() const;

    // Everything but the run's number. `cpu_of_tree_us`: as reaping pid 1 told, for where no group counts. `failure`:
    // what the box had to say, if anything.
    [[nodiscard]] ended_packet verdict(const box_group& group, int disk, std::uint64_t cpu_of_tree_us,
                                       const std::string& failure) const;

  private:
    box_limits limits_;
    std::uint64_t cpu_before_us_ = 0;
    std::int64_t began_ns_ = 0;
    std::int64_t ended_ns_ = 0;
    std::int64_t wall_deadline_ns_ = 0;
    std::int64_t next_look_ns_ = 0;
    std::int64_t hears_ns_ = INT64_MAX;
    kill_reason condemned_for_ = kill_reason::none;
    bool exited_ = false;
    int exit_status_ = 0;
};

}  // namespace stages::worker::sandbox
