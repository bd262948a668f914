#include "bench/html.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include "bench/svg.hpp"

namespace bench {
namespace {

TEST(ticks, are_round_and_within_the_axis) {
    EXPECT_EQ(ticks(0, 10, chart_scale::linear, 5), (std::vector<double>{0, 2, 4, 6, 8, 10}));
    EXPECT_EQ(ticks(0, 0, chart_scale::linear, 5), std::vector<double>{0});
    EXPECT_EQ(ticks(1, 20, chart_scale::logarithmic, 5), (std::vector<double>{1, 2, 5, 10, 20}));
    EXPECT_EQ(ticks(1, 10'000, chart_scale::logarithmic, 5), (std::vector<double>{1, 10, 100, 1'000, 10'000}));
    EXPECT_EQ(ticks(0, 0.999, chart_scale::percentile, 5), (std::vector<double>{0, 0.5, 0.9, 0.99, 0.999}));
}

TEST(draw, puts_points_where_they_belong_and_leaves_gaps) {
    chart what;
    what.title = "T & <t>";
    what.lines = {{"line", {{0, 1}, {1, 2}, {2, -1}, {3, 2}, {4, 4}}}, {"nothing", {{0, -1}}}};
    const auto text = draw(what);
    EXPECT_NE(text.find("T &amp; &lt;t&gt;"), std::string::npos);
    const auto at = text.find("class=\"line\"");
    ASSERT_NE(at, std::string::npos) << text;
    const auto path = text.substr(at, text.find("</path>", at) - at);
    EXPECT_NE(path.find("d=\"M64.0 "), std::string::npos) << path;
    EXPECT_EQ(std::count(path.begin(), path.end(), 'M'), 2) << path;
    EXPECT_EQ(std::count(path.begin(), path.end(), 'L'), 2) << path;
    EXPECT_EQ(text.find("nothing"), std::string::npos);
    EXPECT_EQ(draw(chart()), "");
}

TEST(html, shows_a_report_and_escapes_what_others_wrote) {
    report what;
    what.mode = "rate";
    what.server = "http://127.0.0.1:1/<script>";
    what.seconds = 5;
    for (std::uint64_t i = 0; i < 1'000; ++i) what.measured.of(clock_name::accepted).record(100 + i);
    what.measured.wrong.add(finding("event_gap", "<b>\"x\"</b>"));
    what.measured.errors["post.503"] = 2;
    series_point point;
    point.at_s = 1;
    point.queued = 3;
    what.points = {point, point};
    what.points[1].at_s = 2;
    what.steps.push_back({100, 5, {{"accepted.p99_ms", 3}}, {"errors.count>0"}});
    judge(what, {"accepted.p50_ms>100"});
    const auto page = html_of(what);
    EXPECT_EQ(page.find("<script"), std::string::npos);
    EXPECT_EQ(page.find("<b>\"x\""), std::string::npos);
    for (const auto* part : {"Latency by percentile", "Rate", "Errors", "Under way", "CPU", "Steps", "post.503",
                             "event_gap", "verdict wrong", "fail if accepted.p50_ms"})
        EXPECT_NE(page.find(part), std::string::npos) << part;
    EXPECT_EQ(page.find("nan"), std::string::npos);
    EXPECT_EQ(page.find("inf"), std::string::npos);
}

TEST(html, of_an_empty_report_is_a_page_too) { EXPECT_NE(html_of(report()).find("</html>"), std::string::npos); }

}  // namespace
}  // namespace bench
