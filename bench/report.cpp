#include "bench/report.hpp"

#include <algorithm>
#include <cstdio>

namespace bench {

std::string_view to_string(verdict what) {
    switch (what) {
        case verdict::ok: return "ok";
        case verdict::failed: return "failed";
        case verdict::wrong: return "wrong";
        case verdict::invalid: return "invalid";
    }
    return "?";
}

int exit_code_of(verdict what) {
    switch (what) {
        case verdict::ok: return 0;
        case verdict::failed:
        case verdict::wrong: return 1;
        case verdict::invalid: return 6;
    }
    return 1;
}

series_point joined(const series_point& a, const series_point& b) {
    series_point out;
    out.at_s = b.at_s;
    out.length_s = a.length_s + b.length_s;
    const double share = out.length_s > 0 ? a.length_s / out.length_s : 0.5;
    const auto mean = [&](double series_point::* what) { out.*what = a.*what * share + b.*what * (1 - share); };
    const auto most = [&](double series_point::* what) { out.*what = std::max(a.*what, b.*what); };
    for (const auto what : {&series_point::planned_per_s, &series_point::accepted_per_s, &series_point::ended_per_s,
                            &series_point::errors_per_s, &series_point::harness_cpu})
        mean(what);
    // A percentile of two stretches is not known from theirs: the worse one is shown.
    for (const auto what :
         {&series_point::open, &series_point::queued, &series_point::accepted_p50_ms, &series_point::accepted_p99_ms,
          &series_point::whole_p99_ms, &series_point::lateness_p99_ms, &series_point::server_rss_mib})
        most(what);
    if (a.server_cpu >= 0 && b.server_cpu >= 0) {
        mean(&series_point::server_cpu);
    } else {
        most(&series_point::server_cpu);
    }
    return out;
}

void series::add(const series_point& one) {
    half_ = half_ ? joined(*half_, one) : one;
    if (++pending_ < folded_) return;
    points_.push_back(*half_);
    half_.reset();
    pending_ = 0;
    if (points_.size() < points_max) return;
    for (std::size_t i = 0; i < points_.size() / 2; ++i) points_[i] = joined(points_[2 * i], points_[2 * i + 1]);
    points_.resize(points_.size() / 2);
    folded_ *= 2;
}

figures figures_of(const recorder& measured, double length) {
    figures out;
    for (std::size_t i = 0; i < clock_names.size(); ++i) {
        const auto& clock = measured.clocks[i];
        if (clock.empty()) continue;
        const std::string prefix = std::string(clock_names[i]) + ".";
        const auto set = [&](const char* what, double share) {
            out[prefix + what] = static_cast<double>(clock.quantile(share)) / 1000;
        };
        set("p50_ms", 0.5);
        set("p90_ms", 0.9);
        set("p99_ms", 0.99);
        set("p999_ms", 0.999);
        set("max_ms", 1);
        out[prefix + "mean_ms"] = clock.mean() / 1000;
        out[prefix + "count"] = static_cast<double>(clock.count());
    }
    const auto& counts = measured.counts;
    const auto per_second = [&](std::uint64_t count) { return length > 0 ? static_cast<double>(count) / length : 0; };
    out["rate.planned_per_s"] = per_second(counts.planned);
    out["rate.accepted_per_s"] = per_second(counts.accepted);
    out["rate.ended_per_s"] = per_second(counts.ended);
    out["rate.events_per_s"] = per_second(counts.events);
    out["errors.count"] = static_cast<double>(counts.errors);
    out["errors.ratio"] =
        static_cast<double>(counts.errors) / static_cast<double>(std::max<std::uint64_t>(1, counts.planned));
    out["dropped.count"] = static_cast<double>(counts.dropped);
    out["oracle.findings"] = static_cast<double>(measured.wrong.total());
    out["oracle.checked"] = static_cast<double>(counts.checked);
    return out;
}

figures report::all_figures() const {
    figures out = figures_of(measured, seconds);
    const double finished = static_cast<double>(measured.counts.ended);
    out["harness.cpu_ratio"] = harness.cpu_ratio;
    out["harness.rss_mib"] = harness.rss_mib;
    if (finished > 0) out["harness.cpu_us_per_execution"] = harness.cpu_seconds * 1e6 / finished;
    if (serving.cpu_seconds >= 0) {
        if (seconds_in_all > 0) out["server.cpu_ratio"] = serving.cpu_seconds / seconds_in_all;
        if (finished > 0) out["server.cpu_us_per_execution"] = serving.cpu_seconds * 1e6 / finished;
    }
    if (serving.rss_mib >= 0) out["server.rss_mib"] = serving.rss_mib;
    if (serving.queue_max >= 0) out["queue.max"] = serving.queue_max;
    for (const auto& [name, value] : extra) out[name] = value;
    return out;
}

namespace {

std::string bounded(const char* what, double value, const char* unit, const char* flag, double limit) {
    return std::string(what) + " " + json::number(value) + unit + " is above " + flag + " " + json::number(limit);
}

void judge_harness(report& what, const figures& all) {
    if (what.measured.counts.dropped > 0 && what.steps.empty())
        what.reasons.push_back(std::to_string(what.measured.counts.dropped) +
                               " arrivals were not sent: --open-max was reached");
    if (!what.harness_limit.empty()) what.reasons.push_back(what.harness_limit);
    // Each step has been judged by itself.
    if (!what.timing_counts || !what.steps.empty()) return;
    const auto late = all.find("lateness.p99_ms");
    if (late != all.end() && late->second > what.lateness_max_ms)
        what.reasons.push_back(
            bounded("the harness was late: lateness p99", late->second, " ms", "--lateness-max", what.lateness_max_ms));
    if (what.harness.cpu_ratio > what.cpu_max)
        what.reasons.push_back(bounded("the harness was busy: the share of a core of its busiest thread",
                                       what.harness.cpu_ratio, "", "--cpu-max", what.cpu_max));
}

void judge_thresholds(report& what, const figures& all, const std::vector<std::string>& fail_if) {
    bool about_errors = false;
    for (const auto& text : fail_if) {
        std::string mistake;
        const auto parsed = parse_threshold(text, mistake);
        if (!parsed) continue;  // the command line has checked it
        about_errors = about_errors || parsed->figure.starts_with("errors.");
        threshold_result result;
        result.text = parsed->text;
        const auto found = all.find(parsed->figure);
        if (found != all.end()) result.value = found->second;
        // What was not measured cannot be within its bounds.
        result.broken = found == all.end() || parsed->holds(found->second);
        if (result.broken)
            what.reasons.push_back(result.text + (result.value ? ": it is " + json::number(*result.value)
                                                               : std::string(": it was not measured")));
        what.thresholds.push_back(std::move(result));
    }
    if (!about_errors && what.measured.counts.errors > 0 && what.steps.empty())
        what.reasons.push_back(std::to_string(what.measured.counts.errors) + " errors");
}

}  // namespace

void judge(report& what, const std::vector<std::string>& fail_if) {
    what.thresholds.clear();
    what.reasons.clear();
    const figures all = what.all_figures();
    if (what.measured.wrong.total() > 0) {
        what.reasons.push_back("the oracle found " + std::to_string(what.measured.wrong.total()) +
                               " breaches of the contract");
        what.ended = verdict::wrong;
    }
    judge_harness(what, all);
    if (what.ended != verdict::wrong && !what.reasons.empty()) what.ended = verdict::invalid;
    const std::size_t before = what.reasons.size();
    judge_thresholds(what, all, fail_if);
    if (what.measured.counts.accepted == 0 && what.steps.empty()) what.reasons.emplace_back("nothing was accepted");
    if (what.ended == verdict::ok && what.reasons.size() > before) what.ended = verdict::failed;
}

report merge_reports(const std::vector<report>& parts) {
    report out = parts.front();
    for (std::size_t i = 1; i < parts.size(); ++i) {
        const report& other = parts[i];
        out.measured.merge(other.measured);
        out.processes += other.processes;
        out.seconds = std::max(out.seconds, other.seconds);
        out.seconds_in_all = std::max(out.seconds_in_all, other.seconds_in_all);
        out.harness.cpu_seconds += other.harness.cpu_seconds;
        out.harness.cpu_ratio = std::max(out.harness.cpu_ratio, other.harness.cpu_ratio);
        out.harness.rss_mib += other.harness.rss_mib;
        out.serving.cpu_seconds = std::max(out.serving.cpu_seconds, other.serving.cpu_seconds);
        out.serving.rss_mib = std::max(out.serving.rss_mib, other.serving.rss_mib);
        out.serving.queue_max = std::max(out.serving.queue_max, other.serving.queue_max);
        for (const auto& [name, count] : other.serving.limits_reached) {
            auto& mine = out.serving.limits_reached[name];
            mine = std::max(mine, count);
        }
        out.points.resize(std::max(out.points.size(), other.points.size()));
        for (std::size_t k = 0; k < other.points.size(); ++k) {
            auto& mine = out.points[k];
            const auto& theirs = other.points[k];
            for (const auto sum : {&series_point::planned_per_s, &series_point::accepted_per_s,
                                   &series_point::ended_per_s, &series_point::errors_per_s, &series_point::open})
                mine.*sum += theirs.*sum;
            for (const auto most :
                 {&series_point::at_s, &series_point::length_s, &series_point::queued, &series_point::accepted_p50_ms,
                  &series_point::accepted_p99_ms, &series_point::whole_p99_ms, &series_point::lateness_p99_ms,
                  &series_point::harness_cpu, &series_point::server_cpu, &series_point::server_rss_mib})
                mine.*most = std::max(mine.*most, theirs.*most);
        }
        for (const auto& note : other.notes)
            if (std::ranges::find(out.notes, note) == out.notes.end()) out.notes.push_back(note);
    }
    out.ended = verdict::ok;
    return out;
}

}  // namespace bench
