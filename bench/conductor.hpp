// Leads a run: wakes the lanes, watches server and harness while they work, and gathers what they measured.
#pragma once

#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "bench/lane.hpp"
#include "bench/progress.hpp"
#include "bench/report.hpp"
#include "bench/server_watch.hpp"
#include "runtime/gate.hpp"
#include "runtime/shard_thread.hpp"

namespace bench {

// Shard: 0 of the group.
class conductor {
  public:
    // `setup` is completed (seed, clocks, what to expect) before a lane sees it.
    conductor(runtime::shard_group& shards, lane_setup& setup, progress& shown);
    ~conductor();
    conductor(const conductor&) = delete;
    conductor& operator=(const conductor&) = delete;

    // The whole run. False when the server could not be reached at all; the report then has a note that says why.
    runtime::task<bool> run(report& into);
    // Ends the load early; what is open is still followed. On shard 0.
    runtime::task<void> interrupt();

  private:
    enum class work : std::uint8_t { arrivals, users, monkeys, audit };

    runtime::task<void> make_lanes();
    runtime::task<void> stop_lanes();
    runtime::task<bool> look_first(report& into);
    runtime::task<recorder> run_on_all(work what, segment length);
    runtime::task<void> run_on_one(std::size_t which, work what, segment length, recorder* into);
    // One stretch of load with its watching, drained.
    runtime::task<recorder> run_segment(work what, double rate, runtime::seconds length, report& into);
    runtime::task<void> run_load(report& into);
    runtime::task<void> run_steps(report& into);
    runtime::task<bool> run_step(double rate, report& into);

    runtime::task<void> tick_along(report* into, std::stop_token until);
    runtime::task<void> tick(report& into);
    void note_tick(const std::vector<lane_sample>& lanes, const server_sample& server, double elapsed, report& into);
    void note_period(const series_point& now, const counters& counts, report& into);
    void note_drift(report& into) const;

    runtime::shard_group& shards_;
    runtime::shard& home_;
    lane_setup& setup_;
    progress& shown_;
    server_watch server_;
    std::vector<std::unique_ptr<lane>> lanes_;

    // Of the load that runs now.
    runtime::steady_time begun_;
    runtime::steady_time ticked_;
    double length_s_ = 0;
    counters begun_counts_;
    counters ticked_counts_;
    std::vector<std::int64_t> cpu_begun_;
    std::vector<std::int64_t> cpu_ticked_;
    std::optional<process_use> server_ticked_;
    double segment_cpu_ratio_ = 0;
    series points_;
    series_point period_point_;
    histogram period_accepted_;
    histogram period_whole_;
    double offset_s_ = 0;  // of the points, for the steps behind the first
    bool interrupted_ = false;
};

}  // namespace bench
