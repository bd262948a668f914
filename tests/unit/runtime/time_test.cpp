#include "runtime/base/time.hpp"

#include <gtest/gtest.h>

namespace runtime {
namespace {

TEST(to_rfc3339, always_has_six_digits_and_z) {
    EXPECT_EQ(to_rfc3339({0}), "1970-01-01T00:00:00.000000Z");
    EXPECT_EQ(to_rfc3339({1}), "1970-01-01T00:00:00.000001Z");
    EXPECT_EQ(to_rfc3339({1'795'230'245'000'006}), "2026-11-21T03:04:05.000006Z");
    EXPECT_EQ(to_rfc3339({951'782'400'999'999}), "2000-02-29T00:00:00.999999Z");
    EXPECT_EQ(to_rfc3339({253'402'300'799'999'999}), "9999-12-31T23:59:59.999999Z");
}

TEST(to_rfc3339, goes_back_before_1970) {
    EXPECT_EQ(to_rfc3339({-1}), "1969-12-31T23:59:59.999999Z");
    EXPECT_EQ(to_rfc3339({-1'000'000}), "1969-12-31T23:59:59.000000Z");
    EXPECT_EQ(to_rfc3339({-62'135'596'800'000'000}), "0001-01-01T00:00:00.000000Z");
}

TEST(steady_time, adds_and_subtracts_nanoseconds) {
    const steady_time t{1000};
    EXPECT_EQ((t + nanoseconds(5)).nanoseconds_since_start, 1005);
    EXPECT_EQ(t + microseconds(1) - t, nanoseconds(1000));
    EXPECT_LT(t, steady_time::never());
}

TEST(system_clock, goes_on) {
    const steady_time before = system_clock().steady();
    const utc_time now = system_clock().utc();
    EXPECT_GE(system_clock().steady(), before);
    // After 2024, before 2100.
    EXPECT_GT(now.microseconds_since_epoch, 1'700'000'000'000'000);
    EXPECT_LT(now.microseconds_since_epoch, 4'102'444'800'000'000);
}

}  // namespace
}  // namespace runtime
