#include "bench/compare.hpp"

#include <gtest/gtest.h>

namespace bench {
namespace {

report with_latency(std::uint64_t us, std::uint64_t count = 5'000) {
    report out;
    out.mode = "rate";
    out.seconds = 10;
    out.measured.counts.accepted = out.measured.counts.planned = count;
    out.measured.of(clock_name::accepted).record(us, count);
    out.options["rate"] = 100;
    return out;
}

change of(const comparison& what, const std::string& name) {
    for (const auto& one : what.figures)
        if (one.name == name) return one.what;
    ADD_FAILURE() << name << " was not compared";
    return change::same;
}

TEST(compare, judges_by_the_ratio) {
    const auto before = with_latency(1'000);
    EXPECT_EQ(of(compare(before, with_latency(1'050), 0.1), "accepted.p50_ms"), change::same);
    EXPECT_EQ(of(compare(before, with_latency(1'200), 0.1), "accepted.p50_ms"), change::worse);
    EXPECT_EQ(of(compare(before, with_latency(800), 0.1), "accepted.p99_ms"), change::better);
    EXPECT_EQ(of(compare(before, with_latency(1'200), 0.3), "accepted.p99_ms"), change::same);
}

TEST(compare, knows_what_should_be_more) {
    const auto done = compare(with_latency(1'000), with_latency(1'000, 9'000), 0.1);
    EXPECT_EQ(of(done, "rate.accepted_per_s"), change::better);
    EXPECT_FALSE(done.any(change::worse));
}

TEST(compare, leaves_out_what_is_too_small_or_too_few_to_tell) {
    EXPECT_EQ(of(compare(with_latency(20), with_latency(60), 0.1), "accepted.p50_ms"), change::same);
    EXPECT_EQ(of(compare(with_latency(1'000, 500), with_latency(2'000, 500), 0.1), "accepted.p99_ms"), change::same);
    EXPECT_EQ(of(compare(with_latency(1'000, 500), with_latency(2'000, 500), 0.1), "accepted.p50_ms"), change::worse);
}

TEST(compare, refuses_runs_that_are_no_results) {
    auto invalid = with_latency(1'000);
    invalid.ended = verdict::invalid;
    invalid.reasons = {"late"};
    EXPECT_EQ(compare(with_latency(1'000), invalid, 0.1).refused, "B is invalid: late");
    EXPECT_FALSE(compare(invalid, with_latency(1'000), 0.1).refused.empty());
}

TEST(compare, notes_what_was_done_differently) {
    auto other = with_latency(1'000);
    other.options["rate"] = 200;
    const auto done = compare(with_latency(1'000), other, 0.1);
    ASSERT_EQ(done.notes.size(), 1U);
    EXPECT_EQ(done.notes[0], "the options differ: rate 100 and 200");
    EXPECT_NE(text_of(done).find("SAME"), std::string::npos);
    EXPECT_EQ(json::text_of(to_json(done), "verdict"), "same");
}

}  // namespace
}  // namespace bench
