// What a person reads at the end of a run.
#include <algorithm>
#include <cstdio>

#include "bench/progress.hpp"
#include "bench/report.hpp"

namespace bench {
namespace {

struct explained_clock {
    clock_name which;
    const char* what;
};
constexpr std::array explained = {explained_clock{clock_name::accepted, "POST sent → 202"},
                                  explained_clock{clock_name::accepted_corrected, "POST due → 202"},
                                  explained_clock{clock_name::queued, "queued → started (server's clock)"},
                                  explained_clock{clock_name::ran, "started → ended (server's clock)"},
                                  explained_clock{clock_name::seen, "ended → event seen"},
                                  explained_clock{clock_name::whole, "POST sent → end seen"},
                                  explained_clock{clock_name::whole_corrected, "POST due → end seen"},
                                  explained_clock{clock_name::result, "GET result"},
                                  explained_clock{clock_name::connection_wait, "wait for a connection"},
                                  explained_clock{clock_name::lateness, "lateness of the harness"}};

std::string row(const char* name, const histogram& clock) {
    char text[200];
    const auto at = [&](double share) { return brief(static_cast<double>(clock.quantile(share)) / 1000); };
    // Arrows are three bytes and one column.
    std::string padded = name;
    const auto arrows = static_cast<std::size_t>(std::ranges::count(padded, '\xe2'));
    padded.resize(std::max(padded.size(), std::size_t{34} + 2 * arrows), ' ');
    std::snprintf(text, sizeof text, "  %s %9s %9s %9s %9s %9s %11s\n", padded.c_str(), at(0.5).c_str(),
                  at(0.9).c_str(), at(0.99).c_str(), at(0.999).c_str(), at(1).c_str(), grouped(clock.count()).c_str());
    return text;
}

std::string listed(const std::map<std::string, std::uint64_t>& from) {
    std::string out;
    for (const auto& [name, count] : from) out += (out.empty() ? "" : ", ") + name + " " + grouped(count);
    return out;
}

std::string load_lines(const report& what, const figures& all) {
    const auto& counts = what.measured.counts;
    std::string out = "  " + grouped(counts.planned) + " due (" + brief(all.at("rate.planned_per_s")) + "/s), " +
                      grouped(counts.accepted) + " accepted (" + brief(all.at("rate.accepted_per_s")) + "/s), " +
                      grouped(counts.ended) +
                      " ended: " + (what.measured.ends.empty() ? "none" : listed(what.measured.ends)) + "\n";
    if (!what.measured.errors.empty())
        out += "  errors: " + listed(what.measured.errors) + " (" + brief(all.at("errors.ratio") * 100) + " %)\n";
    if (!what.measured.retries.empty()) out += "  tried again: " + listed(what.measured.retries) + "\n";
    if (!what.measured.actions.empty()) out += "  actions: " + listed(what.measured.actions) + "\n";
    if (!what.serving.limits_reached.empty())
        out += "  limits the server reached: " + listed(what.serving.limits_reached) + "\n";
    return out;
}

std::string use_lines(const report& what, const figures& all) {
    std::string out = "  harness: " + brief(what.harness.cpu_ratio * 100) + " % of a core at most";
    const auto add = [&](const char* name, const char* before, const char* behind) {
        const auto found = all.find(name);
        if (found != all.end()) out += before + brief(found->second) + behind;
    };
    add("harness.cpu_us_per_execution", ", ", " us of CPU per execution");
    out += ", " + brief(what.harness.rss_mib) + " MiB\n";
    if (what.serving.cpu_seconds < 0) return out;
    out += "  server (process " + std::to_string(what.serving.pid) + "):";
    add("server.cpu_ratio", " ", " cores");
    add("server.cpu_us_per_execution", ", ", " us of CPU per execution");
    add("server.rss_mib", ", ", " MiB");
    add("queue.max", ", queue at most ", "");
    return out + "\n";
}

std::string oracle_lines(const report& what) {
    const auto& measured = what.measured;
    std::string out = "  oracle: " + grouped(measured.counts.checked) + " executions read event by event, " +
                      grouped(measured.counts.audited) + " of them behind the load; " +
                      grouped(measured.counts.reconnects) + " streams broken off and resumed, " +
                      grouped(measured.counts.repeated) + " posts repeated: ";
    if (measured.wrong.total() == 0) return out + "nothing wrong\n";
    out += grouped(measured.wrong.total()) + " breaches (" + listed(measured.wrong.counts()) + ")\n";
    std::size_t shown = 0;
    for (const auto& one : measured.wrong.examples())
        if (shown++ < 10) out += "    " + one + "\n";
    return out;
}

std::string step_lines(const report& what) {
    if (what.steps.empty()) return {};
    std::string out = "  rate      accepted/s   accepted p99   whole p99     errors  \n";
    for (const auto& one : what.steps) {
        const auto at = [&](const char* name) {
            const auto found = one.measured.find(name);
            return found == one.measured.end() ? std::string("-") : brief(found->second);
        };
        char text[200];
        std::snprintf(text, sizeof text, "  %-9s %10s %11s ms %8s ms %10s  ", brief(one.rate).c_str(),
                      at("rate.accepted_per_s").c_str(), at("accepted.p99_ms").c_str(), at("whole.p99_ms").c_str(),
                      at("errors.count").c_str());
        out += text;
        for (const auto& broken : one.broken) out += broken + " ";
        out += "\n";
    }
    const auto knee = what.extra.find("knee.rate_per_s");
    if (knee != what.extra.end()) out += "  knee: " + brief(knee->second) + " a second\n";
    return out;
}

}  // namespace

std::string summary_of(const report& what) {
    const figures all = what.all_figures();
    std::string out = "weir bench " + what.mode + ", " + what.server + ", " + brief(what.seconds) + " s, seed " +
                      std::to_string(what.seed) + ", run " + what.run_id + "\n";
    out += "  expected: " + what.expectation + "\n";
    out += load_lines(what, all);
    out += step_lines(what);
    out += "\n  milliseconds                             p50       p90       p99     p99.9       max       count\n";
    for (const auto& one : explained)
        if (!what.measured.of(one.which).empty()) out += row(one.what, what.measured.of(one.which));
    out += "\n" + use_lines(what, all) + oracle_lines(what);
    for (const auto& note : what.notes) out += "  note: " + note + "\n";
    for (const auto& one : what.thresholds)
        out += "  " + std::string(one.broken ? "broken: " : "kept: ") + one.text +
               (one.value ? " (it is " + json::number(*one.value) + ")" : " (not measured)") + "\n";
    std::string shouted(to_string(what.ended));
    std::ranges::transform(shouted, shouted.begin(), [](unsigned char c) { return std::toupper(c); });
    out += shouted;
    for (std::size_t i = 0; i < what.reasons.size(); ++i) out += (i == 0 ? ": " : "; ") + what.reasons[i];
    return out + "\n";
}

}  // namespace bench
