// offload(), included by shard.hpp.
#pragma once

#include <exception>
#include <memory>
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
    auto owned = std::make_unique<state>(std::move(function));
    state* const shared = owned.get();
    auto start = [&home, &owned, shared](auto resume) {
        shared->resume = std::move(resume);
        auto blocking = [shared] {
            try {
                if constexpr (std::is_void_v<R>) {
                    shared->function();
                    shared->value.emplace();
                } else {
                    shared->value.emplace(shared->function());
                }
            } catch (...) {
                shared->error = std::current_exception();
            }
        };
        // The state travels with `done` alone, so that it dies on the shard; with it, if it never runs, this very task.
        home.offload(std::move(blocking), [keep = std::move(owned)]() mutable {
            auto resume_here = std::move(keep->resume);
            static_cast<void>(keep.release());
            resume_here();
        });
    };
    co_await operation<void()>(start);
    const std::unique_ptr<state> done(shared);
    if (done->error) std::rethrow_exception(done->error);
    if constexpr (!std::is_void_v<R>) co_return std::move(*done->value);
}

}  // namespace runtime
