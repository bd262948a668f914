#include "stages/worker/sandbox/limits/box_groups.hpp"

namespace stages::worker::sandbox {

runtime::result<box_group> box_groups::take() {
    if (spares_.empty()) return tree_.make_group(prefix_ + std::to_string(next_++));
    box_group next = std::move(spares_.back());
    spares_.pop_back();
    ++reused_;
    return next;
}

void box_groups::give_back(box_group group, std::size_t most) {
    if (spares_.size() < most && group.renew()) {
        spares_.push_back(std::move(group));
    } else {
        remove(std::move(group));
    }
}

void box_groups::keep_at_most(std::size_t most) {
    for (; spares_.size() > most; spares_.pop_back()) remove(std::move(spares_.back()));
}

void box_groups::remove(box_group group) {
    if (!group.remove(tree_)) left_.push_back(std::move(group));
}

void box_groups::remove_left() {
    std::erase_if(left_, [this](const box_group& group) { return group.remove(tree_); });
}

}  // namespace stages::worker::sandbox
