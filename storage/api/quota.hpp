// Quotas: rates by the generic cell rate algorithm (GCRA; ITU-T I.371, virtual scheduling form).
#pragma once

#include <cstdint>
#include <string>

#include "runtime/base/result.hpp"
#include "runtime/base/time.hpp"
#include "runtime/task.hpp"

namespace storage {

// `burst` units at once, then one every `interval`.
struct rate_limit {
    runtime::nanoseconds interval{0};
    std::uint32_t burst = 1;
};

struct rate_decision {
    bool allowed = true;
    std::uint32_t remaining = 0;
    runtime::nanoseconds retry_after{0};  // 0 when allowed
};

// Shard: one instance per shard. When the back-end fails the caller is allowed by a local bucket, and that is counted.
class quota {
  public:
    virtual ~quota() = default;
    virtual runtime::task<runtime::result<rate_decision>> take(std::string key, rate_limit limit,
                                                               std::uint32_t units) = 0;
};

}  // namespace storage
