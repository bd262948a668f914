// Quotas that a shard keeps for itself, in memory: for each key the one number that GCRA needs, its theoretical arrival
// time.
//
// For app/: one for each shard,
//     auto front = std::make_unique<gcra_quota>(shard, gcra_limits{});
#pragma once

#include <cstdint>
#include <list>
#include <string>
#include <string_view>
#include <unordered_map>

#include "runtime/shard.hpp"
#include "storage/api/quota.hpp"

namespace storage::embedded {

struct gcra_limits {
    std::size_t keys_max = 100'000;   // beyond, the key that was asked for longest ago is forgotten
    std::size_t key_bytes_max = 128;  // a longer key is kept as its SHA-256
};

struct gcra_counters {
    std::uint64_t allowed = 0;
    std::uint64_t refused = 0;
    std::uint64_t forgotten_idle = 0;    // evicted when their bucket was full again: nothing was lost
    std::uint64_t forgotten_active = 0;  // evicted early: their next units are allowed too soon; keys_max is too small
};

// Shard: its owner only. Never fails. take() with no units asks and takes nothing; more units than the burst are never
// allowed, and retry_after is then nanoseconds::max(). An interval of 0 means no limit, a burst of 0 that nothing
// passes.
class gcra_quota final : public quota {
  public:
    gcra_quota(runtime::shard& home, gcra_limits limits)
        : home_(home), limits_(limits), keys_limit_(home.metrics().declare_limit("quota.keys_max")) {}

    runtime::task<runtime::result<rate_decision>> take(std::string key, rate_limit limit, std::uint32_t units) override;

    [[nodiscard]] const gcra_counters& counters() const { return counters_; }
    [[nodiscard]] std::size_t keys() const { return buckets_.size(); }

  private:
    struct bucket {
        std::string key;
        std::int64_t full_again_at_ns = 0;  // GCRA's theoretical arrival time, on steady time
    };
    using buckets = std::list<bucket>;  // most recently used first

    rate_decision decide(std::string key, const rate_limit& limit, std::uint32_t units);
    bucket& find_or_make(std::string key, std::int64_t now_ns);
    void forget_oldest(std::int64_t now_ns);

    runtime::shard& home_;
    gcra_limits limits_;
    gcra_counters counters_;
    runtime::counter& keys_limit_;
    buckets buckets_;
    std::unordered_map<std::string_view, buckets::iterator> by_key_;  // views into the buckets
};

}  // namespace storage::embedded
