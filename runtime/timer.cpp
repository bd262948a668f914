#include "runtime/timer.hpp"

#include <memory>

#include "runtime/event.hpp"
#include "runtime/shard.hpp"

namespace runtime {

timer_queue::ticket timer_queue::add(steady_time deadline, handler on_fire) {
    const bool earlier = deadline < next_deadline();
    const ticket mine{deadline, next_number_++};
    waiting_.emplace(mine, std::move(on_fire));
    if (earlier && on_earlier_deadline) on_earlier_deadline();
    return mine;
}

bool timer_queue::cancel(const ticket& which) { return waiting_.erase(which) != 0; }

steady_time timer_queue::next_deadline() const {
    return waiting_.empty() ? steady_time::never() : waiting_.begin()->first.deadline;
}

std::size_t timer_queue::fire(steady_time now) {
    std::size_t fired = 0;
    while (!waiting_.empty() && waiting_.begin()->first.deadline <= now) {
        auto node = waiting_.extract(waiting_.begin());
        node.mapped()();
        ++fired;
    }
    return fired;
}

task<void> yield() {
    shard& home = shard::here();
    auto start = [&home](auto resume) {
        executor(home).require(asio::execution::blocking.never).execute([resume = std::move(resume)]() mutable {
            std::move(resume)();
        });
    };
    co_await operation<void()>(start);
}

task<void> sleep_until(steady_time deadline) {
    shard& home = shard::here();
    event fired(home);
    const auto ticket = home.timers().add(deadline, [&fired] { fired.notify_all(); });
    try {
        co_await fired.wait();
    } catch (...) {
        home.timers().cancel(ticket);
        throw;
    }
}

task<void> sleep_for(nanoseconds duration) { co_await sleep_until(shard::here().time().steady() + duration); }

task<bool> sleep_for(nanoseconds duration, std::stop_token stop) {
    if (stop.stop_requested()) co_return false;
    shard& home = shard::here();
    event woken(home);
    bool whole = false;
    const auto ticket = home.timers().add(home.time().steady() + duration, [&] {
        whole = true;
        woken.notify_all();
    });
    const std::stop_callback on_stop(stop, [&woken] { woken.notify_all(); });
    try {
        co_await woken.wait();
    } catch (...) {
        home.timers().cancel(ticket);
        throw;
    }
    home.timers().cancel(ticket);
    co_return whole;
}

}  // namespace runtime
