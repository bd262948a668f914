// The only way to limit a wait in time.
#pragma once

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/system/system_error.hpp>
#include <memory>
#include <optional>
#include <type_traits>

#include "runtime/base/result.hpp"
#include "runtime/shard.hpp"
#include "runtime/task.hpp"

namespace runtime {

// Awaits `work`; at `deadline` cancels it (terminal), waits until it has ended, and answers timed_out if it gave up.
// Work that finished all the same keeps its value: nothing ready is dropped. Cancelling the caller cancels the work.
template <class T>
task<result<T>> with_deadline(steady_time deadline, task<T> work) {
    struct state {
        asio::cancellation_signal signal;
        bool expired = false;
    };
    // However the wait ends, the timer goes.
    struct armed_timer {
        shard& home;
        timer_queue::ticket ticket;
        ~armed_timer() { home.timers().cancel(ticket); }
    };
    shard& home = shard::here();
    auto shared = std::make_shared<state>();
    const armed_timer timer{home, home.timers().add(deadline, [shared] {
                                shared->expired = true;
                                shared->signal.emit(asio::cancellation_type::terminal);
                            })};
    // Asio clears the slot itself when this task goes on.
    auto parent = (co_await asio::this_coro::cancellation_state).slot();
    if (parent.is_connected()) parent.assign([shared](asio::cancellation_type type) { shared->signal.emit(type); });
    auto token = asio::bind_cancellation_slot(shared->signal.slot(), use_task);

    std::optional<result<T>> out;
    try {
        if constexpr (std::is_void_v<T>) {
            co_await asio::co_spawn(executor(home), std::move(work), token);
            out.emplace();
        } else {
            out.emplace(boost::system::in_place_value, co_await asio::co_spawn(executor(home), std::move(work), token));
        }
    } catch (const boost::system::system_error& failure) {
        if (!shared->expired || failure.code() != asio::error::operation_aborted) throw;
        out.emplace(boost::system::in_place_error, asio::error::timed_out);
    }
    co_return std::move(*out);
}

}  // namespace runtime
