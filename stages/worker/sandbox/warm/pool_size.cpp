#include "stages/worker/sandbox/warm/pool_size.hpp"

#include <algorithm>

namespace stages::worker::sandbox {

void pool_size::asked(std::size_t ready, std::int64_t now_ns) {
    look(ready, now_ns);
    const std::size_t left = ready > 0 ? ready - 1 : 0;
    fewest_ = interval_end_ns_ == 0 ? left : std::min(fewest_, left);
    if (interval_end_ns_ == 0) interval_end_ns_ = now_ns + interval_ns;
    idle_ = false;
    if (wanted_ < resting_) {
        wanted_ = resting_;
    } else if (ready == 0 && wanted_ < most_) {
        ++wanted_;
    }
}

void pool_size::look(std::size_t ready, std::int64_t now_ns) {
    if (interval_end_ns_ == 0 || now_ns < interval_end_ns_) return;
    // Without demand it does not matter when those that are ready came: after a failure that may be late.
    const std::size_t unused = idle_ ? wanted_ : std::min(wanted_, fewest_);
    wanted_ = std::max(std::min(resting_, wanted_), wanted_ - unused);
    fewest_ = std::min(ready, wanted_);
    idle_ = true;
    interval_end_ns_ = wanted_ > resting_ ? now_ns + interval_ns : 0;
}

std::int64_t pool_size::due_ns() const { return interval_end_ns_ == 0 ? INT64_MAX : interval_end_ns_; }

}  // namespace stages::worker::sandbox
