#include "bench/recorder.hpp"

#include <gtest/gtest.h>

namespace bench {
namespace {

TEST(clock_difference, is_bounded_by_each_stamp) {
    clock_difference tested;
    EXPECT_FALSE(tested.known());
    EXPECT_EQ(tested.best_us(), 0);
    tested.observe(1'000, 1'200, 2'000);  // between -800 and 200
    EXPECT_TRUE(tested.known());
    EXPECT_EQ(tested.best_us(), 0) << "the clocks may be the same";
    tested.observe(5'000, 5'150, 5'050);  // at least 100 ahead
    EXPECT_EQ(tested.low_us, 100);
    EXPECT_EQ(tested.high_us, 150);
    EXPECT_EQ(tested.best_us(), 125);
    clock_difference other;
    other.observe(0, 120, 10);
    tested.merge(other);
    EXPECT_EQ(tested.low_us, 110);
    EXPECT_EQ(tested.high_us, 120);
}

TEST(recorder, takes_a_negative_duration_as_none) {
    recorder tested;
    tested.record(clock_name::seen, -5);
    EXPECT_EQ(tested.of(clock_name::seen).max(), 0U);
    EXPECT_EQ(tested.of(clock_name::seen).count(), 1U);
}

TEST(recorder, bounds_the_kinds_that_a_server_may_invent) {
    recorder tested;
    for (int i = 0; i < 500; ++i) {
        tested.error("e" + std::to_string(i));
        tested.retry("r" + std::to_string(i));
    }
    EXPECT_EQ(tested.counts.errors, 500U);
    EXPECT_EQ(tested.errors.size(), recorder::error_kinds_max + 1);
    EXPECT_EQ(tested.errors.at("other"), 400U);
    EXPECT_EQ(tested.retries.at("other"), 400U);
}

TEST(recorder, merges_everything) {
    recorder one, other;
    one.error("x");
    other.error("x");
    other.retry("y", 3);
    other.ends["completed"] = 2;
    other.actions["view"] = 1;
    other.wrong.add(finding("lost", "z"));
    other.record(clock_name::whole, 7);
    one.merge(other);
    EXPECT_EQ(one.errors.at("x"), 2U);
    EXPECT_EQ(one.counts.errors, 2U);
    EXPECT_EQ(one.retries.at("y"), 3U);
    EXPECT_EQ(one.ends.at("completed"), 2U);
    EXPECT_EQ(one.actions.at("view"), 1U);
    EXPECT_EQ(one.wrong.total(), 1U);
    EXPECT_EQ(one.of(clock_name::whole).max(), 7U);
}

}  // namespace
}  // namespace bench
