#include "bench/compare.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>

#include "bench/progress.hpp"

namespace bench {
namespace {

constexpr double noticed_ms = 0.05;
constexpr double values_min = 100;
// A percentile near the end needs values behind it.
constexpr double values_min_p99 = 1'000;

enum class wanted : std::uint8_t { less, more };
struct judged_figure {
    const char* name;
    wanted direction;
};
constexpr std::array judged = {judged_figure{"accepted.p50_ms", wanted::less},
                               judged_figure{"accepted.p99_ms", wanted::less},
                               judged_figure{"accepted_corrected.p99_ms", wanted::less},
                               judged_figure{"queued.p50_ms", wanted::less},
                               judged_figure{"queued.p99_ms", wanted::less},
                               judged_figure{"ran.p50_ms", wanted::less},
                               judged_figure{"ran.p99_ms", wanted::less},
                               judged_figure{"seen.p50_ms", wanted::less},
                               judged_figure{"seen.p99_ms", wanted::less},
                               judged_figure{"whole.p50_ms", wanted::less},
                               judged_figure{"whole.p99_ms", wanted::less},
                               judged_figure{"whole_corrected.p99_ms", wanted::less},
                               judged_figure{"result.p50_ms", wanted::less},
                               judged_figure{"rate.accepted_per_s", wanted::more},
                               judged_figure{"rate.ended_per_s", wanted::more},
                               judged_figure{"knee.rate_per_s", wanted::more},
                               judged_figure{"errors.ratio", wanted::less},
                               judged_figure{"server.cpu_us_per_execution", wanted::less},
                               judged_figure{"server.rss_mib", wanted::less}};

bool too_small(const std::string& name, double before, double after, const figures& a, const figures& b) {
    if (!name.ends_with("_ms")) return false;
    const auto count = name.substr(0, name.find('.')) + ".count";
    const double fewest = std::min(a.at(count), b.at(count));
    return std::fabs(after - before) < noticed_ms || fewest < (name.ends_with("p99_ms") ? values_min_p99 : values_min);
}

change judge_change(const judged_figure& figure, double ratio, double tolerance) {
    const bool is_less = ratio < 1 / (1 + tolerance);
    const bool is_more = ratio > 1 + tolerance;
    if (!is_less && !is_more) return change::same;
    return is_less == (figure.direction == wanted::less) ? change::better : change::worse;
}

void note_options(const report& before, const report& after, comparison& out) {
    if (before.mode != after.mode) out.notes.push_back("the modes differ: " + before.mode + " and " + after.mode);
    for (const auto& [name, value] : before.options) {
        const auto* other = after.options.if_contains(name);
        if (other == nullptr || json::compact(*other) == json::compact(value)) continue;
        out.notes.push_back("the options differ: " + std::string(name) + " " + json::compact(value) + " and " +
                            json::compact(*other));
    }
    if (before.expectation != after.expectation)
        out.notes.push_back("different output was expected: " + before.expectation + " and " + after.expectation);
}

std::string_view to_string(change what) {
    switch (what) {
        case change::same: return "same";
        case change::better: return "better";
        case change::worse: return "worse";
    }
    return "?";
}

}  // namespace

bool comparison::any(change what) const {
    return std::ranges::any_of(figures, [what](const compared_figure& one) { return one.what == what; });
}

comparison compare(const report& before, const report& after, double tolerance) {
    comparison out;
    for (const auto& [name, one] : {std::pair{"A", &before}, {"B", &after}})
        if (one->ended == verdict::wrong || one->ended == verdict::invalid)
            out.refused = std::string(name) + " is " + std::string(to_string(one->ended)) + ": " +
                          (one->reasons.empty() ? std::string("no reason is given") : one->reasons.front());
    if (!out.refused.empty()) return out;
    note_options(before, after, out);
    const figures a = before.all_figures();
    const figures b = after.all_figures();
    for (const auto& figure : judged) {
        const auto old = a.find(figure.name);
        const auto now = b.find(figure.name);
        if (old == a.end() || now == b.end() || (old->second == 0 && now->second == 0)) continue;
        compared_figure row;
        row.name = figure.name;
        row.before = old->second;
        row.after = now->second;
        // Nothing became something: that is more than any tolerance.
        row.ratio = row.before == 0 ? 1e9 : row.after / row.before;
        if (!too_small(row.name, row.before, row.after, a, b)) row.what = judge_change(figure, row.ratio, tolerance);
        out.figures.push_back(std::move(row));
    }
    return out;
}

json::value to_json(const comparison& what) {
    json::array rows;
    for (const auto& one : what.figures) {
        json::object row;
        row["figure"] = one.name;
        row["before"] = one.before;
        row["after"] = one.after;
        row["ratio"] = one.ratio;
        row["change"] = to_string(one.what);
        rows.push_back(std::move(row));
    }
    json::array notes;
    for (const auto& note : what.notes) notes.emplace_back(note);
    json::object out;
    out["format"] = "weir-bench-comparison";
    out["format_version"] = 1;
    out["figures"] = std::move(rows);
    out["notes"] = std::move(notes);
    out["verdict"] = !what.refused.empty()      ? "refused"
                     : what.any(change::worse)  ? "worse"
                     : what.any(change::better) ? "better"
                                                : "same";
    if (!what.refused.empty()) out["refused"] = what.refused;
    return out;
}

std::string text_of(const comparison& what) {
    if (!what.refused.empty()) return "not compared: " + what.refused + "\n";
    std::string out = "figure                                    A            B    B / A\n";
    for (const auto& one : what.figures) {
        char text[160];
        std::snprintf(text, sizeof text, "%-30s %12s %12s %8.2f  %s\n", one.name.c_str(), brief(one.before).c_str(),
                      brief(one.after).c_str(), std::min(one.ratio, 9999.0),
                      one.what == change::same ? "" : std::string(to_string(one.what)).c_str());
        out += text;
    }
    for (const auto& note : what.notes) out += "note: " + note + "\n";
    return out + (what.any(change::worse) ? "WORSE\n" : what.any(change::better) ? "BETTER\n" : "SAME\n");
}

}  // namespace bench
