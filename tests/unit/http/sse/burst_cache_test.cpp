#include "http/sse/burst_cache.hpp"

#include <gtest/gtest.h>

#include "http/message/response.hpp"

namespace http::sse {
namespace {

runtime::execution_id id_of(std::uint8_t which) {
    runtime::execution_id out;
    out.bytes[10] = which;
    return out;
}

burst_cache::events outputs(std::uint32_t first, std::uint32_t last, const std::string& bytes) {
    burst_cache::events out;
    for (std::uint32_t number = first; number <= last; ++number) {
        auto event = std::make_shared<pipeline::event>();
        event->number = number;
        event->type = pipeline::event_type::execution_output;
        event->bytes = bytes + std::to_string(number);
        out.push_back(std::move(event));
    }
    return out;
}

std::string expected(const runtime::execution_id& id, const burst_cache::events& some, bool chunked) {
    std::string frames;
    for (const auto& event : some) append_frame(frames, id, *event);
    std::string out;
    if (chunked) append_chunk(out, frames);
    return chunked ? out : frames;
}

TEST(burst_cache, renders_each_event_once) {
    burst_cache cache;
    const auto some = outputs(4, 11, "line ");
    std::uint64_t rendered = 0;
    for (int subscriber = 0; subscriber < 3; ++subscriber)
        EXPECT_EQ(cache.of(id_of(1), some, true, rendered), expected(id_of(1), some, true));
    EXPECT_EQ(rendered, 8U);
    // For the older protocol they are framed anew, and no more.
    EXPECT_EQ(cache.of(id_of(1), some, false, rendered), expected(id_of(1), some, false));
    EXPECT_EQ(rendered, 8U);
}

TEST(burst_cache, keeps_bursts_apart_that_begin_or_end_alike) {
    burst_cache cache;
    std::uint64_t rendered = 0;
    for (int round = 0; round < 2; ++round) {
        for (std::uint32_t first = 1; first < 2 * cached_bursts; ++first) {
            for (std::uint32_t last = first; last < first + 3; ++last) {
                for (const std::uint8_t which : {1, 2}) {
                    const auto some = outputs(first, last, std::to_string(which) + " says ");
                    ASSERT_EQ(cache.of(id_of(which), some, true, rendered), expected(id_of(which), some, true));
                    ASSERT_EQ(cache.of(id_of(which), some, false, rendered), expected(id_of(which), some, false));
                }
            }
        }
    }
}

TEST(burst_cache, sends_a_long_burst_without_keeping_it) {
    burst_cache cache;
    std::uint64_t rendered = 0;
    const auto longer = outputs(1, 8, std::string(cached_burst_bytes_max / 4, 'x'));
    EXPECT_EQ(cache.of(id_of(1), longer, true, rendered), expected(id_of(1), longer, true));
    EXPECT_EQ(cache.of(id_of(1), longer, true, rendered), expected(id_of(1), longer, true));
    EXPECT_EQ(rendered, 16U);
}

}  // namespace
}  // namespace http::sse
