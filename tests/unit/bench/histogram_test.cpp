#include "bench/histogram.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "bench/recorder.hpp"
#include "runtime/base/random.hpp"

namespace bench {
namespace {

TEST(histogram, has_buckets_without_holes_or_overlaps) {
    for (std::size_t i = 0; i + 1 < histogram::buckets_max; ++i) {
        ASSERT_EQ(histogram::upper_of(i) + 1, histogram::lower_of(i + 1)) << i;
        ASSERT_EQ(histogram::bucket_of(histogram::lower_of(i)), i);
        ASSERT_EQ(histogram::bucket_of(histogram::upper_of(i)), i);
    }
    EXPECT_EQ(histogram::bucket_of(histogram::value_max), histogram::buckets_max - 1);
    EXPECT_EQ(histogram::upper_of(histogram::buckets_max - 1), histogram::value_max);
}

TEST(histogram, keeps_every_value_to_within_a_thousandth) {
    for (std::size_t i = histogram::exact_below; i < histogram::buckets_max; ++i) {
        const auto width = histogram::upper_of(i) - histogram::lower_of(i);
        ASSERT_LE(static_cast<double>(width), static_cast<double>(histogram::lower_of(i)) / 1000);
    }
}

// Beside the exact quantiles of the same values: of several shapes, since each reaches other buckets.
TEST(histogram, tells_the_exact_quantiles_rounded_up_to_their_bucket) {
    runtime::random_source random(7);
    for (int shape = 0; shape < 4; ++shape) {
        histogram tested;
        std::vector<std::uint64_t> values;
        for (int i = 0; i < 20'000; ++i) {
            std::uint64_t value = random.below(500);
            if (shape == 1) value = random.below(1'000'000);
            if (shape == 2) value = random.next() >> (random.below(40) + 24);
            if (shape == 3) value = 1000 + (random.chance(10'000) ? 5'000'000 : 0);
            value = std::min(value, histogram::value_max);
            values.push_back(value);
            tested.record(value);
        }
        std::ranges::sort(values);
        for (const double share : {0.0, 0.001, 0.25, 0.5, 0.9, 0.99, 0.999, 0.9999, 1.0}) {
            const auto rank = static_cast<std::size_t>(std::ceil(share * static_cast<double>(values.size())));
            const std::uint64_t exact = values[std::max<std::size_t>(1, rank) - 1];
            const std::uint64_t told = tested.quantile(share);
            EXPECT_EQ(histogram::bucket_of(told), histogram::bucket_of(exact)) << shape << " " << share;
            EXPECT_GE(told, exact);
        }
        EXPECT_EQ(tested.quantile(1), values.back());
        EXPECT_EQ(tested.min(), values.front());
        std::uint64_t sum = 0;
        for (const auto value : values) sum += value;
        EXPECT_EQ(tested.sum(), sum);
    }
}

TEST(histogram, is_zero_when_empty) {
    const histogram empty;
    EXPECT_EQ(empty.quantile(0.5), 0U);
    EXPECT_EQ(empty.min(), 0U);
    EXPECT_EQ(empty.max(), 0U);
    EXPECT_EQ(empty.mean(), 0);
}

TEST(histogram, counts_what_is_too_large_as_the_largest) {
    histogram tested;
    tested.record(UINT64_MAX);
    EXPECT_EQ(tested.max(), histogram::value_max);
    EXPECT_EQ(tested.count(), 1U);
}

TEST(histogram, merges_into_what_one_alone_would_have) {
    runtime::random_source random(3);
    histogram whole, left, right;
    for (int i = 0; i < 5'000; ++i) {
        const std::uint64_t value = random.below(1U << random.below(30));
        whole.record(value);
        (random.chance(300'000) ? left : right).record(value);
    }
    left.merge(right);
    EXPECT_EQ(left, whole);
    left.merge(histogram());
    EXPECT_EQ(left, whole);
}

TEST(histogram, comes_back_from_json_as_it_was) {
    runtime::random_source random(5);
    histogram tested;
    for (int i = 0; i < 3'000; ++i) tested.record(random.below(1U << random.below(31)));
    const auto text = json::compact(to_json(tested));
    const auto back = histogram_from_json(*json::parse(text));
    ASSERT_TRUE(back);
    EXPECT_EQ(*back, tested);
    EXPECT_EQ(*histogram_from_json(to_json(histogram())), histogram());
}

TEST(histogram, is_refused_when_its_json_contradicts_itself) {
    histogram tested;
    tested.record(10);
    tested.record(5'000);
    const auto good = json::compact(to_json(tested));
    for (const auto& [from, into] : {std::pair{"\"count\":2", "\"count\":3"},
                                     {"\"min\":10", "\"min\":11"},
                                     {"\"max\":5000", "\"max\":9000"},
                                     {"[10,1]", "[99999999,1]"},
                                     {"[10,1]", "[10]"}}) {
        auto text = good;
        const auto at = text.find(from);
        ASSERT_NE(at, std::string::npos) << from << " in " << text;
        text.replace(at, std::string_view(from).size(), into);
        EXPECT_FALSE(histogram_from_json(*json::parse(text))) << into;
    }
}

}  // namespace
}  // namespace bench
