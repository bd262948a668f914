// A move-only callable (std::move_only_function of C++23), for work that crosses a shard or waits in a queue.
#pragma once

#include <cstddef>
#include <memory>
#include <new>
#include <type_traits>
#include <utility>

namespace runtime {

namespace detail {

// What is done with a callable of type F where only its place is known.
template <class R, class... Arguments>
struct callable_operations {
    R (*call)(void* target, Arguments&&... arguments);
    void (*move)(void* from, void* to) noexcept;  // and ends what was moved from
    void (*end)(void* target) noexcept;

    template <class F>
    static constexpr callable_operations of() {
        return {[](void* target, Arguments&&... arguments) -> R {
                    return (*static_cast<F*>(target))(std::forward<Arguments>(arguments)...);
                },
                [](void* from, void* to) noexcept {
                    ::new (to) F(std::move(*static_cast<F*>(from)));
                    static_cast<F*>(from)->~F();
                },
                [](void* target) noexcept { static_cast<F*>(target)->~F(); }};
    }
};

// A callable that is too large to lie in place.
template <class F>
struct callable_elsewhere {
    template <class... Arguments>
    decltype(auto) operator()(Arguments&&... arguments) {
        return (*target)(std::forward<Arguments>(arguments)...);
    }
    std::unique_ptr<F> target;
};

}  // namespace detail

// A callable of at most `inline_bytes` lies in the object itself, as a task's continuation does: it may not move, nor
// end, while it is called.
template <class Signature, std::size_t inline_bytes = 48>
class unique_function;

template <class R, class... Arguments, std::size_t inline_bytes>
class unique_function<R(Arguments...), inline_bytes> {
  public:
    unique_function() = default;

    template <class F>
        requires(!std::is_same_v<std::remove_cvref_t<F>, unique_function> &&
                 std::is_invocable_r_v<R, std::remove_cvref_t<F>&, Arguments...>)
    unique_function(F&& f) {  // NOLINT(google-explicit-constructor): as std::function
        using target = std::remove_cvref_t<F>;
        if constexpr (fits<target>) {
            put<target>(std::forward<F>(f));
        } else {
            using elsewhere = detail::callable_elsewhere<target>;
            put<elsewhere>(elsewhere{std::make_unique<target>(std::forward<F>(f))});
        }
    }
    unique_function(unique_function&& other) noexcept { take(other); }
    unique_function& operator=(unique_function&& other) noexcept {
        if (this != &other) {
            drop();
            take(other);
        }
        return *this;
    }
    unique_function(const unique_function&) = delete;
    unique_function& operator=(const unique_function&) = delete;
    ~unique_function() { drop(); }

    explicit operator bool() const { return of_ != nullptr; }
    R operator()(Arguments... arguments) { return of_->call(&room_, std::forward<Arguments>(arguments)...); }

  private:
    using operations = detail::callable_operations<R, Arguments...>;
    template <class F>
    static constexpr operations operations_of = operations::template of<F>();
    template <class F>
    static constexpr bool fits =
        sizeof(F) <= inline_bytes && alignof(F) <= alignof(void*) && std::is_nothrow_move_constructible_v<F>;

    template <class F, class From>
    void put(From&& from) {
        ::new (static_cast<void*>(&room_)) F(std::forward<From>(from));
        of_ = &operations_of<F>;
    }
    void take(unique_function& other) noexcept {
        if (other.of_ != nullptr) other.of_->move(&other.room_, &room_);
        of_ = std::exchange(other.of_, nullptr);
    }
    void drop() noexcept {
        if (of_ != nullptr) std::exchange(of_, nullptr)->end(&room_);
    }

    const operations* of_ = nullptr;
    alignas(void*) std::byte room_[inline_bytes];
};

}  // namespace runtime
