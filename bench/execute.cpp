// The life of one execution as a client of the harness lives it.
#include <algorithm>

#include "bench/lane.hpp"
#include "runtime/timer.hpp"

namespace bench {

using runtime::milliseconds;
using runtime::nanoseconds;
using runtime::steady_time;
using runtime::task;

namespace {

constexpr std::uint64_t wait_s_max = 60;
constexpr milliseconds retry_first{100};
constexpr milliseconds retry_max{2'000};

std::string numbered(std::uint64_t number) { return "number " + std::to_string(number); }

}  // namespace

task<void> lane::execute_later(std::uint64_t number, steady_time due, bool measured) {
    // An execution that has begun is followed to its end, also when the load is stopped.
    co_await execute(number, due, measured);
    --open_;
}

task<void> lane::execute(std::uint64_t number, steady_time due, bool measured) {
    measure(clock_name::lateness, home_.time().steady() - due, measured);
    ++now_.counts.sent;
    if (setup_.book != nullptr) setup_.book->posting(number);
    auto posted = co_await post_until_decided(number);
    if (!posted.accepted()) {
        // 202 or 200 without an id breaks the contract; everything else is an error of this call.
        if (posted.call.status == 200 || posted.call.status == 202)
            now_.wrong.add(finding("answer_malformed", numbered(number) + ": accepted without an execution_id"));
        if (setup_.book != nullptr && posted.call.status != 0) setup_.book->refused(number);
        co_return;
    }
    const std::string id = posted.id;
    if (setup_.book != nullptr) setup_.book->accepted(number, id);
    note_accepted(posted, id, due, measured);
    co_await watch(number, id, std::move(posted), due, measured);
}

// With a key, a post whose answer was lost is repeated until it is decided; that is what keys are for.
task<post_answer> lane::post_until_decided(std::uint64_t number) {
    const auto timeout_s = static_cast<std::uint64_t>(setup_.options.timeout.count() / 1000);
    const std::uint64_t wait_s =
        watching() == watch_kind::wait ? std::clamp<std::uint64_t>(timeout_s, 1, wait_s_max) : 0;
    // The answer of a waiting post may come at the very end of its wait.
    const auto limit = std::min(end_by_, home_.time().steady() + setup_.options.timeout + milliseconds(2'000));
    milliseconds pause = retry_first;
    while (true) {
        auto posted = co_await calls_.post(setup_.what.body_of(number), key_for(number), wait_s, limit);
        if (posted.accepted()) co_return posted;
        const bool undecided = posted.call.status == 0 && setup_.options.keys;
        if (!undecided || home_.time().steady() + pause >= limit) {
            now_.error("post." + posted.call.kind());
            co_return posted;
        }
        now_.retry("post." + posted.call.kind());
        co_await runtime::sleep_for(pause);
        pause = std::min(pause * 2, retry_max);
    }
}

void lane::note_accepted(const post_answer& posted, const std::string& id, steady_time due, bool measured) {
    ++now_.counts.accepted;
    const auto& call = posted.call;
    measure(clock_name::connection_wait, call.sent - call.asked, measured);
    if (watching() != watch_kind::wait) {
        measure(clock_name::accepted, call.answered - call.sent, measured);
        measure(clock_name::accepted_corrected, call.answered - due, measured);
    }
    const auto parsed = runtime::execution_id::parse(id);
    if (!parsed) {
        now_.wrong.add(finding("answer_malformed", "execution id " + json::quoted(id) + " is no UUIDv7 in lower case"));
    } else if (!ids_.add(*parsed)) {
        now_.wrong.add(finding("id_given_twice", "execution " + id + " was given to two posts with different keys"));
    }
}

task<void> lane::watch(std::uint64_t number, std::string id, post_answer posted, steady_time due, bool measured) {
    if (setup_.options.keys && chance(setup_.options.repeat_share)) co_await post_again(number, id);
    if (watching() == watch_kind::none) {
        keep_for_audit({number, id, 0, 0, false});
        co_return;
    }
    if (posted.result) {
        measure(clock_name::whole, posted.call.answered - posted.call.sent, measured);
        measure(clock_name::whole_corrected, posted.call.answered - due, measured);
        note_end(number, id, posted.result->status, nullptr);
        check_result(*posted.result, id, number, setup_.what, nullptr, now_.wrong);
        keep_for_audit({number, id, 0, 0, true});
        co_return;
    }
    event_checker checker(id, now_.wrong);
    const call_answer call = std::move(posted.call);
    const bool ended = co_await see_end(number, id, checker, call, due, measured);
    if (!ended) co_return;
    co_await read_result(number, id, checker, measured);
    keep_for_audit({number, id, checker.last(), checker.digest(), true});
}

task<void> lane::post_again(std::uint64_t number, std::string id) {
    const auto again = co_await calls_.post(setup_.what.body_of(number), key_for(number), 0, call_deadline());
    ++now_.counts.repeated;
    if (!again.accepted()) {
        now_.error("repeat." + again.call.kind());
        co_return;
    }
    if (again.id != id)
        now_.wrong.add(finding("key_gave_two", numbered(number) + ": one key gave " + id + " and " + again.id));
    if (!again.replayed)
        now_.wrong.add(finding("replay_unmarked", numbered(number) + ": a repeated post was answered without "
                                                                     "Idempotent-Replayed: true"));
}

// As long as others end, this one may still be waiting for its turn.
task<follow_report> lane::follow_while_others_end(const std::string& id, event_checker& checker,
                                                  std::uint64_t break_behind) {
    follow_report all;
    while (true) {
        follow_options options;
        options.deadline = end_by_;
        options.break_behind = all.reconnects == 0 ? break_behind : 0;
        const auto part = co_await follow(home_, setup_.server, id, checker, now_.wrong, options);
        all.add(part);
        const bool decided = part.end == follow_end::ended || part.end == follow_end::gone;
        if (decided || home_.time().steady() >= std::min(end_by_, give_up_)) co_return all;
    }
}

task<bool> lane::see_end(std::uint64_t number, const std::string& id, event_checker& checker, const call_answer& posted,
                         steady_time due, bool measured) {
    const std::uint64_t break_behind = chance(setup_.options.reconnect_share) ? 1 + random_.below(5) : 0;
    const auto report = co_await follow_while_others_end(id, checker, break_behind);
    note_follow(report);
    if (setup_.book != nullptr && checker.last() > 0) setup_.book->seen(number, checker);
    if (report.end == follow_end::gone) {
        now_.wrong.add(finding("lost", "execution " + id + ": accepted, and now unknown"));
        co_return false;
    }
    if (!checker.ended()) {
        // Whether it ends is not known while nobody answers; the ledger is for that.
        if (report.end == follow_end::lost) now_.error("stream.unreachable");
        if (report.end == follow_end::unfinished) note_unfinished(id);
        co_return false;
    }
    ++now_.counts.checked;
    measure(clock_name::whole, report.end_seen - posted.sent, measured);
    measure(clock_name::whole_corrected, report.end_seen - due, measured);
    note_times(checker, report, posted, measured);
    note_end(number, id, checker.status(), &checker);
    co_return true;
}

void lane::note_times(const event_checker& checker, const follow_report& seen, const call_answer& posted,
                      bool measured) {
    const auto& times = checker.times();
    if (times.requested > 0) now_.difference.observe(posted.sent_us, times.requested, posted.answered_us);
    if (!measured || times.ended == 0) return;
    // An execution that was cancelled while it waited has no start.
    if (times.queued > 0 && times.started > 0) now_.record(clock_name::queued, times.started - times.queued);
    if (times.last_started > 0) now_.record(clock_name::ran, times.ended - times.last_started);
    now_.record(clock_name::seen, seen.end_seen_us - (times.ended - setup_.clock_difference_us));
}

void lane::note_end(std::uint64_t number, const std::string& id, const std::string& status,
                    const event_checker* events) {
    ++now_.counts.ended;
    end_by_ = std::min(give_up_, std::max(end_by_, home_.time().steady() + setup_.options.drain));
    ++now_.ends[status];
    if (setup_.book == nullptr) return;
    if (events == nullptr) setup_.book->ended(number, id, status);
}

void lane::note_unfinished(const std::string& id) {
    // A search for the knee overloads on purpose, and who gives up while others still end knows nothing of this one.
    if (setup_.options.mode == bench_mode::step || home_.time().steady() >= give_up_) {
        now_.error("unfinished");
    } else {
        now_.wrong.add(finding(
            "never_ended", "execution " + id + ": not ended, and nothing else ended either while the harness waited"));
    }
}

void lane::note_follow(const follow_report& report) {
    now_.counts.events += report.events;
    now_.counts.reconnects += report.reconnects;
    now_.counts.resumed += report.resumed;
    for (const auto& [kind, count] : report.retries) now_.retry(kind, count);
}

task<void> lane::read_result(std::uint64_t number, const std::string& id, const event_checker& checker, bool measured) {
    const auto got = co_await calls_.result_of(id, call_deadline());
    if (got.status != 200) {
        // The contract: the result answers before a subscriber sees the end.
        if (got.status == 409 || got.status == 404) {
            now_.wrong.add(finding("result_missing",
                                   "execution " + id + ": ended, but its result is answered with " + got.kind()));
        } else {
            now_.error("result." + got.kind());
        }
        co_return;
    }
    measure(clock_name::result, got.answered - got.sent, measured);
    const auto result = parse_result(got.answer.body);
    if (!result) {
        now_.wrong.add(finding("answer_malformed", "execution " + id + ": its result is none"));
        co_return;
    }
    // A cancellation may have won or come too late.
    if (result->status == "cancelled" && checker.status() == result->status && cancel_asked_.contains(id)) co_return;
    check_result(*result, id, number, setup_.what, &checker, now_.wrong);
}

}  // namespace bench
