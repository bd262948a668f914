// Timers. Each shard has one queue of deadlines on steady time; a real shard drives it with one steady_timer, the
// simulated world with its virtual clock. Timers fire late, never early.
#pragma once

#include <cstdint>
#include <map>
#include <stop_token>
#include <utility>

#include "runtime/base/time.hpp"
#include "runtime/base/unique_function.hpp"
#include "runtime/task.hpp"

namespace runtime {

// Shard: its owner only. Handlers run on the shard, never inside add() or cancel().
class timer_queue {
  public:
    struct ticket {
        steady_time deadline;
        std::uint64_t number = 0;
        friend auto operator<=>(const ticket&, const ticket&) = default;
    };
    using handler = unique_function<void()>;

    ticket add(steady_time deadline, handler on_fire);
    // False if it has fired or was cancelled before.
    bool cancel(const ticket& which);

    [[nodiscard]] bool empty() const { return waiting_.empty(); }
    [[nodiscard]] std::size_t size() const { return waiting_.size(); }
    // steady_time::never() when empty.
    [[nodiscard]] steady_time next_deadline() const;
    // Runs what is due; returns how many.
    std::size_t fire(steady_time now);

    // Called when a new deadline is the earliest one.
    unique_function<void()> on_earlier_deadline;

  private:
    std::map<ticket, handler> waiting_;
    std::uint64_t next_number_ = 0;
};

// Lets everybody else who is ready run first. Not cancellable.
task<void> yield();
// Suspends the calling task; throws operation_aborted when cancelled.
task<void> sleep_until(steady_time deadline);
task<void> sleep_for(nanoseconds duration);
// Ends early when a stop is requested; true if it slept the whole time.
task<bool> sleep_for(nanoseconds duration, std::stop_token stop);

}  // namespace runtime
