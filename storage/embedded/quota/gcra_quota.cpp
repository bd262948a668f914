#include "storage/embedded/quota/gcra_quota.hpp"

#include <algorithm>
#include <limits>

#include "runtime/base/sha256.hpp"

namespace storage::embedded {

runtime::task<runtime::result<rate_decision>> gcra_quota::take(std::string key, rate_limit limit, std::uint32_t units) {
    co_return decide(std::move(key), limit, units);
}

rate_decision gcra_quota::decide(std::string key, const rate_limit& limit, std::uint32_t units) {
    rate_decision out;
    const std::int64_t interval = std::max<std::int64_t>(0, limit.interval.count());
    if (units > limit.burst) {
        ++counters_.refused;
        out.allowed = false;
        out.retry_after = runtime::nanoseconds::max();
        return out;
    }
    if (interval == 0) {
        ++counters_.allowed;
        out.remaining = limit.burst - units;
        return out;
    }
    // Wide enough: 2^32 units of 2^63 ns each.
    using wide = __int128;
    const std::int64_t now = home_.time().steady().nanoseconds_since_start;
    bucket& kept = find_or_make(std::move(key), now);
    const wide start = std::max(kept.full_again_at_ns, now);
    const wide after = start + wide(units) * interval;
    const wide room = wide(now) + wide(limit.burst) * interval - after;
    constexpr wide latest = std::numeric_limits<std::int64_t>::max();
    out.allowed = room >= 0;
    if (out.allowed) {
        ++counters_.allowed;
        kept.full_again_at_ns = static_cast<std::int64_t>(std::min(after, latest));
        out.remaining = static_cast<std::uint32_t>(room / interval);
    } else {
        ++counters_.refused;
        out.retry_after = runtime::nanoseconds(static_cast<std::int64_t>(std::min(-room, latest)));
        const wide left = room + wide(units) * interval;
        out.remaining = left > 0 ? static_cast<std::uint32_t>(left / interval) : 0;
    }
    return out;
}

gcra_quota::bucket& gcra_quota::find_or_make(std::string key, std::int64_t now_ns) {
    if (key.size() > limits_.key_bytes_max) {
        const auto digest = runtime::sha256(key);
        key.assign(digest.begin(), digest.end());
    }
    const auto found = by_key_.find(key);
    if (found != by_key_.end()) {
        buckets_.splice(buckets_.begin(), buckets_, found->second);
        return buckets_.front();
    }
    while (buckets_.size() >= std::max<std::size_t>(1, limits_.keys_max)) forget_oldest(now_ns);
    buckets_.push_front({std::move(key), now_ns});
    by_key_.emplace(buckets_.front().key, buckets_.begin());
    return buckets_.front();
}

void gcra_quota::forget_oldest(std::int64_t now_ns) {
    if (buckets_.back().full_again_at_ns <= now_ns) {
        ++counters_.forgotten_idle;
    } else {
        ++counters_.forgotten_active;
        keys_limit_.add();
    }
    by_key_.erase(buckets_.back().key);
    buckets_.pop_back();
}

}  // namespace storage::embedded
