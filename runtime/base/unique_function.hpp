// A move-only callable (std::move_only_function of C++23), for work that crosses a shard or waits in a queue.
#pragma once

#include <memory>
#include <type_traits>
#include <utility>

namespace runtime {

template <class Signature>
class unique_function;

template <class R, class... Arguments>
class unique_function<R(Arguments...)> {
  public:
    unique_function() = default;

    template <class F>
        requires(!std::is_same_v<std::remove_cvref_t<F>, unique_function> &&
                 std::is_invocable_r_v<R, std::remove_cvref_t<F>&, Arguments...>)
    unique_function(F&& f)  // NOLINT(google-explicit-constructor): as std::function
        : target_(std::make_unique<holder<std::remove_cvref_t<F>>>(std::forward<F>(f))) {}

    explicit operator bool() const { return target_ != nullptr; }
    R operator()(Arguments... arguments) { return target_->call(std::forward<Arguments>(arguments)...); }

  private:
    struct base {
        virtual ~base() = default;
        virtual R call(Arguments...) = 0;
    };
    template <class F>
    struct holder final : base {
        template <class G>
        explicit holder(G&& g) : f(std::forward<G>(g)) {}
        R call(Arguments... arguments) override { return f(std::forward<Arguments>(arguments)...); }
        F f;
    };
    std::unique_ptr<base> target_;
};

}  // namespace runtime
