#include "http/sse/burst_cache.hpp"

#include "http/message/response.hpp"

namespace http::sse {

std::string_view burst_cache::of(const runtime::execution_id& id, const events& some, bool chunked,
                                 std::uint64_t& rendered) {
    const std::uint32_t first = some.front()->number;
    const std::uint32_t last = some.back()->number;
    auto& here = entries_[(std::hash<runtime::execution_id>{}(id) + first) % cached_bursts];
    if (here.first == first && here.last == last && here.chunked == chunked && here.id == id) return here.bytes;

    std::string frames;
    for (const auto& event : some) rendered += frames_.append(frames, id, *event) ? 1 : 0;
    std::string burst;
    if (chunked) append_chunk(burst, frames);
    if (!chunked) burst = std::move(frames);
    if (burst.size() > cached_burst_bytes_max) return long_burst_ = std::move(burst);
    here.id = id;
    here.first = first;
    here.last = last;
    here.chunked = chunked;
    return here.bytes = std::move(burst);
}

}  // namespace http::sse
