#include "runtime/spsc_ring.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <thread>

namespace runtime {
namespace {

TEST(spsc_ring, is_full_at_its_capacity_and_keeps_a_value_it_cannot_take) {
    spsc_ring<std::unique_ptr<int>> ring(4);
    EXPECT_TRUE(ring.empty());
    for (int i = 0; i < 4; ++i) {
        auto value = std::make_unique<int>(i);
        EXPECT_TRUE(ring.try_push(value));
        EXPECT_EQ(value, nullptr);
    }
    auto fifth = std::make_unique<int>(4);
    EXPECT_FALSE(ring.try_push(fifth));
    ASSERT_NE(fifth, nullptr);
    std::unique_ptr<int> out;
    EXPECT_TRUE(ring.try_pop(out));
    EXPECT_EQ(*out, 0);
    EXPECT_TRUE(ring.try_push(fifth));
    for (int i = 1; i < 5; ++i) {
        ASSERT_TRUE(ring.try_pop(out));
        EXPECT_EQ(*out, i);
    }
    EXPECT_FALSE(ring.try_pop(out));
    EXPECT_TRUE(ring.empty());
}

TEST(spsc_ring, what_is_left_in_it_is_destroyed_with_it) {
    const auto counted = std::make_shared<int>(0);
    {
        spsc_ring<std::shared_ptr<int>> ring(8);
        for (int i = 0; i < 3; ++i) {
            auto copy = counted;
            EXPECT_TRUE(ring.try_push(copy));
        }
        std::shared_ptr<int> out;
        EXPECT_TRUE(ring.try_pop(out));
        EXPECT_EQ(counted.use_count(), 4);
    }
    EXPECT_EQ(counted.use_count(), 1);
}

class spsc_ring_of : public ::testing::TestWithParam<std::size_t> {};

TEST_P(spsc_ring_of, brings_everything_in_order_between_two_threads) {
    constexpr std::uint64_t count = 300'000;
    spsc_ring<std::pair<std::uint64_t, std::uint64_t>> ring(GetParam());
    std::thread producer([&ring] {
        for (std::uint64_t i = 0; i < count; ++i) {
            std::pair<std::uint64_t, std::uint64_t> value(i, ~i);
            while (!ring.try_push(value)) std::this_thread::yield();
        }
    });
    std::uint64_t expected = 0;
    bool whole = true;
    std::pair<std::uint64_t, std::uint64_t> value;
    while (expected < count) {
        if (!ring.try_pop(value)) {
            std::this_thread::yield();
            continue;
        }
        whole = whole && value.first == expected && value.second == ~expected;
        ++expected;
    }
    producer.join();
    EXPECT_TRUE(whole);
    EXPECT_TRUE(ring.empty());
}

INSTANTIATE_TEST_SUITE_P(capacities, spsc_ring_of, ::testing::Values(1, 2, 64, 1024));

TEST(spsc_ring_death, a_capacity_that_is_no_power_of_two_is_a_bug) {
    ::testing::GTEST_FLAG(death_test_style) = "threadsafe";
    EXPECT_DEATH(spsc_ring<int>(3), "assertion failed");
    EXPECT_DEATH(spsc_ring<int>(0), "assertion failed");
}

}  // namespace
}  // namespace runtime
