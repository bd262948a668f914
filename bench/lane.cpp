#include "bench/lane.hpp"

#include <algorithm>
#include <ctime>

#include "runtime/spawn.hpp"
#include "runtime/timer.hpp"

namespace bench {

using runtime::milliseconds;
using runtime::nanoseconds;
using runtime::steady_time;
using runtime::task;

namespace {

// So many arrivals that were all due already are started before others get a turn.
constexpr std::uint64_t arrivals_in_a_row = 64;
constexpr std::uint64_t audit_readers = 32;

std::uint64_t audit_default(watch_kind watch) {
    switch (watch) {
        case watch_kind::stream: return 100;
        case watch_kind::wait: return 1'000;
        case watch_kind::none: return audit_all_max;
    }
    return 0;
}

std::int64_t thread_cpu_ns() {
    timespec used{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
    return used.tv_sec * 1'000'000'000LL + used.tv_nsec;
}

}  // namespace

lane::lane(runtime::shard& home, const lane_setup& setup, load_part part)
    : home_(home),
      setup_(setup),
      part_(part),
      calls_(home, setup.server, std::max<std::size_t>(1, setup.options.connections_max / setup.options.shards)),
      random_(setup.seed * 0x2545f4914f6cdd1dULL + part.index),
      audit_max_(std::min(setup.options.audit.value_or(audit_default(setup.options.watch)), audit_all_max)),
      gate_(std::make_unique<runtime::gate>(home)) {}

std::uint64_t lane::next_number() { return made_++ * part_.count + part_.index; }

std::string lane::key_for(std::uint64_t number) const {
    return setup_.options.keys ? key_of(setup_.run_id, number) : std::string();
}

steady_time lane::call_deadline() const { return std::min(end_by_, home_.time().steady() + setup_.options.timeout); }

void lane::measure(clock_name which, nanoseconds duration, bool measured) {
    const std::int64_t microseconds = (duration.count() + 500) / 1000;
    if (measured) now_.record(which, microseconds);
    const auto sampled = static_cast<std::uint64_t>(std::max<std::int64_t>(0, microseconds));
    if (which == clock_name::accepted) sampled_accepted_.record(sampled);
    if (which == clock_name::whole) sampled_whole_.record(sampled);
    if (which == clock_name::lateness) sampled_lateness_.record(sampled);
}

lane_sample lane::take_sample() {
    lane_sample out;
    out.counts = before_;
    out.counts.merge(now_.counts);
    out.findings = findings_before_ + now_.wrong.total();
    out.open = open_;
    out.cpu_ns = thread_cpu_ns();
    std::swap(out.accepted, sampled_accepted_);
    std::swap(out.whole, sampled_whole_);
    std::swap(out.lateness, sampled_lateness_);
    return out;
}

void lane::drain_from(steady_time load_ends) {
    end_by_ = load_ends + setup_.options.drain;
    give_up_ = std::max(end_by_, load_ends + setup_.options.drain_max);
}

void lane::stop_load() {
    if (!stop_.request_stop()) return;
    drain_from(home_.time().steady());
    // Who interrupts does not want to wait long.
    give_up_ = end_by_;
}

task<void> lane::stop() {
    stop_load();
    co_await gate_->close();
}

// Waits for what is open, and hands over what was measured.
task<recorder> lane::drained() {
    co_await gate_->close();
    gate_ = std::make_unique<runtime::gate>(home_);
    before_.merge(now_.counts);
    findings_before_ += now_.wrong.total();
    co_return std::exchange(now_, recorder());
}

task<recorder> lane::run_arrivals(segment what) {
    arrivals schedule(setup_.options.arrivals, what.rate, what.ramp, what.seed, part_);
    drain_from(what.begin + what.length);
    std::uint64_t in_a_row = 0;
    while (!stopping()) {
        const auto offset = schedule.next();
        if (offset >= what.length) break;
        const steady_time due = what.begin + offset;
        const auto wait = due - home_.time().steady();
        if (wait.count() > 0) {
            in_a_row = 0;
            const bool slept = co_await runtime::sleep_for(wait, stop_.get_token());
            if (!slept) break;
        } else if (++in_a_row % arrivals_in_a_row == 0) {
            co_await runtime::yield();
        }
        ++now_.counts.planned;
        const std::uint64_t number = next_number();
        if (open_ >= setup_.options.open_max / setup_.options.shards) {
            ++now_.counts.dropped;
            now_.error("not_sent.open_max");
            continue;
        }
        ++open_;
        runtime::spawn(*gate_, home_, execute_later(number, due, offset >= what.warmup));
    }
    co_return co_await drained();
}

task<recorder> lane::run_users(segment what) {
    drain_from(what.begin + what.length);
    for (std::uint64_t i = part_.index; i < setup_.options.users; i += part_.count)
        runtime::spawn(*gate_, home_, user(i, what));
    co_return co_await drained();
}

// Submit, see the end, read the result, think. The first thought is cut at random, so that users do not march in step.
task<void> lane::user(std::uint64_t, segment what) {
    const auto end = what.begin + what.length;
    const auto think = static_cast<double>(nanoseconds(setup_.options.think).count());
    double share = static_cast<double>(random_.below(1'000'000)) * 1e-6;
    steady_time due = home_.time().steady();
    while (true) {
        if (setup_.options.think_varies) share = exponential(random_);
        due = due + nanoseconds(static_cast<std::int64_t>(think * share));
        share = 1;
        if (due >= end) break;
        const auto wait = due - home_.time().steady();
        if (wait.count() > 0) {
            const bool slept = co_await runtime::sleep_for(wait, stop_.get_token());
            if (!slept) break;
        }
        if (stopping()) break;
        ++now_.counts.planned;
        ++open_;
        co_await execute_later(next_number(), due, due - what.begin >= what.warmup);
        due = home_.time().steady();
        // Without a thought between, other users must get their turn.
        if (think == 0) co_await runtime::yield();
    }
}

task<recorder> lane::run_first(std::uint64_t count) {
    drain_from(home_.time().steady());
    first_ = true;
    for (std::uint64_t i = 0; i < count; ++i) {
        ++now_.counts.planned;
        ++open_;
        runtime::spawn(*gate_, home_, execute_later(next_number(), home_.time().steady(), true));
    }
    co_await gate_->close();
    first_ = false;
    co_return co_await drained();
}

void lane::keep_for_audit(ended_execution which) {
    if (first_) return;
    ++audit_seen_;
    if (audit_.size() < audit_max_) {
        audit_.push_back(std::move(which));
        return;
    }
    // Each execution has the same chance to be among the kept.
    const std::uint64_t place = audit_max_ == 0 ? 0 : random_.below(audit_seen_);
    if (place < audit_max_) audit_[place] = std::move(which);
}

task<recorder> lane::run_audit() {
    drain_from(home_.time().steady());
    for (std::uint64_t i = 0; i < audit_readers; ++i) runtime::spawn(*gate_, home_, audit_some());
    co_await gate_->close();
    // Whose end nobody has seen is no execution that ended once.
    for (const auto& unread : audit_)
        if (!unread.end_seen) now_.error("audit.unread");
    co_return co_await drained();
}

task<void> lane::audit_some() {
    while (!audit_.empty() && home_.time().steady() < end_by_) {
        ended_execution one = std::move(audit_.back());
        audit_.pop_back();
        co_await audit_one(std::move(one));
    }
}

task<void> lane::audit_one(ended_execution which) {
    event_checker checker(which.id, now_.wrong);
    const auto report = co_await follow_while_others_end(which.id, checker, 0);
    note_follow(report);
    if (report.end == follow_end::gone)
        now_.wrong.add(finding("lost", "execution " + which.id + ": accepted, and now unknown"));
    if (!checker.ended()) {
        if (report.end == follow_end::unfinished) note_unfinished(which.id);
        if (report.end == follow_end::lost) now_.error("audit.unreachable");
        co_return;
    }
    ++now_.counts.audited;
    ++now_.counts.checked;
    if (!which.end_seen) note_end(which.number, which.id, checker.status(), nullptr);
    if (which.last_event == 0) {
        co_await read_result(which.number, which.id, checker, false);
    } else if (checker.last() != which.last_event || checker.digest() != which.digest) {
        now_.wrong.add(finding("event_changed", "execution " + which.id + ": its events are not those read before"));
    }
}

}  // namespace bench
