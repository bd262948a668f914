// What the subscribers of an execution are sent next is the same for all that have kept up: the frames of its newest
// events, as they lie on the wire. They are put together once, and every other subscriber costs one write.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "http/sse/frame_cache.hpp"

namespace http::sse {

// What is kept, for each shard: at most a quarter of a MiB.
inline constexpr std::size_t cached_bursts = 16;
inline constexpr std::size_t cached_burst_bytes_max = 16 * 1024;

// Shard: its own only. Events never change, so nothing here goes stale.
class burst_cache {
  public:
    using events = std::vector<std::shared_ptr<const pipeline::event>>;

    // The frames of `some` (at least one, no gap between their numbers), as one chunk of an HTTP/1.1 body if `chunked`.
    // In force until the next call. Adds to `rendered` how many events had to be.
    std::string_view of(const runtime::execution_id& id, const events& some, bool chunked, std::uint64_t& rendered);

  private:
    struct entry {
        runtime::execution_id id;
        std::uint32_t first = 0;  // 0: nothing is here; events count from 1
        std::uint32_t last = 0;
        bool chunked = false;
        std::string bytes;
    };
    frame_cache frames_;
    std::array<entry, cached_bursts> entries_;
    std::string long_burst_;  // the last that was not kept
};

}  // namespace http::sse
