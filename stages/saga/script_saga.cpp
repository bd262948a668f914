#include "stages/saga/script_saga.hpp"

#include <boost/asio/error.hpp>

#include "runtime/base/marks.hpp"
#include "runtime/base/planted_bug.hpp"
#include "runtime/spawn.hpp"
#include "stages/saga/attempt.hpp"
#include "stages/saga/verdicts.hpp"

namespace stages::saga {

using pipeline::execution;
using pipeline::pending;
using runtime::task;

script_saga::script_saga(pipeline::shard_state& state, coordinator::coordinator& seats, worker::worker& worker,
                         result::hand_over& archive)
    : state_(state), seats_(seats), worker_(worker), archive_(archive), gate_(state.home) {}

void script_saga::begin(std::shared_ptr<execution> e) {
    e->waits_for = pending::commit;
    runtime::spawn(gate_, state_.home, live(std::move(e)));
}

void script_saga::hand_over(std::shared_ptr<execution> e) { archive_.add(std::move(e)); }

std::optional<std::uint64_t> script_saga::queue_position(const execution& e) const { return seats_.position(e); }

// The life of an execution. Every line that changes it appends a record; after a crash, recovery folds the records and
// comes in here again, at the step that the state names.
task<void> script_saga::live(std::shared_ptr<execution> e) {
    // A start without an outcome: the attempt's box died with its server, and its number is never started again.
    const bool cut_off = e->status != pipeline::status::queued;
    WEIR_SOMETIMES(cut_off, "an attempt died with its server");
    WEIR_SOMETIMES(cut_off && e->cancellation_requested, "a cancelled attempt died with its server");
    attempt_outcome lost;
    lost.verdict = lost_with_the_server(e->cancellation_requested);
    runtime::result<attempt_outcome> outcome = std::move(lost);
    if (!cut_off) outcome = co_await next_attempt(e);

    while (outcome && another_attempt_follows(*e, outcome->verdict)) {
        pipeline::attempt_ended_record ended{std::move(outcome->verdict), state_.home.time().utc()};
        // Those of the last attempt are the execution's.
        ended.verdict.artifacts.clear();
        ended.next_not_before.microseconds_since_epoch += backoff_before_next(*e).count();
        const auto recorded = co_await state_.transitions.end_attempt(e, std::move(ended));
        if (!recorded) outcome = recorded.error();
        if (recorded) outcome = co_await next_attempt(e);
    }

    if (outcome) {
        const auto concluded =
            co_await state_.transitions.conclude(e, std::move(outcome->verdict), std::move(outcome->artifacts));
        if (concluded) archive_.add(e);
    }
    // Otherwise the log has failed or the server stops: the next start goes on from what is durable.
}

namespace {

attempt_outcome cancelled() {
    attempt_outcome out;
    out.verdict = cancelled_before_start();
    return out;
}

}  // namespace

task<runtime::result<attempt_outcome>> script_saga::next_attempt(std::shared_ptr<execution> e) {
    co_await wait_for_backoff(e);
    WEIR_SOMETIMES(e->cancellation_requested, "a cancellation came before the start");
    if (e->cancellation_requested) co_return cancelled();

    seats_.enqueue(*e);
    e->waits_for = pending::seat;
    const auto seat = co_await seats_.seat_for(e, starts_nothing_more_.get_token());
    e->waits_for = pending::commit;
    if (e->cancellation_requested) co_return cancelled();
    if (!seat) co_return runtime::error_code(boost::asio::error::operation_aborted);

    const std::stop_callback end_with_server(ends_programs_.get_token(), [&e] { e->cancel_program.request_stop(); });
    auto outcome = co_await run_attempt(state_, worker_, e);
    const bool cut_off = ends_programs_.stop_requested() && !e->cancellation_requested && outcome &&
                         outcome->verdict.status == pipeline::status::cancelled;
    if (cut_off) co_return runtime::error_code(boost::asio::error::operation_aborted);
    co_return outcome;
}

task<void> script_saga::wait_for_backoff(std::shared_ptr<execution> e) {
    e->waits_for = pending::timer;
    const std::stop_callback on_stop(starts_nothing_more_.get_token(), [&e] { e->changed.notify_all(); });
    while (!e->cancellation_requested && !starts_nothing_more_.stop_requested()) {
        const auto& time = state_.home.time();
        const auto left_us = e->not_before.microseconds_since_epoch - time.utc().microseconds_since_epoch;
        if (left_us <= 0) break;
        WEIR_SOMETIMES(true, "a further attempt waited for its time");
        if (runtime::planted(runtime::planted_bug::forgotten_timer)) co_await e->changed.wait();
        co_await e->changed.wait_until(time.steady() + runtime::microseconds(left_us));
    }
    e->waits_for = pending::commit;
}

task<void> script_saga::stop(runtime::nanoseconds grace) {
    starts_nothing_more_.request_stop();
    const auto end = state_.home.time().steady() + grace;
    while (gate_.count() > 0 && state_.home.time().steady() < end)
        co_await runtime::sleep_for(runtime::milliseconds(5));
    ends_programs_.request_stop();
    co_await gate_.close();
}

}  // namespace stages::saga
