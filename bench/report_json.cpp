// A report as JSON and back.
#include <array>

#include "bench/report.hpp"

namespace bench {
namespace {

constexpr std::string_view format_name = "weir-bench-report";

struct named_point_member {
    std::string_view name;
    double series_point::* where;
};
constexpr std::array point_members = {named_point_member{"at_s", &series_point::at_s},
                                      named_point_member{"length_s", &series_point::length_s},
                                      named_point_member{"planned_per_s", &series_point::planned_per_s},
                                      named_point_member{"accepted_per_s", &series_point::accepted_per_s},
                                      named_point_member{"ended_per_s", &series_point::ended_per_s},
                                      named_point_member{"errors_per_s", &series_point::errors_per_s},
                                      named_point_member{"open", &series_point::open},
                                      named_point_member{"queued", &series_point::queued},
                                      named_point_member{"accepted_p50_ms", &series_point::accepted_p50_ms},
                                      named_point_member{"accepted_p99_ms", &series_point::accepted_p99_ms},
                                      named_point_member{"whole_p99_ms", &series_point::whole_p99_ms},
                                      named_point_member{"lateness_p99_ms", &series_point::lateness_p99_ms},
                                      named_point_member{"harness_cpu", &series_point::harness_cpu},
                                      named_point_member{"server_cpu", &series_point::server_cpu},
                                      named_point_member{"server_rss_mib", &series_point::server_rss_mib}};

std::map<std::string, std::uint64_t> counts_from(const json::value& in, std::string_view name) {
    std::map<std::string, std::uint64_t> out;
    const auto* found = json::find(in, name);
    if (found == nullptr || !found->is_object()) return out;
    for (const auto& [key, count] : found->get_object()) out[std::string(key)] = json::count_of(*found, key);
    return out;
}

std::vector<std::string> texts_from(const json::value& in, std::string_view name) {
    std::vector<std::string> out;
    const auto* found = json::find(in, name);
    if (found == nullptr || !found->is_array()) return out;
    for (const auto& one : found->get_array())
        if (one.is_string()) out.emplace_back(one.get_string());
    return out;
}

json::object figures_json(const figures& from) {
    json::object out;
    for (const auto& [name, value] : from) out[name] = value;
    return out;
}

figures figures_from(const json::value& in, std::string_view name) {
    figures out;
    const auto* found = json::find(in, name);
    if (found == nullptr || !found->is_object()) return out;
    for (const auto& [key, value] : found->get_object())
        if (value.is_number()) out[std::string(key)] = value.to_number<double>();
    return out;
}

json::object clocks_json(const recorder& measured) {
    json::object out;
    for (std::size_t i = 0; i < clock_names.size(); ++i) out[clock_names[i]] = to_json(measured.clocks[i]);
    return out;
}

// -1 is "unknown" in memory and null in the file.
void put_known(json::object& into, std::string_view name, double value) {
    if (value < 0) {
        into[name] = nullptr;
    } else {
        into[name] = value;
    }
}

json::object series_json(const std::vector<series_point>& points) {
    json::object out;
    for (const auto& member : point_members) {
        json::array column;
        for (const auto& point : points) {
            if (point.*member.where < 0) {
                column.emplace_back(nullptr);
            } else {
                column.emplace_back(point.*member.where);
            }
        }
        out[member.name] = std::move(column);
    }
    return out;
}

std::vector<series_point> series_from(const json::value& in, std::string_view name) {
    std::vector<series_point> out;
    const auto* columns = json::find(in, name);
    if (columns == nullptr) return out;
    for (const auto& member : point_members) {
        const auto* column = json::find(*columns, member.name);
        if (column == nullptr || !column->is_array()) continue;
        const auto& values = column->get_array();
        if (values.size() > out.size()) out.resize(values.size());
        for (std::size_t i = 0; i < values.size(); ++i)
            out[i].*member.where = values[i].is_number() ? values[i].to_number<double>() : -1;
    }
    return out;
}

json::object difference_json(const clock_difference& from) {
    json::object out;
    if (from.known()) {
        out["low_us"] = from.low_us;
        out["high_us"] = from.high_us;
        out["applied_us"] = from.best_us();
    }
    return out;
}

json::object oracle_json(const recorder& measured) {
    json::object out;
    out["findings"] = json::counts(measured.wrong.counts());
    out["examples"] = json::texts(measured.wrong.examples());
    return out;
}

json::array steps_json(const std::vector<step_result>& steps) {
    json::array out;
    for (const auto& one : steps) {
        json::object step;
        step["rate"] = one.rate;
        step["seconds"] = one.seconds;
        step["broken"] = json::texts(one.broken);
        step["figures"] = figures_json(one.measured);
        out.push_back(std::move(step));
    }
    return out;
}

json::array thresholds_json(const std::vector<threshold_result>& thresholds) {
    json::array out;
    for (const auto& one : thresholds) {
        json::object result;
        result["condition"] = one.text;
        if (one.value) {
            result["value"] = *one.value;
        } else {
            result["value"] = nullptr;
        }
        result["broken"] = one.broken;
        out.push_back(std::move(result));
    }
    return out;
}

json::object harness_json(const report& what) {
    json::object out;
    out["cpu_seconds"] = what.harness.cpu_seconds;
    out["cpu_ratio"] = what.harness.cpu_ratio;
    out["rss_mib"] = what.harness.rss_mib;
    out["lateness_max_ms"] = what.lateness_max_ms;
    out["cpu_max"] = what.cpu_max;
    out["timing_counts"] = what.timing_counts;
    return out;
}

json::object server_json(const server_use& from) {
    json::object out;
    out["pid"] = from.pid;
    put_known(out, "cpu_seconds", from.cpu_seconds);
    put_known(out, "rss_mib", from.rss_mib);
    put_known(out, "queue_max", from.queue_max);
    out["limits_reached"] = json::counts(from.limits_reached);
    return out;
}

void read_measured(const json::value& from, recorder& into, std::string& mistake) {
    const auto* clocks = json::find(from, "clocks");
    for (std::size_t i = 0; i < clock_names.size(); ++i) {
        const auto* one = clocks == nullptr ? nullptr : json::find(*clocks, clock_names[i]);
        const auto restored = one == nullptr ? std::nullopt : histogram_from_json(*one);
        if (!restored) mistake = "clocks." + std::string(clock_names[i]) + " is missing or contradicts itself";
        if (restored) into.clocks[i] = *restored;
    }
    if (const auto* counts = json::find(from, "counts"); counts != nullptr) into.counts = counters_from_json(*counts);
    into.errors = counts_from(from, "errors");
    into.retries = counts_from(from, "retries");
    into.ends = counts_from(from, "ends");
    into.actions = counts_from(from, "actions");
    if (const auto* oracle = json::find(from, "oracle"); oracle != nullptr)
        into.wrong.restore(counts_from(*oracle, "findings"), texts_from(*oracle, "examples"));
    const auto* difference = json::find(from, "clock_difference");
    if (difference != nullptr && json::find(*difference, "low_us") != nullptr) {
        into.difference.low_us = static_cast<std::int64_t>(json::number_of(*difference, "low_us"));
        into.difference.high_us = static_cast<std::int64_t>(json::number_of(*difference, "high_us"));
    }
}

void read_use(const json::value& from, report& into) {
    static const json::value none = json::object();
    const auto* found = json::find(from, "harness");
    const json::value& harness = found == nullptr ? none : *found;
    into.harness.cpu_seconds = json::number_of(harness, "cpu_seconds");
    into.harness.cpu_ratio = json::number_of(harness, "cpu_ratio");
    into.harness.rss_mib = json::number_of(harness, "rss_mib");
    into.lateness_max_ms = json::number_of(harness, "lateness_max_ms");
    into.cpu_max = json::number_of(harness, "cpu_max");
    into.timing_counts = json::flag_of(harness, "timing_counts");
    found = json::find(from, "server_use");
    const json::value& server = found == nullptr ? none : *found;
    into.serving.pid = json::count_of(server, "pid");
    into.serving.cpu_seconds = json::number_of(server, "cpu_seconds", -1);
    into.serving.rss_mib = json::number_of(server, "rss_mib", -1);
    into.serving.queue_max = json::number_of(server, "queue_max", -1);
    into.serving.limits_reached = counts_from(server, "limits_reached");
}

void read_steps(const json::value& from, report& into) {
    if (const auto* steps = json::find(from, "steps"); steps != nullptr && steps->is_array())
        for (const auto& one : steps->get_array()) {
            step_result step;
            step.rate = json::number_of(one, "rate");
            step.seconds = json::number_of(one, "seconds");
            step.broken = texts_from(one, "broken");
            step.measured = figures_from(one, "figures");
            into.steps.push_back(std::move(step));
        }
    if (const auto* thresholds = json::find(from, "thresholds"); thresholds != nullptr && thresholds->is_array())
        for (const auto& one : thresholds->get_array()) {
            threshold_result result;
            result.text = json::text_of(one, "condition");
            if (const auto* value = json::find(one, "value"); value != nullptr && value->is_number())
                result.value = value->to_number<double>();
            result.broken = json::flag_of(one, "broken");
            into.thresholds.push_back(std::move(result));
        }
}

}  // namespace

json::value to_json(const report& what) {
    json::object out;
    out["format"] = format_name;
    out["format_version"] = 1;
    out["mode"] = what.mode;
    out["server"] = what.server;
    out["run_id"] = what.run_id;
    out["started_at"] = what.started_at;
    out["seed"] = what.seed;
    out["shards"] = what.shards;
    out["processes"] = what.processes;
    out["expectation"] = what.expectation;
    out["options"] = what.options;
    out["seconds"] = what.seconds;
    out["seconds_in_all"] = what.seconds_in_all;
    out["verdict"] = to_string(what.ended);
    out["reasons"] = json::texts(what.reasons);
    out["notes"] = json::texts(what.notes);
    out["thresholds"] = thresholds_json(what.thresholds);
    out["figures"] = figures_json(what.all_figures());
    out["extra"] = figures_json(what.extra);
    out["counts"] = to_json(what.measured.counts);
    out["errors"] = json::counts(what.measured.errors);
    out["retries"] = json::counts(what.measured.retries);
    out["ends"] = json::counts(what.measured.ends);
    out["actions"] = json::counts(what.measured.actions);
    out["oracle"] = oracle_json(what.measured);
    out["clock_difference"] = difference_json(what.measured.difference);
    out["harness"] = harness_json(what);
    out["server_use"] = server_json(what.serving);
    out["steps"] = steps_json(what.steps);
    out["clocks"] = clocks_json(what.measured);
    out["series"] = series_json(what.points);
    out["periods"] = series_json(what.periods);
    out["harness_limit"] = what.harness_limit;
    return out;
}

std::optional<report> report_from_json(const json::value& from, std::string& mistake) {
    if (json::text_of(from, "format") != format_name) {
        mistake = "it is no report of weir bench";
        return std::nullopt;
    }
    if (json::count_of(from, "format_version") != 1) {
        mistake = "its format_version is not 1";
        return std::nullopt;
    }
    report out;
    out.mode = json::text_of(from, "mode");
    out.server = json::text_of(from, "server");
    out.run_id = json::text_of(from, "run_id");
    out.started_at = json::text_of(from, "started_at");
    out.seed = json::count_of(from, "seed");
    out.shards = json::count_of(from, "shards", 1);
    out.processes = json::count_of(from, "processes", 1);
    out.expectation = json::text_of(from, "expectation");
    if (const auto* options = json::find(from, "options"); options != nullptr && options->is_object())
        out.options = options->get_object();
    out.seconds = json::number_of(from, "seconds");
    out.seconds_in_all = json::number_of(from, "seconds_in_all");
    const std::string ended = json::text_of(from, "verdict");
    for (const auto one : {verdict::ok, verdict::failed, verdict::wrong, verdict::invalid})
        if (to_string(one) == ended) out.ended = one;
    out.reasons = texts_from(from, "reasons");
    out.notes = texts_from(from, "notes");
    out.extra = figures_from(from, "extra");
    mistake.clear();
    read_measured(from, out.measured, mistake);
    if (!mistake.empty()) return std::nullopt;
    read_use(from, out);
    read_steps(from, out);
    out.points = series_from(from, "series");
    out.periods = series_from(from, "periods");
    out.harness_limit = json::text_of(from, "harness_limit");
    return out;
}

}  // namespace bench
