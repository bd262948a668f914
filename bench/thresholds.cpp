#include "bench/thresholds.hpp"

#include <algorithm>
#include <array>
#include <charconv>

#include "bench/recorder.hpp"
#include "runtime/base/ascii.hpp"

namespace bench {
namespace {

using relation = threshold::relation;

struct named_relation {
    std::string_view sign;
    relation how;
};
// The longer sign first.
constexpr std::array relations = {named_relation{">=", relation::at_least}, named_relation{"<=", relation::at_most},
                                  named_relation{"==", relation::equal},    named_relation{"!=", relation::unequal},
                                  named_relation{">", relation::above},     named_relation{"<", relation::below}};

constexpr std::array<std::string_view, 7> clock_figures = {"p50_ms", "p90_ms",  "p99_ms", "p999_ms",
                                                           "max_ms", "mean_ms", "count"};
constexpr std::array<std::string_view, 19> other_figures = {"rate.planned_per_s",
                                                            "rate.accepted_per_s",
                                                            "rate.ended_per_s",
                                                            "rate.events_per_s",
                                                            "errors.count",
                                                            "errors.ratio",
                                                            "dropped.count",
                                                            "oracle.findings",
                                                            "oracle.checked",
                                                            "queue.max",
                                                            "harness.cpu_ratio",
                                                            "harness.cpu_us_per_execution",
                                                            "harness.rss_mib",
                                                            "server.cpu_ratio",
                                                            "server.cpu_us_per_execution",
                                                            "server.rss_mib",
                                                            "knee.rate_per_s",
                                                            "drift.latency_p99_ratio",
                                                            "drift.server_rss_ratio"};

}  // namespace

bool is_figure_name(std::string_view name) {
    if (std::ranges::find(other_figures, name) != other_figures.end()) return true;
    const auto dot = name.find('.');
    return dot != std::string_view::npos && std::ranges::find(clock_names, name.substr(0, dot)) != clock_names.end() &&
           std::ranges::find(clock_figures, name.substr(dot + 1)) != clock_figures.end();
}

bool threshold::holds(double value) const {
    switch (how) {
        case relation::above: return value > limit;
        case relation::at_least: return value >= limit;
        case relation::below: return value < limit;
        case relation::at_most: return value <= limit;
        case relation::equal: return value == limit;
        case relation::unequal: return value != limit;
    }
    return false;
}

std::optional<threshold> parse_threshold(std::string_view text, std::string& mistake) {
    const auto at = text.find_first_of("<>=!");
    const std::string shown = "\"" + std::string(text) + "\"";
    if (at == std::string_view::npos) {
        mistake = shown + " is no condition; one looks like accepted.p99_ms>20";
        return std::nullopt;
    }
    const std::string_view behind = text.substr(at);
    const auto sign = std::ranges::find_if(relations, [&](const auto& one) { return behind.starts_with(one.sign); });
    threshold out;
    out.text = runtime::trimmed(text);
    out.figure = runtime::trimmed(text.substr(0, at));
    if (sign == relations.end()) {
        mistake = shown + ": the relation is one of > >= < <= == !=";
        return std::nullopt;
    }
    out.how = sign->how;
    const auto digits = runtime::trimmed(behind.substr(sign->sign.size()));
    const char* const end = digits.data() + digits.size();
    const auto [rest, wrong] = std::from_chars(digits.data(), end, out.limit);
    if (digits.empty() || wrong != std::errc{} || rest != end) {
        mistake = shown + ": \"" + std::string(digits) + "\" is no number";
        return std::nullopt;
    }
    if (!is_figure_name(out.figure)) {
        mistake = shown + ": there is no figure \"" + out.figure +
                  "\"; there are accepted.p99_ms, whole.p50_ms, errors.ratio, … (docs/bench.md lists them)";
        return std::nullopt;
    }
    return out;
}

}  // namespace bench
