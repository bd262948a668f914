// A lane is one shard's share of the load: its connections, its clock of arrivals or its users, and what they measured.
#pragma once

#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <unordered_set>
#include <vector>

#include "bench/arrivals.hpp"
#include "bench/calls.hpp"
#include "bench/ledger.hpp"
#include "bench/options.hpp"
#include "bench/recorder.hpp"
#include "bench/workload.hpp"
#include "runtime/base/random.hpp"
#include "runtime/gate.hpp"
#include "runtime/shard.hpp"

namespace bench {

// What all lanes of a process share, read-only but for the ledger, which any thread may write.
struct lane_setup {
    load_options options;
    http::client::url server;
    workload what{workload_text()};
    std::string run_id;
    std::uint64_t seed = 1;
    std::int64_t clock_difference_us = 0;  // the server's clock less ours, taken off what compares the two
    ledger* book = nullptr;
};

// One stretch of load.
struct segment {
    runtime::steady_time begin;
    runtime::nanoseconds ramp{0};
    runtime::nanoseconds warmup{0};
    runtime::nanoseconds length{0};
    double rate = 0;  // of all parts together
    std::uint64_t seed = 0;
};

// What the conductor reads while the load runs.
struct lane_sample {
    counters counts;  // since the lane was made
    std::uint64_t findings = 0;
    std::uint64_t open = 0;
    std::int64_t cpu_ns = 0;  // of the shard's thread, since it began
    histogram accepted;       // since the sample before
    histogram whole;
    histogram lateness;
};

// `--audit all`, within the memory there is.
constexpr std::uint64_t audit_all_max = 5'000'000;

// One that has ended, to be read again.
struct ended_execution {
    std::uint64_t number = 0;
    std::string id;
    std::uint64_t last_event = 0;  // 0: its events were not read
    std::uint64_t digest = 0;
    bool end_seen = false;
};

// Shard: its own, where it is made and goes.
class lane {
  public:
    lane(runtime::shard& home, const lane_setup& setup, load_part part);
    lane(const lane&) = delete;
    lane& operator=(const lane&) = delete;

    // Each returns when its load is over and nothing is open any more, or the drain's time is up.
    runtime::task<recorder> run_arrivals(segment what);
    runtime::task<recorder> run_users(segment what);
    runtime::task<recorder> run_monkeys(segment what);
    // A few executions at once, before the load: the server's clock beside ours.
    runtime::task<recorder> run_first(std::uint64_t count);
    // Reads executions that have ended once more: the same events, the same end.
    runtime::task<recorder> run_audit();

    // No new load; what is open is still followed. Idempotent.
    void stop_load();
    lane_sample take_sample();
    runtime::task<void> stop();

  private:
    friend class monkey;

    runtime::task<recorder> drained();
    void drain_from(runtime::steady_time load_ends);
    runtime::task<void> user(std::uint64_t index, segment what);
    runtime::task<void> execute_later(std::uint64_t number, runtime::steady_time due, bool measured);
    // The life of one execution as a client lives it.
    runtime::task<void> execute(std::uint64_t number, runtime::steady_time due, bool measured);
    runtime::task<post_answer> post_until_decided(std::uint64_t number);
    runtime::task<void> post_again(std::uint64_t number, std::string id);
    runtime::task<void> watch(std::uint64_t number, std::string id, post_answer posted, runtime::steady_time due,
                              bool measured);
    runtime::task<bool> see_end(std::uint64_t number, const std::string& id, event_checker& checker,
                                const call_answer& posted, runtime::steady_time due, bool measured);
    runtime::task<follow_report> follow_while_others_end(const std::string& id, event_checker& checker,
                                                         std::uint64_t break_behind);
    runtime::task<void> read_result(std::uint64_t number, const std::string& id, const event_checker& checker,
                                    bool measured);
    runtime::task<void> one_monkey(std::uint64_t seed, segment what);
    runtime::task<void> audit_some();
    runtime::task<void> audit_one(ended_execution which);

    void note_accepted(const post_answer& posted, const std::string& id, runtime::steady_time due, bool measured);
    void note_times(const event_checker& checker, const follow_report& seen, const call_answer& posted, bool measured);
    void note_end(std::uint64_t number, const std::string& id, const std::string& status, const event_checker* events);
    void note_unfinished(const std::string& id);
    void note_follow(const follow_report& report);
    void measure(clock_name which, runtime::nanoseconds duration, bool measured);
    void keep_for_audit(ended_execution which);
    [[nodiscard]] std::uint64_t next_number();
    [[nodiscard]] std::string key_for(std::uint64_t number) const;
    [[nodiscard]] runtime::steady_time call_deadline() const;
    [[nodiscard]] bool chance(double share) {
        return share > 0 && random_.chance(static_cast<std::uint32_t>(share * 1e6));
    }
    [[nodiscard]] watch_kind watching() const { return first_ ? watch_kind::stream : setup_.options.watch; }
    [[nodiscard]] bool stopping() const { return stop_.stop_requested(); }

    runtime::shard& home_;
    const lane_setup& setup_;
    load_part part_;
    calls calls_;
    runtime::random_source random_;
    recorder now_;
    // Before the load every end is followed, so that the clocks can be compared.
    bool first_ = false;
    counters before_;  // of the segments that are over
    std::uint64_t findings_before_ = 0;
    histogram sampled_accepted_;
    histogram sampled_whole_;
    histogram sampled_lateness_;
    known_ids ids_;
    std::uint64_t made_ = 0;
    std::uint64_t open_ = 0;
    // Until then something must have ended, or what is open counts as lost; each end moves it on, up to give_up_.
    runtime::steady_time end_by_ = runtime::steady_time::never();
    runtime::steady_time give_up_ = runtime::steady_time::never();
    std::vector<ended_execution> audit_;
    std::uint64_t audit_max_;
    // Ids that a monkey asked to cancel: they may end as cancelled.
    std::unordered_set<std::string> cancel_asked_;
    std::uint64_t audit_seen_ = 0;
    std::stop_source stop_;
    std::unique_ptr<runtime::gate> gate_;
};

}  // namespace bench
