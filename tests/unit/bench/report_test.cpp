#include "bench/report.hpp"

#include <gtest/gtest.h>

namespace bench {
namespace {

report some_report() {
    report out;
    out.mode = "rate";
    out.server = "http://127.0.0.1:8080";
    out.run_id = "abc";
    out.started_at = "2026-11-21T09:43:27.813051Z";
    out.seed = 7;
    out.lateness_max_ms = 5;
    out.cpu_max = 0.9;
    out.seconds = 10;
    out.seconds_in_all = 11;
    out.measured.counts.planned = out.measured.counts.accepted = out.measured.counts.ended = 100;
    for (std::uint64_t i = 1; i <= 100; ++i) out.measured.of(clock_name::accepted).record(i * 1000);
    out.measured.of(clock_name::lateness).record(100, 100);
    out.measured.ends["completed"] = 100;
    out.measured.difference.observe(0, 5, 20);
    out.harness.cpu_seconds = 1;
    out.harness.cpu_ratio = 0.1;
    out.serving.cpu_seconds = 2;
    out.serving.limits_reached["x.y"] = 3;
    series_point point;
    point.at_s = 1;
    point.accepted_per_s = 10;
    out.points = {point, point};
    return out;
}

TEST(report, tells_figures_of_what_was_measured_only) {
    const auto all = some_report().all_figures();
    EXPECT_NEAR(all.at("accepted.p50_ms"), 50, 0.1);
    EXPECT_EQ(all.at("accepted.max_ms"), 100);
    EXPECT_EQ(all.at("rate.accepted_per_s"), 10);
    EXPECT_EQ(all.at("harness.cpu_us_per_execution"), 10'000);
    EXPECT_FALSE(all.contains("whole.p50_ms"));
    EXPECT_FALSE(all.contains("server.rss_mib"));
    for (const auto& [name, value] : all) EXPECT_TRUE(is_figure_name(name)) << name;
}

TEST(report, comes_back_from_json_as_it_was) {
    report one = some_report();
    one.measured.wrong.add(finding("event_gap", "x"));
    one.measured.errors["post.503"] = 2;
    one.steps.push_back({100, 5, {{"accepted.p99_ms", 3}}, {"errors.count>0"}});
    judge(one, {"accepted.p99_ms>20"});
    const auto text = json::pretty(to_json(one));
    std::string mistake;
    const auto back = report_from_json(*json::parse(text), mistake);
    ASSERT_TRUE(back) << mistake;
    EXPECT_EQ(json::pretty(to_json(*back)), text);
    EXPECT_EQ(back->measured.clocks, one.measured.clocks);
}

TEST(report, that_is_none_is_refused_with_a_word) {
    std::string mistake;
    EXPECT_FALSE(report_from_json(*json::parse("{}"), mistake));
    EXPECT_NE(mistake.find("no report"), std::string::npos);
    auto broken = to_json(some_report());
    broken.as_object()["clocks"].as_object().erase("seen");
    EXPECT_FALSE(report_from_json(broken, mistake));
    EXPECT_NE(mistake.find("clocks.seen"), std::string::npos) << mistake;
}

TEST(judge, is_content_with_a_good_run) {
    report one = some_report();
    judge(one, {"accepted.p99_ms>200"});
    EXPECT_EQ(one.ended, verdict::ok) << one.reasons.front();
    EXPECT_EQ(exit_code_of(one.ended), 0);
    ASSERT_EQ(one.thresholds.size(), 1U);
    EXPECT_FALSE(one.thresholds[0].broken);
}

TEST(judge, fails_a_run_that_breaks_a_threshold_or_did_not_measure_it) {
    for (const auto* condition : {"accepted.p99_ms>20", "whole.p99_ms>20"}) {
        report one = some_report();
        judge(one, {condition});
        EXPECT_EQ(one.ended, verdict::failed) << condition;
        EXPECT_EQ(exit_code_of(one.ended), 1);
    }
}

TEST(judge, fails_a_run_with_errors_unless_a_condition_speaks_of_them) {
    report one = some_report();
    one.measured.error("post.503");
    judge(one, {});
    EXPECT_EQ(one.ended, verdict::failed);
    report other = some_report();
    other.measured.error("post.503");
    judge(other, {"errors.ratio>0.5"});
    EXPECT_EQ(other.ended, verdict::ok);
}

TEST(judge, calls_a_run_invalid_when_the_harness_was_the_limit) {
    report late = some_report();
    late.measured.of(clock_name::lateness).record(9'000, 2);
    judge(late, {});
    EXPECT_EQ(late.ended, verdict::invalid);
    EXPECT_EQ(exit_code_of(late.ended), 6);
    late.timing_counts = false;
    late.ended = verdict::ok;
    judge(late, {});
    EXPECT_EQ(late.ended, verdict::ok);
    report busy = some_report();
    busy.harness.cpu_ratio = 0.95;
    judge(busy, {});
    EXPECT_EQ(busy.ended, verdict::invalid);
    report dropping = some_report();
    dropping.measured.counts.dropped = 1;
    judge(dropping, {});
    EXPECT_EQ(dropping.ended, verdict::invalid);
}

TEST(judge, calls_a_fast_wrong_run_wrong) {
    report one = some_report();
    one.harness.cpu_ratio = 1;
    one.measured.wrong.add(finding("ended_twice", "x"));
    judge(one, {});
    EXPECT_EQ(one.ended, verdict::wrong);
    EXPECT_EQ(exit_code_of(one.ended), 1);
}

TEST(judge, fails_a_run_in_which_nothing_was_accepted) {
    report one = some_report();
    one.measured.counts.accepted = 0;
    judge(one, {});
    EXPECT_EQ(one.ended, verdict::failed);
}

TEST(merge_reports, adds_counts_and_histograms_and_takes_the_worst_of_the_rest) {
    report one = some_report();
    report other = some_report();
    other.measured.of(clock_name::accepted).record(900'000);
    other.harness.cpu_ratio = 0.7;
    const auto both = merge_reports({one, other});
    EXPECT_EQ(both.processes, 2U);
    EXPECT_EQ(both.measured.counts.accepted, 200U);
    EXPECT_EQ(both.measured.of(clock_name::accepted).count(), 201U);
    EXPECT_EQ(both.all_figures().at("accepted.max_ms"), 900);
    EXPECT_EQ(both.harness.cpu_ratio, 0.7);
    EXPECT_EQ(both.harness.cpu_seconds, 2);
    EXPECT_EQ(both.points[0].accepted_per_s, 20);
    EXPECT_EQ(both.serving.limits_reached.at("x.y"), 3U);
}

TEST(series, stays_bounded_by_joining_neighbours) {
    series tested;
    double planned = 0;
    for (int i = 1; i <= 10'000; ++i) {
        series_point point;
        point.at_s = i;
        point.length_s = 1;
        point.planned_per_s = i % 7;
        point.accepted_p99_ms = i == 5'000 ? 123 : 1;
        planned += point.planned_per_s;
        tested.add(point);
    }
    EXPECT_LE(tested.points().size(), series::points_max);
    double worst = 0, kept = 0, length = 0;
    for (const auto& point : tested.points()) {
        worst = std::max(worst, point.accepted_p99_ms);
        kept += point.planned_per_s * point.length_s;
        length += point.length_s;
    }
    EXPECT_EQ(worst, 123);
    EXPECT_GT(length, 9'950);
    EXPECT_NEAR(kept / length, planned / 10'000, 0.01);
}

TEST(summary, names_the_verdict_and_its_reasons) {
    report one = some_report();
    judge(one, {"accepted.p99_ms>20"});
    const auto text = summary_of(one);
    EXPECT_NE(text.find("FAILED: accepted.p99_ms>20"), std::string::npos) << text;
    EXPECT_NE(text.find("POST sent → 202"), std::string::npos);
    EXPECT_EQ(text.find("GET result"), std::string::npos) << "nothing was measured of it";
}

}  // namespace
}  // namespace bench
