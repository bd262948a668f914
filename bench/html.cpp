#include "bench/html.hpp"

#include <algorithm>
#include <cmath>

#include "bench/progress.hpp"
#include "bench/svg.hpp"

namespace bench {
namespace {

constexpr std::string_view style = R"(<style>
:root{color-scheme:light dark;--text:#1c2024;--faint:#60646c;--back:#fcfcfd;--card:#f0f0f3;--grid:#d9d9e0;
--good:#18794e;--bad:#c62a2f;--warn:#ad5700;
--line-0:#0b68cb;--line-1:#d6409f;--line-2:#2b9a66;--line-3:#e5690b;--line-4:#7c66dc;--line-5:#7d8590}
@media(prefers-color-scheme:dark){:root{--text:#edeef0;--faint:#b0b4ba;--back:#111113;--card:#212225;--grid:#363a3f;
--good:#3dd68c;--bad:#ff9592;--warn:#ffa057;
--line-0:#70b8ff;--line-1:#ff8dcc;--line-2:#3dd68c;--line-3:#ffa057;--line-4:#baa7ff;--line-5:#9ea3aa}}
body{font:15px/1.5 system-ui,sans-serif;color:var(--text);background:var(--back);max-width:76rem;margin:2rem auto;
padding:0 1rem}
h1{font-size:1.5rem;margin:0}h2{font-size:1.1rem;margin:2rem 0 .5rem}
.verdict{display:inline-block;padding:.1rem .7rem;border-radius:1rem;color:var(--back);font-weight:600}
.ok{background:var(--good)}.failed,.wrong{background:var(--bad)}.invalid{background:var(--warn)}
.faint{color:var(--faint)}
.cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(11rem,1fr));gap:.75rem;margin:1rem 0}
.cards div{background:var(--card);border-radius:.5rem;padding:.6rem .8rem}.cards b{display:block;font-size:1.35rem}
.charts{display:grid;grid-template-columns:repeat(auto-fit,minmax(30rem,1fr));gap:1rem}
@media(max-width:34rem){.charts{grid-template-columns:1fr}}
figure{margin:0;background:var(--card);border-radius:.5rem;padding:.6rem .8rem}figcaption{font-weight:600}
svg{width:100%;height:auto;display:block}svg text{font-size:11px;fill:var(--faint)}
.grid{stroke:var(--grid);fill:none}.line{fill:none;stroke-width:1.6;stroke-linejoin:round}
.legend{list-style:none;display:flex;flex-wrap:wrap;gap:.2rem 1rem;margin:.3rem 0 0;padding:0;font-size:13px}
.legend i{display:inline-block;width:.9rem;height:.2rem;margin-right:.35rem;vertical-align:middle}
.wide{overflow-x:auto}table{border-collapse:collapse;font-variant-numeric:tabular-nums}
th,td{text-align:right;padding:.15rem .7rem;border-bottom:1px solid var(--grid)}
th:first-child,td:first-child{text-align:left}
li.broken{color:var(--bad)}code{font-size:.9em}
</style>)";

struct column {
    const char* name;
    double series_point::* where;
};

chart over_time(const report& what, std::string title, std::string y_name, const std::vector<column>& columns) {
    chart out;
    out.title = std::move(title);
    out.x_name = "seconds";
    out.y_name = std::move(y_name);
    for (const auto& one : columns) {
        chart_line line;
        line.name = one.name;
        for (const auto& point : what.points) line.points.emplace_back(point.at_s, point.*one.where);
        out.lines.push_back(std::move(line));
    }
    return out;
}

chart spectrum(const report& what) {
    chart out;
    out.title = "Latency by percentile";
    out.x_name = "share of all";
    out.y_name = "ms";
    out.x_scale = chart_scale::percentile;
    out.y_scale = chart_scale::logarithmic;
    for (const auto& [which, name] : {std::pair{clock_name::accepted, "accepted (from sending)"},
                                      {clock_name::accepted_corrected, "accepted (from when it was due)"},
                                      {clock_name::whole, "whole (from sending)"},
                                      {clock_name::whole_corrected, "whole (from when it was due)"},
                                      {clock_name::queued, "queued to started"},
                                      {clock_name::seen, "ended to seen"}}) {
        const auto& clock = what.measured.of(which);
        chart_line line;
        line.name = name;
        // Up to the last value that stands for itself.
        const double last = clock.empty() ? 0 : 1 - 1 / static_cast<double>(clock.count());
        for (double nines = 0; !clock.empty(); nines += 0.05) {
            const double share = std::min(1 - std::pow(10, -nines), last);
            line.points.emplace_back(share, static_cast<double>(clock.quantile(share)) / 1000);
            if (share >= last) break;
        }
        out.lines.push_back(std::move(line));
    }
    return out;
}

std::string cell(const std::string& text) { return "<td>" + escaped_html(text) + "</td>"; }

std::string card(const char* name, const std::string& value) {
    return "<div><span class=\"faint\">" + std::string(name) + "</span><b>" + escaped_html(value) + "</b></div>\n";
}

std::string cards(const report& what, const figures& all) {
    std::string out = "<div class=\"cards\">\n";
    const auto add = [&](const char* name, const char* figure, const char* unit, double factor = 1) {
        const auto found = all.find(figure);
        if (found != all.end()) out += card(name, brief(found->second * factor) + unit);
    };
    add("due", "rate.planned_per_s", " /s");
    add("accepted", "rate.accepted_per_s", " /s");
    add("ended", "rate.ended_per_s", " /s");
    add("knee", "knee.rate_per_s", " /s");
    add("accepted, p50", "accepted.p50_ms", " ms");
    add("accepted, p99", "accepted.p99_ms", " ms");
    add("accepted, p99 from due", "accepted_corrected.p99_ms", " ms");
    add("whole, p99", "whole.p99_ms", " ms");
    add("errors", "errors.ratio", " %", 100);
    out += card("breaches found", grouped(what.measured.wrong.total()));
    add("server's CPU", "server.cpu_us_per_execution", " us each");
    add("harness, busiest thread", "harness.cpu_ratio", " % of a core", 100);
    return out + "</div>\n";
}

std::string clocks_table(const report& what) {
    std::string out =
        "<h2>Clocks, in milliseconds</h2><div "
        "class=\"wide\"><table><tr><th>clock</th><th>p50</th><th>p90</th><th>p99</th>"
        "<th>p99.9</th><th>p99.99</th><th>max</th><th>mean</th><th>count</th></tr>\n";
    for (std::size_t i = 0; i < clock_names.size(); ++i) {
        const auto& clock = what.measured.clocks[i];
        if (clock.empty()) continue;
        out += "<tr>" + cell(std::string(clock_names[i]));
        for (const double share : {0.5, 0.9, 0.99, 0.999, 0.9999, 1.0})
            out += cell(brief(static_cast<double>(clock.quantile(share)) / 1000));
        out += cell(brief(clock.mean() / 1000)) + cell(grouped(clock.count())) + "</tr>\n";
    }
    return out + "</table></div>\n";
}

std::string counts_table(const char* title, const std::map<std::string, std::uint64_t>& counts) {
    if (counts.empty()) return {};
    std::string out = "<h2>" + std::string(title) + "</h2><table>\n";
    for (const auto& [name, count] : counts) out += "<tr>" + cell(name) + cell(grouped(count)) + "</tr>\n";
    return out + "</table>\n";
}

std::string steps_part(const report& what) {
    if (what.steps.empty()) return {};
    chart p99;
    p99.title = "Latency by rate";
    p99.x_name = "executions a second";
    p99.y_name = "ms";
    p99.y_scale = chart_scale::logarithmic;
    p99.lines = {{"accepted, p99", {}}, {"whole, p99", {}}, {"accepted, p50", {}}};
    std::string table =
        "<div class=\"wide\"><table><tr><th>rate</th><th>accepted/s</th><th>ended/s</th><th>accepted p99 "
        "ms</th><th>whole "
        "p99 ms</th><th>errors</th><th>broken</th></tr>\n";
    for (const auto& step : what.steps) {
        const auto at = [&](const char* name) {
            const auto found = step.measured.find(name);
            return found == step.measured.end() ? -1 : found->second;
        };
        const auto shown = [&](const char* name) { return cell(at(name) < 0 ? "" : brief(at(name))); };
        std::string broken;
        for (const auto& one : step.broken) broken += (broken.empty() ? "" : ", ") + one;
        table += "<tr>" + cell(brief(step.rate)) + shown("rate.accepted_per_s") + shown("rate.ended_per_s") +
                 shown("accepted.p99_ms") + shown("whole.p99_ms") + shown("errors.count") + cell(broken) + "</tr>\n";
        p99.lines[0].points.emplace_back(step.rate, at("accepted.p99_ms"));
        p99.lines[1].points.emplace_back(step.rate, at("whole.p99_ms"));
        p99.lines[2].points.emplace_back(step.rate, at("accepted.p50_ms"));
    }
    return "<h2>Steps</h2>" + draw(p99) + table + "</table></div>\n";
}

std::string oracle_part(const report& what) {
    const auto& measured = what.measured;
    std::string out = "<h2>Oracle</h2><p>" + grouped(measured.counts.checked) + " executions read event by event, " +
                      grouped(measured.counts.events) + " events, " + grouped(measured.counts.reconnects) +
                      " streams broken off and resumed, " + grouped(measured.counts.repeated) + " posts repeated, " +
                      grouped(measured.counts.audited) + " read again behind the load.</p>\n";
    if (measured.wrong.total() == 0) return out + "<p>Nothing wrong.</p>\n";
    out += counts_table("Breaches", measured.wrong.counts()) + "<ul>\n";
    for (const auto& one : measured.wrong.examples()) out += "<li class=\"broken\">" + escaped_html(one) + "</li>\n";
    return out + "</ul>\n";
}

std::string head_part(const report& what) {
    std::string out =
        "<h1>weir bench " + escaped_html(what.mode) + " <span class=\"verdict " + std::string(to_string(what.ended)) +
        "\">" + std::string(to_string(what.ended)) + "</span></h1>\n<p class=\"faint\">" + escaped_html(what.server) +
        " · " + escaped_html(what.started_at) + " · " + brief(what.seconds) + " s · seed " + std::to_string(what.seed) +
        " · run " + escaped_html(what.run_id) + " · expected: " + escaped_html(what.expectation) + "</p>\n";
    if (!what.reasons.empty() || !what.notes.empty()) {
        out += "<ul>\n";
        for (const auto& one : what.reasons) out += "<li class=\"broken\">" + escaped_html(one) + "</li>\n";
        for (const auto& one : what.notes) out += "<li>" + escaped_html(one) + "</li>\n";
        out += "</ul>\n";
    }
    return out;
}

std::string options_part(const report& what) {
    std::string out = "<h2>Options</h2><table>\n";
    for (const auto& [name, value] : what.options)
        out += "<tr>" + cell(std::string(name)) + cell(json::compact(value)) + "</tr>\n";
    for (const auto& one : what.thresholds)
        out += "<tr>" + cell("fail if " + one.text) +
               cell((one.broken ? "broken: " : "kept: ") + (one.value ? json::number(*one.value) : "not measured")) +
               "</tr>\n";
    return out + "</table>\n";
}

}  // namespace

std::string html_of(const report& what) {
    const figures all = what.all_figures();
    std::string out =
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" "
        "content=\"width=device-width\"><title>weir bench " +
        escaped_html(what.mode) + ": " + std::string(to_string(what.ended)) + "</title>\n" + std::string(style) +
        "</head><body>\n" + head_part(what) + cards(what, all) + "<div class=\"charts\">\n" + draw(spectrum(what));
    out += draw(over_time(what, "Rate", "per second",
                          {{"due", &series_point::planned_per_s},
                           {"accepted", &series_point::accepted_per_s},
                           {"ended", &series_point::ended_per_s}}));
    auto latency = over_time(what, "Latency over time", "ms",
                             {{"accepted, p50", &series_point::accepted_p50_ms},
                              {"accepted, p99", &series_point::accepted_p99_ms},
                              {"whole, p99", &series_point::whole_p99_ms},
                              {"lateness of the harness, p99", &series_point::lateness_p99_ms}});
    latency.y_scale = chart_scale::logarithmic;
    out += draw(latency);
    out += draw(over_time(what, "Errors", "per second", {{"errors", &series_point::errors_per_s}}));
    out += draw(
        over_time(what, "Under way", "executions",
                  {{"open, by the harness", &series_point::open}, {"queued, by the server", &series_point::queued}}));
    out += draw(over_time(
        what, "CPU", "cores",
        {{"harness, busiest thread", &series_point::harness_cpu}, {"server, all threads", &series_point::server_cpu}}));
    out += draw(over_time(what, "Memory of the server", "MiB", {{"resident", &series_point::server_rss_mib}}));
    out += "</div>\n" + steps_part(what) + clocks_table(what) + oracle_part(what) +
           counts_table("Ends", what.measured.ends) + counts_table("Errors", what.measured.errors) +
           counts_table("Tried again", what.measured.retries) +
           counts_table("Calls of the monkeys", what.measured.actions) +
           counts_table("Limits that the server reached", what.serving.limits_reached) + options_part(what);
    return out + "</body></html>\n";
}

}  // namespace bench
