#include "runtime/shard.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/error.hpp>
#include <boost/system/system_error.hpp>
#include <cstdio>
#include <cstdlib>

#include "runtime/base/assert.hpp"
#include "runtime/spawn.hpp"

namespace runtime {
namespace {

thread_local shard* current = nullptr;

}  // namespace

shard& shard::here() {
    WEIR_ASSERT(current != nullptr);
    return *current;
}

shard* shard::here_or_null() noexcept { return current; }

shard::running::running(shard& s) noexcept
    : before_(std::exchange(current, &s)), speaker_before_(exchange_log_speaker({s.id(), &s.time()})) {}
shard::running::~running() {
    current = before_;
    exchange_log_speaker(speaker_before_);
}

boost::asio::execution_context& executor::query(boost::asio::execution::context_t) const noexcept {
    return *home_->context_;
}

namespace detail {

boost::asio::io_context* io_of(shard& home) noexcept { return home.io(); }
bool runs_here(const shard& home) noexcept { return current == &home; }
void enqueue(shard& home, unique_function<void()> work) { home.post(std::move(work)); }

}  // namespace detail

void background_task_failed(const std::exception_ptr& why) {
    if (!why) return;
    try {
        std::rethrow_exception(why);
    } catch (const boost::system::system_error& failure) {
        if (failure.code() == asio::error::operation_aborted) return;
        std::fprintf(stderr, "weir: a background task failed: %s\n", failure.what());
    } catch (const std::exception& failure) {
        std::fprintf(stderr, "weir: a background task failed: %s\n", failure.what());
    } catch (...) {
        std::fprintf(stderr, "weir: a background task failed\n");
    }
    std::abort();
}

namespace {

// co_spawn begins a task inside its own call when that comes from the task's shard; spawn() begins it a turn later.
// With a slot it can be cancelled from now on.
task<void> begin_later(task<void> work) {
    co_await yield();
    co_await std::move(work);
}

}  // namespace

bool spawn(gate& owner, shard& home, task<void> work) {
    if (owner.closed()) return false;
    home.post([&home, hold = gate::hold(owner), work = std::move(work)]() mutable {
        asio::co_spawn(executor(home), std::move(work),
                       [hold = std::move(hold)](const std::exception_ptr& why) { background_task_failed(why); });
    });
    return true;
}

bool spawn(gate& owner, shard& home, task<void> work, asio::cancellation_slot stop) {
    if (owner.closed()) return false;
    gate::hold hold(owner);
    auto ended = [hold = std::move(hold)](const std::exception_ptr& why) { background_task_failed(why); };
    asio::co_spawn(executor(home), begin_later(std::move(work)), asio::bind_cancellation_slot(stop, std::move(ended)));
    return true;
}

void start_remote_task(shard& home, task<void> work) {
    asio::co_spawn(executor(home), std::move(work), [](const std::exception_ptr& why) { background_task_failed(why); });
}

}  // namespace runtime
