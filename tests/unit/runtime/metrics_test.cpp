#include "runtime/base/metrics.hpp"

#include <gtest/gtest.h>

#include <array>

namespace runtime {
namespace {

constexpr std::array bounds{0.5, 1.0};

TEST(metrics, render_as_prometheus_text) {
    metrics_registry r;
    r.make_counter("weir_things_total", "Things\\ of\nall kinds.", {{"kind", "a\"b\\c\nd"}, {"a", "1"}}).add(3);
    r.make_gauge("weir_open", "Open ones.").set(2.5);
    auto& h = r.make_histogram("weir_wait_seconds", "Waits.", bounds);
    h.observe(0.5);
    h.observe(0.7);
    h.observe(9);
    EXPECT_EQ(render_prometheus(r.collect()),
              "# HELP weir_limit_reached_total How often a named limit was reached.\n"
              "# TYPE weir_limit_reached_total counter\n"
              "weir_limit_reached_total{limit=\"metrics.series_max\"} 0\n"
              "# HELP weir_open Open ones.\n"
              "# TYPE weir_open gauge\n"
              "weir_open 2.5\n"
              "# HELP weir_things_total Things\\\\ of\\nall kinds.\n"
              "# TYPE weir_things_total counter\n"
              "weir_things_total{a=\"1\",kind=\"a\\\"b\\\\c\\nd\"} 3\n"
              "# HELP weir_wait_seconds Waits.\n"
              "# TYPE weir_wait_seconds histogram\n"
              "weir_wait_seconds_bucket{le=\"0.5\"} 1\n"
              "weir_wait_seconds_bucket{le=\"1\"} 2\n"
              "weir_wait_seconds_bucket{le=\"+Inf\"} 3\n"
              "weir_wait_seconds_sum 10.2\n"
              "weir_wait_seconds_count 3\n");
}

TEST(metrics, give_the_same_handle_for_the_same_labels_in_any_order) {
    metrics_registry r;
    auto& a = r.make_counter("x_total", "X.", {{"a", "1"}, {"b", "2"}});
    EXPECT_EQ(&a, &r.make_counter("x_total", "X.", {{"b", "2"}, {"a", "1"}}));
    EXPECT_NE(&a, &r.make_counter("x_total", "X.", {{"a", "1"}}));
}

TEST(metrics, merge_over_shards) {
    metrics_registry one, two;
    one.make_counter("x_total", "X.", {{"s", "a"}}).add(2);
    two.make_counter("x_total", "X.", {{"s", "a"}}).add(3);
    two.make_counter("x_total", "X.", {{"s", "b"}}).add(7);
    one.make_gauge("g", "G.").set(1.5);
    two.make_gauge("g", "G.").set(2);
    one.make_histogram("h", "H.", bounds).observe(0.1);
    two.make_histogram("h", "H.", bounds).observe(0.7);
    two.make_gauge("only_two", "O.").set(1);
    auto all = one.collect();
    merge(all, two.collect());
    const std::string text = render_prometheus(all);
    EXPECT_NE(text.find("x_total{s=\"a\"} 5\n"), std::string::npos);
    EXPECT_NE(text.find("x_total{s=\"b\"} 7\n"), std::string::npos);
    EXPECT_NE(text.find("\ng 3.5\n"), std::string::npos);
    EXPECT_NE(text.find("h_bucket{le=\"1\"} 2\n"), std::string::npos);
    EXPECT_NE(text.find("h_count 2\n"), std::string::npos);
    EXPECT_NE(text.find("only_two 1\n"), std::string::npos);
}

TEST(metrics, show_declared_limits_with_zero) {
    metrics_registry r;
    r.declare_limit("admission.queued_max");
    EXPECT_NE(render_prometheus(r.collect()).find("{limit=\"admission.queued_max\"} 0\n"), std::string::npos);
    r.limit_reached("admission.queued_max");
    r.limit_reached("other");
    const std::string text = render_prometheus(r.collect());
    EXPECT_NE(text.find("{limit=\"admission.queued_max\"} 1\n"), std::string::npos);
    EXPECT_NE(text.find("{limit=\"other\"} 1\n"), std::string::npos);
}

TEST(metrics, ask_hooks_as_long_as_their_ticket_lives) {
    metrics_registry r;
    auto& g = r.make_gauge("depth", "D.");
    int calls = 0;
    {
        auto ticket = r.on_collect([&] { g.set(++calls); });
        static_cast<void>(r.collect());
        auto moved = std::move(ticket);
        static_cast<void>(r.collect());
    }
    EXPECT_NE(render_prometheus(r.collect()).find("depth 2\n"), std::string::npos);
    EXPECT_EQ(calls, 2);
}

TEST(metrics, are_bounded) {
    metrics_registry r;
    for (std::size_t i = 0; i < metrics_registry::series_max + 5; ++i)
        r.make_counter("x_total", "X.", {{"id", std::to_string(i)}}).add();
    const auto all = r.collect();
    std::size_t count = 0;
    for (const auto& [name, family] : all) count += family.series.size();
    EXPECT_EQ(count, metrics_registry::series_max);
    EXPECT_NE(render_prometheus(all).find("{limit=\"metrics.series_max\"} 6\n"), std::string::npos);
}

TEST(metrics_death, are_named_as_prometheus_wants_them) {
    metrics_registry r;
    r.make_gauge("g", "G.");
    EXPECT_DEATH(r.make_counter("x", "X."), "");
    EXPECT_DEATH(r.make_gauge("x_total", "X."), "");
    EXPECT_DEATH(r.make_gauge("9", "X."), "");
    EXPECT_DEATH(r.make_histogram("g", "G.", bounds), "");
}

}  // namespace
}  // namespace runtime
