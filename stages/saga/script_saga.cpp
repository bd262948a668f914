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
    : state_(state), seats_(seats), worker_(worker), archive_(archive), gate_(state.home) {
    seats_.on_seated([this](std::shared_ptr<execution> e) {
        e->waits_for = pending::commit;
        runtime::spawn(gate_, state_.home, take_turn(std::move(e)));
    });
}

void script_saga::hand_over(std::shared_ptr<execution> e) { archive_.add(std::move(e)); }

std::optional<std::uint64_t> script_saga::queue_position(const execution& e) const { return seats_.position(e); }

// The life of an execution: begin(), then a turn for each attempt; at its end settle() decides what follows. Every line
// that changes an execution appends a record; after a crash, recovery folds the records and comes in here again, at the
// step that the state names.
void script_saga::begin(std::shared_ptr<execution> e) {
    const bool cut_off = e->status != pipeline::status::queued;
    WEIR_SOMETIMES(cut_off, "an attempt died with its server");
    WEIR_SOMETIMES(cut_off && e->cancellation_requested, "a cancelled attempt died with its server");
    if (!cut_off) return queue_up(std::move(e));
    // A start without an outcome: the attempt's box died with its server, and its number is never started again.
    auto lost = lost_with_the_server(e->cancellation_requested);
    settle_soon(std::move(e), std::move(lost));
}

void script_saga::queue_up(std::shared_ptr<execution> e) {
    WEIR_SOMETIMES(e->cancellation_requested, "a cancellation came before the start");
    if (e->cancellation_requested) return settle_soon(std::move(e), cancelled_before_start());
    const bool too_early = e->not_before.microseconds_since_epoch > state_.home.time().utc().microseconds_since_epoch;
    if (too_early) {
        e->waits_for = pending::timer;
        runtime::spawn(gate_, state_.home, queue_up_after_backoff(std::move(e)));
        return;
    }
    e->waits_for = pending::seat;
    seats_.enqueue(*e);
}

task<void> script_saga::queue_up_after_backoff(std::shared_ptr<execution> e) {
    const std::stop_callback on_stop(starts_nothing_more_.get_token(), [&e] { e->changed.notify_all(); });
    while (!e->cancellation_requested && !starts_nothing_more_.stop_requested()) {
        const auto& time = state_.home.time();
        const auto left_us = e->not_before.microseconds_since_epoch - time.utc().microseconds_since_epoch;
        if (left_us <= 0) break;
        WEIR_SOMETIMES(true, "a further attempt waited for its time");
        if (runtime::planted(runtime::planted_bug::forgotten_timer)) co_await e->changed.wait();
        co_await e->changed.wait_until(time.steady() + runtime::microseconds(left_us));
    }
    if (!starts_nothing_more_.stop_requested()) queue_up(std::move(e));
}

void script_saga::cancelled(std::shared_ptr<execution> e) {
    if (seats_.leave(*e)) return settle_soon(std::move(e), cancelled_before_start());
    e->changed.notify_all();  // it may wait for the time of its next attempt
}

task<void> script_saga::take_turn(std::shared_ptr<execution> e) {
    outcome came = runtime::error_code(boost::asio::error::operation_aborted);
    {
        const coordinator::coordinator::seat mine(seats_, e);
        if (e->cancellation_requested) {
            came = attempt_outcome();
            came->verdict = cancelled_before_start();
        } else if (!starts_nothing_more_.stop_requested()) {
            e->cancel_program = std::stop_source();
            const std::stop_callback end_with_server(ends_programs_.get_token(),
                                                     [&e] { e->cancel_program.request_stop(); });
            came = co_await run_attempt(state_, worker_, e);
            const bool cut_off = ends_programs_.stop_requested() && !e->cancellation_requested && came &&
                                 came->verdict.status == pipeline::status::cancelled;
            if (cut_off) came = runtime::error_code(boost::asio::error::operation_aborted);
        }
    }
    co_await settle(std::move(e), std::move(came));
}

// An attempt is over: there is another one, or the execution has ended. An error is a log that has failed, or a server
// that stops: the next start goes on from what is durable.
task<void> script_saga::settle(std::shared_ptr<execution> e, outcome came) {
    const auto input = e->input;
    if (came && another_attempt_follows(*e, came->verdict)) {
        pipeline::attempt_ended_record ended{std::move(came->verdict), state_.home.time().utc()};
        // Those of the last attempt are the execution's.
        ended.verdict.artifacts.clear();
        ended.next_not_before.microseconds_since_epoch += backoff_before_next(*e).count();
        const auto recorded = co_await state_.transitions.end_attempt(e, std::move(ended));
        if (recorded && !starts_nothing_more_.stop_requested()) co_return queue_up(std::move(e));
    } else if (came) {
        const auto concluded =
            co_await state_.transitions.conclude(e, std::move(came->verdict), std::move(came->artifacts));
        if (concluded) archive_.add(std::move(e));
    }
    if (input) input->close();
}

void script_saga::settle_soon(std::shared_ptr<execution> e, pipeline::verdict_view verdict) {
    e->waits_for = pending::commit;
    attempt_outcome came;
    came.verdict = std::move(verdict);
    runtime::spawn(gate_, state_.home, settle(std::move(e), std::move(came)));
}

task<void> script_saga::stop(runtime::nanoseconds grace) {
    seats_.close();
    starts_nothing_more_.request_stop();
    const auto end = state_.home.time().steady() + grace;
    while (gate_.count() > 0 && state_.home.time().steady() < end)
        co_await runtime::sleep_for(runtime::milliseconds(5));
    ends_programs_.request_stop();
    co_await gate_.close();
}

}  // namespace stages::saga
