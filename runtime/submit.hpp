// Runs a callable on another shard and brings its result back: the only way to hop.
#pragma once

#include <boost/asio/co_spawn.hpp>
#include <exception>
#include <memory>
#include <optional>
#include <type_traits>
#include <variant>

#include "runtime/completion.hpp"
#include "runtime/shard.hpp"
#include "runtime/task.hpp"

namespace runtime {
namespace detail {

template <class T>
struct unwrap_task {
    using type = T;
    static constexpr bool is_task = false;
};
template <class T>
struct unwrap_task<task<T>> {
    using type = T;
    static constexpr bool is_task = true;
};

// What travels back: a value or an exception. Lives on the heap, touched by one shard at a time.
template <class R>
struct reply {
    std::exception_ptr error;
    std::optional<std::conditional_t<std::is_void_v<R>, std::monostate, R>> value;
};

// Keeps an executing remote call, its answer and the caller's continuation together.
template <class R, class F>
struct remote_call {
    shard& from;
    shard& to;
    F function;
    reply<R> answer;
    completion<void()> resume;

    remote_call(shard& f, shard& t, F fn) : from(f), to(t), function(std::move(fn)) {}
};

template <class Call>
void answer(std::unique_ptr<Call> call) {
    shard& to = call->to;
    shard& from = call->from;
    to.send(from, [call = std::move(call)]() mutable {
        // The caller's frame holds a pointer to the call's answer; it lives until the caller has read it.
        auto resume = std::move(call->resume);
        static_cast<void>(call.release());
        resume();
    });
}

template <class R, class F>
task<void> run_task_here(std::unique_ptr<remote_call<R, F>> call) {
    try {
        if constexpr (std::is_void_v<R>) {
            co_await call->function();
            call->answer.value.emplace();
        } else {
            call->answer.value.emplace(co_await call->function());
        }
    } catch (...) {
        call->answer.error = std::current_exception();
    }
    detail::answer(std::move(call));
}

template <class R, class F>
void run_here(std::unique_ptr<remote_call<R, F>> call) {
    try {
        if constexpr (std::is_void_v<R>) {
            call->function();
            call->answer.value.emplace();
        } else {
            call->answer.value.emplace(call->function());
        }
    } catch (...) {
        call->answer.error = std::current_exception();
    }
    detail::answer(std::move(call));
}

}  // namespace detail

// `function` (a plain callable or one that returns a task) runs on `to`, its result comes back here. Exceptions travel.
// Not cancellable: what was sent is done. Shard: any; on `to` itself there is no hop. Everything `function` holds is
// moved there and destroyed here. A full ring parks the message in this shard's own bounded list.
template <class F>
auto submit(shard& to, F function) -> task<typename detail::unwrap_task<std::invoke_result_t<F&>>::type> {
    using returned = std::invoke_result_t<F&>;
    using R = typename detail::unwrap_task<returned>::type;
    constexpr bool is_task = detail::unwrap_task<returned>::is_task;

    shard& from = shard::here();
    if (&from == &to) {
        if constexpr (is_task) {
            co_return co_await function();
        } else {
            co_return function();
        }
    }

    using call_type = detail::remote_call<R, F>;
    auto call = std::make_unique<call_type>(from, to, std::move(function));
    call_type* const raw = call.get();
    auto start = [&call, &from, &to](auto resume) {
        call->resume = std::move(resume);
        from.send(to, [call = std::move(call)]() mutable {
            if constexpr (is_task) {
                shard& there = call->to;  // read before the call moves on
                start_remote_task(there, detail::run_task_here<R, F>(std::move(call)));
            } else {
                detail::run_here<R, F>(std::move(call));
            }
        });
    };
    co_await operation<void()>(start);
    const std::unique_ptr<call_type> done(raw);
    if (done->answer.error) std::rethrow_exception(done->answer.error);
    if constexpr (!std::is_void_v<R>) co_return std::move(*done->answer.value);
}

}  // namespace runtime
