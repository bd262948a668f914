#include "stages/worker/sandbox/warm/pool_size.hpp"

#include <gtest/gtest.h>

namespace stages::worker::sandbox {
namespace {

constexpr std::int64_t second = 1'000'000'000;

TEST(pool_size, nothing_is_kept_before_somebody_asks) {
    pool_size size(1, 4);
    EXPECT_EQ(size.wanted(), 0U);
    EXPECT_EQ(size.due_ns(), INT64_MAX);
    size.asked(0, 10 * second);
    EXPECT_EQ(size.wanted(), 1U);
}

TEST(pool_size, it_grows_by_those_that_were_missed_up_to_its_bound) {
    pool_size size(1, 4);
    for (int i = 0; i < 20; ++i) size.asked(0, 10 * second + i);
    EXPECT_EQ(size.wanted(), 4U);
}

TEST(pool_size, it_does_not_grow_while_some_are_there) {
    pool_size size(1, 4);
    size.asked(0, 10 * second);
    for (int i = 1; i < 20; ++i) size.asked(1, 10 * second + i);
    EXPECT_EQ(size.wanted(), 1U);
}

TEST(pool_size, a_bound_of_nothing_keeps_nothing) {
    pool_size size(0, 0);
    for (int i = 0; i < 20; ++i) size.asked(0, 10 * second + i);
    EXPECT_EQ(size.wanted(), 0U);
    size.look(0, 1000 * second);
    EXPECT_EQ(size.wanted(), 0U);
}

// Nobody asks any more: it is at rest within ten seconds, and then has nothing to look at.
TEST(pool_size, without_demand_it_shrinks_to_its_resting_size_in_ten_seconds) {
    for (const std::size_t most : {2U, 4U, 64U}) {
        pool_size size(1, most);
        const std::int64_t begin = 10 * second;
        for (int i = 0; i < 100; ++i) size.asked(0, begin + i);
        ASSERT_EQ(size.wanted(), most);
        std::int64_t now = begin + 99;
        while (size.due_ns() != INT64_MAX) {
            ASSERT_GT(size.due_ns(), now);
            now = size.due_ns();
            size.look(size.wanted(), now);
        }
        EXPECT_EQ(size.wanted(), 1U);
        EXPECT_LE(now - begin, 10 * second);
    }
}

// As after a failure, when the pool rests before it fills again.
TEST(pool_size, a_pool_that_fills_late_shrinks_as_early) {
    pool_size size(1, 4);
    const std::int64_t begin = 10 * second;
    for (int i = 0; i < 100; ++i) size.asked(0, begin);
    std::int64_t now = begin;
    for (std::size_t ready = 0; size.due_ns() != INT64_MAX; ready = size.wanted()) {
        now = size.due_ns();
        size.look(ready, now);
    }
    EXPECT_EQ(size.wanted(), 1U);
    EXPECT_LE(now - begin, 10 * second);
}

TEST(pool_size, what_is_asked_for_again_and_again_stays) {
    pool_size size(1, 8);
    std::int64_t now = 10 * second;
    for (int i = 0; i < 8; ++i) size.asked(0, now);
    for (int burst = 0; burst < 1000; ++burst) {
        now += second / 10;
        const std::size_t filled = size.wanted();
        for (std::size_t used = 0; used < 6; ++used) size.asked(filled - used, now);
    }
    EXPECT_EQ(size.wanted(), 6U);
}

}  // namespace
}  // namespace stages::worker::sandbox
