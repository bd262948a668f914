// The result of a run: what was asked, what was measured, and the verdict. As JSON it follows
// docs/bench-report.schema.json and loses nothing, so that reports of several processes can be merged.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "bench/options.hpp"
#include "bench/recorder.hpp"
#include "bench/thresholds.hpp"

namespace bench {

// One stretch of time, mostly a second: rates are per second of it, percentiles of what was answered in it.
struct series_point {
    double at_s = 0;  // its end, since the load began
    double length_s = 0;
    double planned_per_s = 0;
    double accepted_per_s = 0;
    double ended_per_s = 0;
    double errors_per_s = 0;
    double open = 0;
    double queued = 0;  // by the server's /metrics; -1: unknown, as below
    double accepted_p50_ms = -1;
    double accepted_p99_ms = -1;
    double whole_p99_ms = -1;
    double lateness_p99_ms = -1;
    double harness_cpu = 0;  // of one core, the busiest thread
    double server_cpu = -1;  // of one core, all threads
    double server_rss_mib = -1;
};

// Bounded: when full, each two points become one of twice the length.
class series {
  public:
    static constexpr std::size_t points_max = 1'200;
    void add(const series_point& one);
    [[nodiscard]] const std::vector<series_point>& points() const { return points_; }

  private:
    std::vector<series_point> points_;
    std::optional<series_point> half_;
    std::size_t folded_ = 1;  // how many added points make one
    std::size_t pending_ = 0;
};
series_point joined(const series_point& a, const series_point& b);

struct step_result {
    double rate = 0;
    double seconds = 0;
    figures measured;
    std::vector<std::string> broken;  // conditions that held
};

struct threshold_result {
    std::string text;
    std::optional<double> value;  // nothing: not measured in this run
    bool broken = false;
};

struct harness_use {
    double cpu_seconds = 0;  // all threads
    double cpu_ratio = 0;    // the busiest thread, of one core, while the load ran
    double rss_mib = 0;
};

struct server_use {
    std::uint64_t pid = 0;  // 0: not known
    double cpu_seconds = -1;
    double rss_mib = -1;  // the largest seen
    double queue_max = -1;
    std::map<std::string, std::uint64_t> limits_reached;
};

enum class verdict : std::uint8_t { ok, failed, wrong, invalid };
std::string_view to_string(verdict what);
// 0, 1, 1 and 6.
int exit_code_of(verdict what);

struct report {
    std::string mode;
    std::string server;
    std::string run_id;
    std::string started_at;
    std::string expectation;  // what was expected of each execution, in words
    std::uint64_t seed = 0;
    std::uint64_t shards = 1;
    std::uint64_t processes = 1;
    json::object options;  // as typed, for the reader
    double lateness_max_ms = 0;
    double cpu_max = 0;
    bool timing_counts = true;  // false for monkeys
    double seconds = 0;         // of the load, without the drain
    double seconds_in_all = 0;
    recorder measured;
    harness_use harness;
    server_use serving;
    std::vector<series_point> points;
    std::vector<step_result> steps;
    std::vector<series_point> periods;  // of a soak
    // Of a search for the knee: why it cannot be told, or empty.
    std::string harness_limit;
    figures extra;  // of the mode: knee.rate_per_s, drift.…
    std::vector<std::string> notes;
    std::vector<threshold_result> thresholds;
    verdict ended = verdict::ok;
    std::vector<std::string> reasons;

    [[nodiscard]] figures all_figures() const;
};

// Rates are over `length` seconds.
figures figures_of(const recorder& measured, double length);

// Fills thresholds, verdict and reasons. Without a condition about errors, any error fails the run.
void judge(report& what, const std::vector<std::string>& fail_if);

json::value to_json(const report& what);
// Nothing, and a sentence, when it is no report of this format.
std::optional<report> report_from_json(const json::value& from, std::string& mistake);
// Several processes of one run, or runs side by side, become one. The verdict is judged anew by the caller.
report merge_reports(const std::vector<report>& parts);

// What a person reads at the end.
std::string summary_of(const report& what);

}  // namespace bench
