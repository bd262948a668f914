// The one executor type of Weir: a pointer to a shard. On a real shard work is forwarded to its io_context, in the
// simulated world to the world's ready list, whose order the seed decides. Everything (tasks, sockets, timers) names
// this concrete class; any_io_executor appears nowhere.
#pragma once

#include <boost/asio/execution.hpp>
#include <boost/asio/execution_context.hpp>
#include <boost/asio/io_context.hpp>
#include <utility>

#include "runtime/base/unique_function.hpp"

namespace runtime {

class shard;

class executor {
  public:
    explicit executor(shard& home) noexcept : home_(&home) {}

    [[nodiscard]] shard& home() const noexcept { return *home_; }

    // Asio's executor concept. blocking.possibly runs the work at once when its shard is already running.
    [[nodiscard]] boost::asio::execution_context& query(boost::asio::execution::context_t) const noexcept;
    [[nodiscard]] boost::asio::execution::blocking_t query(boost::asio::execution::blocking_t) const noexcept {
        if (never_) return boost::asio::execution::blocking.never;
        return boost::asio::execution::blocking.possibly;
    }
    [[nodiscard]] executor require(boost::asio::execution::blocking_t::never_t) const noexcept { return {home_, true}; }
    [[nodiscard]] executor require(boost::asio::execution::blocking_t::possibly_t) const noexcept {
        return {home_, false};
    }
    template <class F>
    void execute(F&& work) const;

    friend bool operator==(const executor& a, const executor& b) noexcept {
        return a.home_ == b.home_ && a.never_ == b.never_;
    }
    friend bool operator!=(const executor& a, const executor& b) noexcept { return !(a == b); }

  private:
    executor(shard* home, bool never) noexcept : home_(home), never_(never) {}

    shard* home_;
    bool never_ = false;
};

namespace detail {
// Null for a shard of the simulated world.
boost::asio::io_context* io_of(shard& home) noexcept;
bool runs_here(const shard& home) noexcept;
void enqueue(shard& home, unique_function<void()> work);
}  // namespace detail

template <class F>
void executor::execute(F&& work) const {
    boost::asio::io_context* io = detail::io_of(*home_);
    if (!never_ && detail::runs_here(*home_)) {
        // In the simulated world as well: co_spawn's cancellation, for one, relies on it (Boost 1.81 hands a pointer to
        // a signal on, which may be gone by a later turn).
        std::decay_t<F> here(std::forward<F>(work));
        std::move(here)();
    } else if (io == nullptr) {
        detail::enqueue(*home_, std::forward<F>(work));
    } else {
        // Not asio::post(): that would come back through the work's own executor, which is this one.
        boost::asio::require(io->get_executor(), boost::asio::execution::blocking.never).execute(std::forward<F>(work));
    }
}

}  // namespace runtime
