// The search for the knee, and what a long run drifts by.
#include <algorithm>
#include <cmath>

#include "bench/conductor.hpp"
#include "runtime/timer.hpp"

namespace bench {

using runtime::seconds;
using runtime::task;

namespace {

// Between the last rate that held and the first that did not.
constexpr int refinements = 2;
constexpr double widest_found = 1.05;
constexpr std::size_t periods_max = 10'000;

std::vector<std::string> default_conditions(watch_kind watch) {
    if (watch == watch_kind::wait) return {"whole.p99_ms>100", "errors.ratio>0.001"};
    return {"accepted.p99_ms>50", "errors.ratio>0.001"};
}

// Of the share of points from `from` to `to`, the middle value of those that are known; 0 if there are none.
double middle(const std::vector<series_point>& points, double from, double to, double series_point::* what) {
    std::vector<double> values;
    const auto count = static_cast<double>(points.size());
    for (auto i = static_cast<std::size_t>(from * count); i < static_cast<std::size_t>(to * count); ++i)
        if (points[i].*what >= 0) values.push_back(points[i].*what);
    if (values.empty()) return 0;
    const auto half = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
    std::ranges::nth_element(values, half);
    return *half;
}

}  // namespace

// True when the rate held; sets the report's harness_limit when it cannot be told.
task<bool> conductor::run_step(double rate, report& into) {
    const auto& options = setup_.options;
    segment_cpu_ratio_ = 0;
    const auto measured = co_await run_segment(work::arrivals, rate, options.duration, into);
    step_result step;
    step.rate = rate;
    step.seconds = std::chrono::duration<double>(options.duration).count();
    step.measured = figures_of(measured, step.seconds);
    step.measured["harness.cpu_ratio"] = segment_cpu_ratio_;
    const auto conditions = options.until.empty() ? default_conditions(options.watch) : options.until;
    for (const auto& text : conditions) {
        std::string mistake;
        const auto condition = parse_threshold(text, mistake);
        const auto found = condition ? step.measured.find(condition->figure) : step.measured.end();
        if (found != step.measured.end() && condition->holds(found->second)) step.broken.push_back(text);
    }
    const bool late = step.measured["lateness.p99_ms"] > options.lateness_max_ms;
    const bool busy = segment_cpu_ratio_ > options.cpu_max;
    if (late || busy)
        into.harness_limit = "at " + brief(rate) + " a second the harness was " + (late ? "late" : "busy") +
                             " (lateness p99 " + brief(step.measured["lateness.p99_ms"]) + " ms, CPU " +
                             brief(segment_cpu_ratio_ * 100) + " % of a core)";
    shown_.say("step " + brief(rate) + "/s: accepted p99 " + brief(step.measured["accepted.p99_ms"]) +
               " ms, whole p99 " + brief(step.measured["whole.p99_ms"]) + " ms, errors " +
               brief(step.measured["errors.count"]) + (step.broken.empty() ? "" : ", broken: " + step.broken.front()));
    into.measured.merge(measured);
    const bool held = step.broken.empty() && !late && !busy;
    into.steps.push_back(std::move(step));
    co_return held;
}

task<void> conductor::run_steps(report& into) {
    const auto& options = setup_.options;
    double held = 0;
    double broken = 0;
    for (double rate = options.rate; rate <= options.rate_max && !interrupted_; rate *= options.factor) {
        const bool good = co_await run_step(rate, into);
        if (!good) {
            broken = rate;
            break;
        }
        held = rate;
    }
    for (int i = 0; i < refinements && held > 0 && broken / held > widest_found && !interrupted_; ++i) {
        into.harness_limit.clear();
        const double between = std::sqrt(held * broken);
        const bool good = co_await run_step(between, into);
        (good ? held : broken) = between;
    }
    std::ranges::sort(into.steps, {}, &step_result::rate);
    into.seconds = 0;
    for (const auto& step : into.steps) into.seconds += step.seconds;
    if (held > 0) into.extra["knee.rate_per_s"] = held;
    if (broken == 0) into.notes.emplace_back("no step broke a condition: the knee lies above");
    if (held == 0) into.notes.emplace_back("the first step broke a condition already: the knee lies below");
}

// A line that stays, and a point of the report, for each period.
void conductor::note_period(const series_point& now, const counters& counts, report& into) {
    period_point_ = period_point_.length_s > 0 ? joined(period_point_, now) : now;
    const auto every = static_cast<double>(setup_.options.report_every.count());
    if (period_point_.length_s + 0.5 < every) return;
    const auto in_ms = [](const histogram& from, double share) {
        return from.empty() ? -1 : static_cast<double>(from.quantile(share)) / 1000;
    };
    series_point period = std::exchange(period_point_, series_point());
    period.accepted_p50_ms = in_ms(period_accepted_, 0.5);
    period.accepted_p99_ms = in_ms(period_accepted_, 0.99);
    period.whole_p99_ms = in_ms(period_whole_, 0.99);
    period_accepted_.clear();
    period_whole_.clear();
    progress::state state;
    state.mode = "soak";
    state.counts = counts;
    state.now = period;
    shown_.say(progress::line_of(state) +
               (period.server_rss_mib >= 0 ? "  rss " + brief(period.server_rss_mib) + " MiB" : std::string()));
    if (into.periods.size() < periods_max) into.periods.push_back(period);
}

// The first quarter is left out: caches fill, memory grows to its working size. The second one beside the last.
void conductor::note_drift(report& into) const {
    const auto& points = points_.points();
    if (points.size() < 8) {
        into.notes.emplace_back("too short to tell a drift");
        return;
    }
    const auto ratio = [&](double series_point::* what) {
        const double before = middle(points, 0.25, 0.5, what);
        const double after = middle(points, 0.75, 1, what);
        return before > 0 ? after / before : 0;
    };
    const double latency = setup_.options.watch == watch_kind::wait ? ratio(&series_point::whole_p99_ms)
                                                                    : ratio(&series_point::accepted_p99_ms);
    const double memory = ratio(&series_point::server_rss_mib);
    if (latency > 0) into.extra["drift.latency_p99_ratio"] = latency;
    if (memory > 0) into.extra["drift.server_rss_ratio"] = memory;
}

}  // namespace bench
