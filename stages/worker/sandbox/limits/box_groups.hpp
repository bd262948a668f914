// The control groups of a broker's boxes. On cgroup v1 to make and to remove the four of a box takes a third of a
// millisecond of CPU time; so those that a box has left as they were made are another box's after it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "runtime/base/result.hpp"
#include "stages/worker/sandbox/limits/cgroup.hpp"

namespace stages::worker::sandbox {

class box_groups {
  public:
    // `prefix`: of the names of all its groups.
    box_groups(const cgroup_tree& tree, std::string prefix) : tree_(tree), prefix_(std::move(prefix)) {}

    // One with nothing in it and of the lowest weight. Limits that it may have are wide enough for a box that waits.
    runtime::result<box_group> take();
    // Its box has ended. It is kept if all but its limits can be made as new, and `most` are not kept already.
    void give_back(box_group group, std::size_t most);
    void keep_at_most(std::size_t most);
    // Tries again to remove those that were not empty yet.
    void remove_left();

    [[nodiscard]] std::size_t kept() const { return spares_.size(); }
    // That were given out a second time or more often.
    [[nodiscard]] std::uint64_t reused() const { return reused_; }

  private:
    void remove(box_group group);

    const cgroup_tree& tree_;
    std::string prefix_;
    std::uint64_t next_ = 0;
    std::vector<box_group> spares_;
    std::vector<box_group> left_;
    std::uint64_t reused_ = 0;
};

}  // namespace stages::worker::sandbox
