// The frames of the latest events, as text/event-stream has them: who subscribes to one execution gets the same bytes,
// so they are rendered once for ten thousand subscribers.
#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "pipeline/engine.hpp"

namespace http::sse {

// Adds one event's frame: id, event, data, and an empty line.
void append_frame(std::string& out, const runtime::execution_id& id, const pipeline::event& event);

// What is kept: the event of this place in the table that was asked for last, and only short ones, so that a shard's
// table is at most a MiB.
inline constexpr std::size_t cached_frames = 256;
inline constexpr std::size_t cached_frame_bytes_max = 4096;

// Shard: its own only. An event never changes, so nothing here goes stale.
class frame_cache {
  public:
    // Adds the event's frame to `out`. True if it had to be rendered.
    bool append(std::string& out, const runtime::execution_id& id, const pipeline::event& event);

  private:
    struct entry {
        runtime::execution_id id;
        std::uint32_t number = 0;  // 0: nothing is here; events count from 1
        std::string frame;
    };
    std::array<entry, cached_frames> entries_;
};

}  // namespace http::sse
