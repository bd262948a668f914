// How many event streams there may be, of the node and of one user. One shard counts for all; opening a stream is rare
// enough to ask it.
#pragma once

#include <cstdint>
#include <unordered_map>

#include "runtime/base/ids.hpp"

namespace http::sse {

// Shard: its owner only. Limits are in streams.
class stream_quota {
  public:
    // `user_max` 0 is none.
    stream_quota(std::uint64_t node_max, std::uint64_t user_max) : node_max_(node_max), user_max_(user_max) {}

    enum class verdict : unsigned char { granted, node_full, user_full };
    verdict take(const runtime::uuid& user);
    // Once for each one granted.
    void give_back(const runtime::uuid& user);
    [[nodiscard]] std::uint64_t open() const { return open_; }

  private:
    std::uint64_t node_max_;
    std::uint64_t user_max_;
    std::uint64_t open_ = 0;
    std::unordered_map<runtime::uuid, std::uint64_t> by_user_;
};

}  // namespace http::sse
