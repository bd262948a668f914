#include "stages/worker/sandbox/artifact_cache.hpp"

#include <gtest/gtest.h>

#include "tests/support/two_shards.hpp"

namespace stages::worker::sandbox {
namespace {

artifact_key key(std::uint8_t number) {
    artifact_key out{};
    out[0] = number;
    return out;
}

artifact_pointer made_of(std::uint64_t bytes) {
    auto out = std::make_shared<artifact>();
    out->bytes = bytes;
    return out;
}

class artifact_cache_test : public testing::Test {
  protected:
    // As somebody who compiles would.
    void make(std::uint8_t number, std::uint64_t bytes) {
        const auto claim = cache.claim(key(number), 0);
        ASSERT_NE(claim.license, 0U);
        cache.settle(key(number), claim.license, made_of(bytes));
    }
    bool has(std::uint8_t number) {
        const auto claim = cache.claim(key(number), 0);
        if (claim.license != 0) cache.settle(key(number), claim.license, nullptr);
        return claim.found != nullptr;
    }

    tests::simulated_shards shards{1};
    artifact_cache cache{shards[0], 100};
};

TEST_F(artifact_cache_test, one_makes_and_the_others_wait) {
    const auto first = cache.claim(key(1), 0);
    EXPECT_NE(first.license, 0U);
    EXPECT_EQ(first.making, 0U);
    const auto second = cache.claim(key(1), 0);
    EXPECT_EQ(second.license, 0U);
    EXPECT_EQ(second.making, first.license);
    EXPECT_EQ(cache.claim(key(1), second.making).making, second.making) << "still being made";
    const auto made = made_of(7);
    cache.settle(key(1), first.license, made);
    EXPECT_EQ(cache.claim(key(1), second.making).found, made);
    EXPECT_EQ(cache.bytes(), 7U);
    EXPECT_EQ(cache.counters().made, 1U);
    EXPECT_EQ(cache.counters().found, 1U);
}

TEST_F(artifact_cache_test, after_a_failure_nobody_waits_again) {
    const auto first = cache.claim(key(1), 0);
    const auto waiting = cache.claim(key(1), 0);
    cache.settle(key(1), first.license, nullptr);
    // Whoever comes anew is a maker, and those who have waited for the first do not wait for it.
    const auto next = cache.claim(key(1), 0);
    EXPECT_NE(next.license, 0U);
    for (const auto& late : {cache.claim(key(1), waiting.making), cache.claim(key(1), waiting.making)}) {
        EXPECT_EQ(late.making, 0U);
        EXPECT_EQ(late.license, 0U);
        EXPECT_FALSE(late.found);
    }
    cache.settle(key(1), next.license, nullptr);
    const auto alone = cache.claim(key(1), waiting.making);
    EXPECT_EQ(alone.making + alone.license, 0U);
}

TEST_F(artifact_cache_test, the_bound_holds_and_the_last_used_stay) {
    make(1, 40);
    make(2, 40);
    EXPECT_TRUE(has(1));
    make(3, 40);
    EXPECT_EQ(cache.bytes(), 80U);
    EXPECT_TRUE(has(1));
    EXPECT_FALSE(has(2));
    EXPECT_TRUE(has(3));
    EXPECT_EQ(cache.counters().evicted, 1U);
    make(4, 100);
    EXPECT_EQ(cache.bytes(), 100U);
    EXPECT_EQ(cache.size(), 1U);
    EXPECT_EQ(cache.counters().evicted, 3U);
}

TEST_F(artifact_cache_test, what_is_larger_than_the_bound_is_not_kept_and_evicts_nothing) {
    make(1, 60);
    make(2, 101);
    EXPECT_TRUE(has(1));
    EXPECT_FALSE(has(2));
    EXPECT_EQ(cache.counters().not_kept, 1U);
    auto snapshot = shards[0].metrics().collect();
    const auto& limit = snapshot.at("weir_limit_reached_total").series;
    EXPECT_EQ(limit.at({{"limit", "runtimes.cache_bytes_max"}}).count, 1U);
}

TEST_F(artifact_cache_test, keys_are_spread_over_the_shards) {
    artifact_directory all(2, 100);
    all.open_part(shards[0]);
    all.open_part(shards[1]);
    std::set<runtime::shard*> homes;
    for (std::uint8_t i = 0; i < 32; ++i) {
        artifact_key spread{};
        spread[8] = i;
        homes.insert(&all.part_of(spread).home);
    }
    EXPECT_EQ(homes.size(), 2U);
}

}  // namespace
}  // namespace stages::worker::sandbox
