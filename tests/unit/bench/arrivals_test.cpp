#include "bench/arrivals.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

namespace bench {
namespace {

using runtime::nanoseconds;
using runtime::seconds;

std::vector<double> moments(arrivals schedule, double until_s) {
    std::vector<double> out;
    while (true) {
        const double at = static_cast<double>(schedule.next().count()) * 1e-9;
        if (at >= until_s) return out;
        out.push_back(at);
    }
}

TEST(arrivals, come_at_even_distances_when_fixed) {
    const auto seen = moments(arrivals(arrival_kind::fixed, 100, nanoseconds(0), 1, {}), 1);
    ASSERT_EQ(seen.size(), 100U);
    for (std::size_t i = 0; i < seen.size(); ++i) EXPECT_NEAR(seen[i], static_cast<double>(i) / 100, 1e-8);
}

TEST(arrivals, of_all_parts_are_those_of_one) {
    std::vector<double> together;
    for (std::uint32_t i = 0; i < 3; ++i) {
        const auto part = moments(arrivals(arrival_kind::fixed, 90, nanoseconds(0), 1, {i, 3}), 1);
        EXPECT_EQ(part.size(), 30U);
        together.insert(together.end(), part.begin(), part.end());
    }
    std::ranges::sort(together);
    EXPECT_EQ(together, moments(arrivals(arrival_kind::fixed, 90, nanoseconds(0), 1, {}), 1));
}

TEST(arrivals, of_poisson_have_its_mean_and_spread) {
    for (std::uint32_t parts = 1; parts <= 2; ++parts) {
        std::vector<double> seen;
        for (std::uint32_t i = 0; i < parts; ++i) {
            const auto part = moments(arrivals(arrival_kind::poisson, 1000, nanoseconds(0), 42, {i, parts}), 50);
            seen.insert(seen.end(), part.begin(), part.end());
        }
        std::ranges::sort(seen);
        // 50,000 expected, with a standard deviation of 224.
        EXPECT_NEAR(static_cast<double>(seen.size()), 50'000, 1'000);
        double squares = 0;
        for (std::size_t i = 1; i < seen.size(); ++i) squares += std::pow(seen[i] - seen[i - 1], 2);
        // Of an exponential distribution the mean square is twice the square of the mean.
        EXPECT_NEAR(squares / static_cast<double>(seen.size()) * 1e6, 2, 0.1);
    }
}

TEST(arrivals, repeat_with_their_seed_and_differ_without) {
    const auto one = moments(arrivals(arrival_kind::poisson, 50, nanoseconds(0), 9, {0, 2}), 2);
    EXPECT_EQ(one, moments(arrivals(arrival_kind::poisson, 50, nanoseconds(0), 9, {0, 2}), 2));
    EXPECT_NE(one, moments(arrivals(arrival_kind::poisson, 50, nanoseconds(0), 10, {0, 2}), 2));
    EXPECT_NE(one, moments(arrivals(arrival_kind::poisson, 50, nanoseconds(0), 9, {1, 2}), 2));
}

TEST(arrivals, grow_in_a_straight_line_during_the_ramp) {
    const auto seen = moments(arrivals(arrival_kind::fixed, 1000, seconds(4), 1, {}), 6);
    const auto until = [&](double s) { return std::ranges::count_if(seen, [s](double at) { return at < s; }); };
    EXPECT_NEAR(static_cast<double>(until(2)), 500, 2);    // a quarter of the ramp's area
    EXPECT_NEAR(static_cast<double>(until(4)), 2'000, 2);  // half of what the whole rate gives
    EXPECT_NEAR(static_cast<double>(until(6)), 4'000, 2);
    EXPECT_TRUE(std::ranges::is_sorted(seen));
}

}  // namespace
}  // namespace bench
