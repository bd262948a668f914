#include "bench/conductor.hpp"

#include <sys/resource.h>

#include <algorithm>

#include "runtime/spawn.hpp"
#include "runtime/submit.hpp"
#include "runtime/timer.hpp"

namespace bench {

using runtime::milliseconds;
using runtime::nanoseconds;
using runtime::seconds;
using runtime::steady_time;
using runtime::task;

namespace {

// Sent before the load: they bound the difference of the clocks, and meet what is wrong from the start.
constexpr std::uint64_t first_executions = 5;

double in_seconds(nanoseconds what) { return static_cast<double>(what.count()) * 1e-9; }

double own_cpu_seconds() {
    rusage used{};
    getrusage(RUSAGE_SELF, &used);
    return static_cast<double>(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
           static_cast<double>(used.ru_utime.tv_usec + used.ru_stime.tv_usec) * 1e-6;
}

double own_rss_mib() {
    rusage used{};
    getrusage(RUSAGE_SELF, &used);
    return static_cast<double>(used.ru_maxrss) / 1024;
}

std::uint64_t pid_to_watch(const lane_setup& setup) {
    if (setup.options.server_pid != 0) return setup.options.server_pid;
    return is_loopback(setup.server.host) ? find_listener(setup.server.port) : 0;
}

}  // namespace

conductor::conductor(runtime::shard_group& shards, lane_setup& setup, progress& shown)
    : shards_(shards),
      home_(shards[0]),
      setup_(setup),
      shown_(shown),
      server_(home_, setup.server, pid_to_watch(setup)),
      lanes_(setup.options.shards) {}

conductor::~conductor() = default;

task<void> conductor::make_lanes() {
    const auto& process = setup_.options.process;
    for (std::size_t i = 0; i < lanes_.size(); ++i) {
        const auto count = static_cast<std::uint32_t>(lanes_.size());
        const load_part part{process.index * count + static_cast<std::uint32_t>(i), process.count * count};
        auto make = [this, i, part] { lanes_[i] = std::make_unique<lane>(shards_[i], setup_, part); };
        co_await runtime::submit(shards_[i], make);
    }
}

task<void> conductor::stop_lanes() {
    for (std::size_t i = 0; i < lanes_.size(); ++i) {
        auto stop = [this, i]() -> task<void> { return lanes_[i]->stop(); };
        co_await runtime::submit(shards_[i], stop);
        auto drop = [this, i] { lanes_[i].reset(); };
        co_await runtime::submit(shards_[i], drop);
    }
}

task<void> conductor::interrupt() {
    interrupted_ = true;
    for (std::size_t i = 0; i < lanes_.size(); ++i) {
        auto stop = [this, i] {
            if (lanes_[i]) lanes_[i]->stop_load();
        };
        co_await runtime::submit(shards_[i], stop);
    }
}

// What the server is, and whether the first executions come out as they should.
task<bool> conductor::look_first(report& into) {
    const std::string described = co_await server_.describe();
    const bool noop = described.find("executor: noop") != std::string::npos;
    auto& options = setup_.options;
    if (options.expect == expectation::automatic && noop) {
        auto text = setup_.what.text();
        text.expected_output = "";
        setup_.what = workload(std::move(text));
    }
    const auto& output = setup_.what.text().expected_output;
    into.expectation = setup_.what.expected_status() +
                       (!output           ? ", any output"
                        : output->empty() ? ", no output"
                                          : ", output " + json::quoted(*output)) +
                       (noop && options.expect == expectation::automatic ? " (the server's executor is noop)" : "");
    if (setup_.book != nullptr) setup_.book->begin(setup_.run_id, options.server, options.keys, setup_.what);
    co_await make_lanes();
    auto first = co_await lanes_[0]->run_first(first_executions);
    if (first.counts.accepted == 0 && first.wrong.total() == 0) {
        const std::string why = first.errors.empty() ? "no answer" : first.errors.begin()->first;
        into.notes.push_back("no execution was accepted: " + why);
        const bool answered =
            std::ranges::none_of(first.errors, [](const auto& one) { return one.first.starts_with("post.network."); });
        into.measured.errors = first.errors;
        into.measured.counts.errors = first.counts.errors;
        co_return answered;
    }
    // Not measured, but judged: their breaches and errors count.
    into.measured.wrong.merge(first.wrong);
    into.measured.difference.merge(first.difference);
    setup_.clock_difference_us = first.difference.best_us();
    if (setup_.clock_difference_us != 0)
        into.notes.push_back("the server's clock differs by " + std::to_string(setup_.clock_difference_us) +
                             " us; it is taken off what compares it with ours");
    co_return true;
}

task<void> conductor::run_on_one(std::size_t which, work what, segment length, recorder* into) {
    auto start = [this, which, what, length]() -> task<recorder> {
        auto& own = *lanes_[which];
        switch (what) {
            case work::arrivals: return own.run_arrivals(length);
            case work::users: return own.run_users(length);
            case work::monkeys: return own.run_monkeys(length);
            case work::audit: break;
        }
        return own.run_audit();
    };
    *into = co_await runtime::submit(shards_[which], start);
}

task<recorder> conductor::run_on_all(work what, segment length) {
    std::vector<recorder> parts(lanes_.size());
    runtime::gate running(home_);
    for (std::size_t i = 0; i < lanes_.size(); ++i)
        runtime::spawn(running, home_, run_on_one(i, what, length, &parts[i]));
    co_await running.close();
    recorder out;
    for (const auto& one : parts) out.merge(one);
    co_return out;
}

task<recorder> conductor::run_segment(work what, double rate, seconds length, report& into) {
    const auto& options = setup_.options;
    segment whole;
    // A moment ahead, so that no lane begins late.
    whole.begin = home_.time().steady() + milliseconds(20);
    whole.length = length;
    whole.rate = rate;
    whole.seed = setup_.seed + static_cast<std::uint64_t>(into.steps.size());
    if (into.steps.empty()) {
        whole.ramp = options.ramp;
        whole.warmup = options.warmup;
    }
    begun_ = ticked_ = whole.begin;
    length_s_ = in_seconds(length);
    segment_cpu_ratio_ = 0;
    ticked_counts_ = counters();
    cpu_begun_.clear();
    for (std::size_t i = 0; i < lanes_.size(); ++i) {
        auto ask = [this, i] { return lanes_[i]->take_sample(); };
        const auto sample = co_await runtime::submit(shards_[i], ask);
        cpu_begun_.push_back(sample.cpu_ns);
        ticked_counts_.merge(sample.counts);
    }
    cpu_ticked_ = cpu_begun_;
    begun_counts_ = ticked_counts_;
    std::stop_source ended;
    runtime::gate watching(home_);
    runtime::spawn(watching, home_, tick_along(&into, ended.get_token()));
    auto out = co_await run_on_all(what, whole);
    ended.request_stop();
    co_await watching.close();
    co_await tick(into);
    offset_s_ += in_seconds(home_.time().steady() - begun_);
    const double took = in_seconds(home_.time().steady() - begun_);
    into.seconds = interrupted_ ? std::min(took, length_s_) : length_s_;
    into.harness.cpu_ratio = std::max(into.harness.cpu_ratio, segment_cpu_ratio_);
    co_return out;
}

task<void> conductor::run_load(report& into) {
    const auto& options = setup_.options;
    if (options.mode == bench_mode::step) co_return co_await run_steps(into);
    const work what = options.mode == bench_mode::users    ? work::users
                      : options.mode == bench_mode::monkey ? work::monkeys
                                                           : work::arrivals;
    auto measured = co_await run_segment(what, options.rate, options.duration, into);
    into.measured.merge(measured);
    if (options.mode == bench_mode::soak) note_drift(into);
}

task<bool> conductor::run(report& into) {
    into.started_at = runtime::to_rfc3339(home_.time().utc());
    const bool reached = co_await look_first(into);
    if (!reached) {
        co_await stop_lanes();
        co_return false;
    }
    const double cpu_before = own_cpu_seconds();
    const auto server_before = co_await server_.sample();
    const auto begun = home_.time().steady();
    server_ticked_ = server_before.use;
    co_await run_load(into);
    into.seconds_in_all = in_seconds(home_.time().steady() - begun);
    into.harness.cpu_seconds = own_cpu_seconds() - cpu_before;
    const auto server_after = co_await server_.sample();
    into.serving.pid = server_.pid();
    if (server_before.use && server_after.use)
        into.serving.cpu_seconds = server_after.use->cpu_seconds - server_before.use->cpu_seconds;
    for (const auto& [name, value] : server_after.metrics) {
        if (!name.starts_with("weir_limit_reached_total{")) continue;
        const auto before = server_before.metrics.find(name);
        const double more = value - (before == server_before.metrics.end() ? 0 : before->second);
        const auto quote = name.find('"') + 1;
        if (more > 0)
            into.serving.limits_reached[name.substr(quote, name.rfind('"') - quote)] = static_cast<std::uint64_t>(more);
    }
    const auto audited = co_await run_on_all(work::audit, segment());
    into.measured.merge(audited);
    into.harness.rss_mib = own_rss_mib();
    into.points = points_.points();
    if (setup_.book != nullptr && setup_.book->failures() > 0) into.measured.error("ledger.not_written");
    if (interrupted_) into.notes.emplace_back("interrupted: the load ended early");
    co_await stop_lanes();
    co_return true;
}

task<void> conductor::tick_along(report* into, std::stop_token until) {
    for (steady_time next = begun_ + seconds(1);; next = next + seconds(1)) {
        const bool slept = co_await runtime::sleep_for(next - home_.time().steady(), until);
        if (!slept || until.stop_requested()) co_return;
        co_await tick(*into);
    }
}

task<void> conductor::tick(report& into) {
    std::vector<lane_sample> lanes;
    for (std::size_t i = 0; i < lanes_.size(); ++i) {
        auto ask = [this, i] { return lanes_[i]->take_sample(); };
        auto sample = co_await runtime::submit(shards_[i], ask);
        lanes.push_back(std::move(sample));
    }
    const auto now = home_.time().steady();
    const double elapsed = in_seconds(now - ticked_);
    // What is left behind the last whole second of a run is too short to draw.
    if (elapsed < 0.2) co_return;
    const auto server = co_await server_.sample();
    ticked_ = now;
    note_tick(lanes, server, elapsed, into);
}

void conductor::note_tick(const std::vector<lane_sample>& lanes, const server_sample& server, double elapsed,
                          report& into) {
    counters counts;
    histogram accepted, whole, lateness;
    series_point point;
    const double since = in_seconds(ticked_ - begun_);
    for (std::size_t i = 0; i < lanes.size(); ++i) {
        counts.merge(lanes[i].counts);
        accepted.merge(lanes[i].accepted);
        whole.merge(lanes[i].whole);
        lateness.merge(lanes[i].lateness);
        point.open += static_cast<double>(lanes[i].open);
        const auto used = static_cast<double>(lanes[i].cpu_ns - cpu_ticked_[i]) * 1e-9 / elapsed;
        point.harness_cpu = std::max(point.harness_cpu, used);
        cpu_ticked_[i] = lanes[i].cpu_ns;
        // While the load runs; the drain behind it would only dilute it.
        const auto so_far = static_cast<double>(lanes[i].cpu_ns - cpu_begun_[i]) * 1e-9 / std::max(0.001, since);
        if (since <= length_s_ + 0.5 || segment_cpu_ratio_ == 0)
            segment_cpu_ratio_ = i == 0 ? so_far : std::max(segment_cpu_ratio_, so_far);
    }
    const auto rate = [&](std::uint64_t counters::* which) {
        return static_cast<double>(counts.*which - ticked_counts_.*which) / elapsed;
    };
    const auto milliseconds_at = [](const histogram& from, double share) {
        return from.empty() ? -1 : static_cast<double>(from.quantile(share)) / 1000;
    };
    point.at_s = offset_s_ + since;
    point.length_s = elapsed;
    point.planned_per_s = rate(&counters::planned);
    point.accepted_per_s = rate(&counters::accepted);
    point.ended_per_s = rate(&counters::ended);
    point.errors_per_s = rate(&counters::errors);
    ticked_counts_ = counts;
    point.queued = server.queued.value_or(-1);
    point.accepted_p50_ms = milliseconds_at(accepted, 0.5);
    point.accepted_p99_ms = milliseconds_at(accepted, 0.99);
    point.whole_p99_ms = milliseconds_at(whole, 0.99);
    point.lateness_p99_ms = milliseconds_at(lateness, 0.99);
    if (server.use) {
        if (server_ticked_) point.server_cpu = (server.use->cpu_seconds - server_ticked_->cpu_seconds) / elapsed;
        point.server_rss_mib = server.use->rss_mib;
        into.serving.rss_mib = std::max(into.serving.rss_mib, point.server_rss_mib);
    }
    server_ticked_ = server.use;
    into.serving.queue_max = std::max(into.serving.queue_max, point.queued);
    points_.add(point);
    if (setup_.options.mode == bench_mode::soak) {
        period_accepted_.merge(accepted);
        period_whole_.merge(whole);
        note_period(point, counts, into);
    }
    progress::state state;
    state.mode = into.mode;
    state.of_s = length_s_;
    state.counts = counts;
    state.counts.accepted -= begun_counts_.accepted;
    state.counts.ended -= begun_counts_.ended;
    state.counts.errors -= begun_counts_.errors;
    for (const auto& one : lanes) state.findings += one.findings;
    state.now = point;
    shown_.show(state);
}

}  // namespace bench
