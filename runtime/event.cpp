#include "runtime/event.hpp"

#include <algorithm>
#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/error.hpp>
#include <boost/system/system_error.hpp>
#include <optional>

#include "runtime/shard.hpp"

namespace runtime {
namespace {

// Resumes a waiting task from the ready list of its shard.
template <class Handler>
void resume_later(shard& home, Handler handler, error_code why) {
    executor(home).require(asio::execution::blocking.never).execute([handler = std::move(handler), why]() mutable {
        handler(why);
    });
}

}  // namespace

task<bool> event::wait_until(steady_time deadline) {
    if (deadline == steady_time::never()) {
        co_await wait();
        co_return true;
    }
    // The timer begins with the wait: a task that is cancelled already throws before that, and leaves no timer behind.
    std::optional<timer_queue::ticket> ticket;
    auto start = [this, deadline, &ticket](auto resume) {
        ticket =
            home_.timers().add(deadline, [this, number = next_number_] { resume_one(number, asio::error::timed_out); });
        enlist(std::move(resume));
    };
    const auto [why] = co_await operation_as_tuple<void(error_code)>(start);
    home_.timers().cancel(*ticket);
    if (why == asio::error::timed_out) co_return false;
    if (why) throw boost::system::system_error(why);
    co_return true;
}

void event::enlist(handler resume) {
    const std::uint64_t number = next_number_++;
    auto slot = resume.cancellation_slot();
    if (slot.is_connected())
        slot.assign([this, number](asio::cancellation_type) { resume_one(number, asio::error::operation_aborted); });
    waiters_.push_back({number, std::move(resume)});
}

void event::resume_one(std::uint64_t number, error_code why) {
    const auto it = std::find_if(waiters_.begin(), waiters_.end(), [&](const waiter& w) { return w.number == number; });
    if (it == waiters_.end()) return;
    handler resume = std::move(it->resume);
    waiters_.erase(it);
    resume_later(home_, std::move(resume), why);
}

void event::notify_all() {
    std::list<waiter> woken;
    woken.swap(waiters_);
    for (auto& w : woken) {
        auto slot = w.resume.cancellation_slot();
        if (slot.is_connected()) slot.clear();
        resume_later(home_, std::move(w.resume), error_code());
    }
}

}  // namespace runtime
