#include "http/sse/frame_cache.hpp"

#include <gtest/gtest.h>

namespace http::sse {
namespace {

pipeline::event output(std::uint32_t number, std::string bytes) {
    pipeline::event out;
    out.number = number;
    out.type = pipeline::event_type::execution_output;
    out.bytes = std::move(bytes);
    return out;
}

runtime::execution_id id_of(std::uint8_t which) {
    runtime::execution_id out;
    out.bytes[10] = which;
    return out;
}

std::string rendered(const runtime::execution_id& id, const pipeline::event& event) {
    std::string out;
    append_frame(out, id, event);
    return out;
}

TEST(frame_cache, renders_an_event_once) {
    frame_cache cache;
    const auto event = output(7, "a line\n");
    std::string first = "before ";
    EXPECT_TRUE(cache.append(first, id_of(1), event));
    std::string second;
    EXPECT_FALSE(cache.append(second, id_of(1), event));
    EXPECT_EQ(first, "before " + rendered(id_of(1), event));
    EXPECT_EQ(second, rendered(id_of(1), event));
}

TEST(frame_cache, keeps_executions_and_events_apart) {
    frame_cache cache;
    // Many more than there are places, so that they push one another out.
    for (int round = 0; round < 2; ++round) {
        for (std::uint32_t number = 1; number < 3 * cached_frames; ++number) {
            for (const std::uint8_t which : {1, 2}) {
                const auto event = output(number, std::to_string(which) + " says " + std::to_string(number));
                std::string out;
                cache.append(out, id_of(which), event);
                ASSERT_EQ(out, rendered(id_of(which), event));
            }
        }
    }
}

TEST(frame_cache, does_not_keep_a_long_frame) {
    frame_cache cache;
    const auto longer = output(1, std::string(cached_frame_bytes_max, 'x'));
    std::string out;
    EXPECT_TRUE(cache.append(out, id_of(1), longer));
    EXPECT_TRUE(cache.append(out, id_of(1), longer));
    EXPECT_EQ(out, rendered(id_of(1), longer) + rendered(id_of(1), longer));
}

}  // namespace
}  // namespace http::sse
