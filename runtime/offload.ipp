// offload(), included by shard.hpp.
#pragma once

#include <boost/asio/async_result.hpp>
#include <exception>
#include <optional>
#include <variant>

namespace runtime {

template <class F>
auto offload(F function) -> task<std::invoke_result_t<F&>> {
    using R = std::invoke_result_t<F&>;
    struct state {
        explicit state(F f) : function(std::move(f)) {}
        F function;
        std::exception_ptr error;
        std::optional<std::conditional_t<std::is_void_v<R>, std::monostate, R>> value;
        completion<void()> resume;
    };
    shard& home = shard::here();
    auto shared = std::make_shared<state>(std::move(function));
    auto start = [&home, shared](auto resume) {
        shared->resume = std::move(resume);
        auto blocking = [s = shared.get()] {
            try {
                if constexpr (std::is_void_v<R>) {
                    s->function();
                    s->value.emplace();
                } else {
                    s->value.emplace(s->function());
                }
            } catch (...) {
                s->error = std::current_exception();
            }
        };
        // The state travels with `done` alone, so that its last owner is always on the shard.
        home.offload(std::move(blocking), [keep = shared]() mutable {
            auto resume_here = std::move(keep->resume);
            keep.reset();
            resume_here();
        });
    };
    co_await asio::async_initiate<const asio::use_awaitable_t<executor>, void()>(start, use_task);
    if (shared->error) std::rethrow_exception(shared->error);
    if constexpr (!std::is_void_v<R>) co_return std::move(*shared->value);
}

}  // namespace runtime
