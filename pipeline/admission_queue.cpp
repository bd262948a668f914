#include "pipeline/admission_queue.hpp"

#include <array>
#include <ext/pb_ds/assoc_container.hpp>
#include <ext/pb_ds/tree_policy.hpp>

namespace pipeline {
namespace {

// A tree that knows how many stand before an element (libstdc++'s order statistics).
using level = __gnu_pbds::tree<std::uint64_t, execution_id, std::less<>, __gnu_pbds::rb_tree_tag,
                               __gnu_pbds::tree_order_statistics_node_update>;

}  // namespace

struct admission_queue::levels {
    std::array<level, 5> of;
    level& operator[](enum priority p) { return of[static_cast<std::size_t>(p)]; }
};

admission_queue::admission_queue() : levels_(std::make_unique<levels>()) {}
admission_queue::~admission_queue() = default;

admission_queue::ticket admission_queue::push(enum priority level, execution_id id) {
    const ticket mine{level, next_number_++};
    (*levels_)[level].insert({mine.number, id});
    return mine;
}

std::optional<execution_id> admission_queue::pop() {
    for (auto& waiting : levels_->of) {
        if (waiting.empty()) continue;
        const execution_id id = waiting.begin()->second;
        waiting.erase(waiting.begin());
        return id;
    }
    return std::nullopt;
}

bool admission_queue::remove(const ticket& which) { return (*levels_)[which.priority].erase(which.number); }

std::optional<std::uint64_t> admission_queue::position(const ticket& which) const {
    const auto& mine = (*levels_)[which.priority];
    if (mine.find(which.number) == mine.end()) return std::nullopt;
    std::uint64_t before = 0;
    for (std::size_t i = 0; i < static_cast<std::size_t>(which.priority); ++i) before += levels_->of[i].size();
    return before + mine.order_of_key(which.number) + 1;
}

std::size_t admission_queue::size() const {
    std::size_t sum = 0;
    for (const auto& waiting : levels_->of) sum += waiting.size();
    return sum;
}

}  // namespace pipeline
