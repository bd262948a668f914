#include "bench/progress.hpp"

#include <gtest/gtest.h>

namespace bench {
namespace {

TEST(brief, shows_three_digits_or_groups) {
    EXPECT_EQ(brief(0.123), "0.12");
    EXPECT_EQ(brief(12.34), "12.3");
    EXPECT_EQ(brief(123.4), "123");
    EXPECT_EQ(brief(1234567), "1,234,567");
    EXPECT_EQ(grouped(0), "0");
    EXPECT_EQ(grouped(999), "999");
    EXPECT_EQ(grouped(1000), "1,000");
}

TEST(progress, tells_what_is_known_only) {
    progress::state state;
    state.mode = "rate";
    state.of_s = 30;
    state.counts.accepted = 1'234;
    state.now.at_s = 12;
    state.now.accepted_per_s = 100;
    state.now.queued = -1;
    auto line = progress::line_of(state);
    EXPECT_TRUE(line.starts_with("rate 12/30 s  accepted 1,234 (100/s)")) << line;
    EXPECT_EQ(line.find("queued"), std::string::npos);
    EXPECT_EQ(line.find("p50"), std::string::npos);
    EXPECT_EQ(line.find("WRONG"), std::string::npos);
    state.now.queued = 7;
    state.findings = 2;
    state.now.accepted_p50_ms = 1.5;
    line = progress::line_of(state);
    EXPECT_NE(line.find("queued 7"), std::string::npos);
    EXPECT_NE(line.find("accept p50 1.50"), std::string::npos);
    EXPECT_NE(line.find("WRONG 2"), std::string::npos);
}

}  // namespace
}  // namespace bench
