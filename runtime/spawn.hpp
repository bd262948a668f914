// Background work. The gate's owner waits for it at its stop; nothing is ever detached.
#pragma once

#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <exception>
#include <functional>

#include "runtime/gate.hpp"
#include "runtime/task.hpp"

namespace runtime {

// Called with whatever a spawned task let escape, but for cancellation: prints and aborts, since such a task has
// failed half-way and nobody would know.
void background_task_failed(const std::exception_ptr& why);

// Starts `work` on `home`, from its ready list. Shard: `home` itself. The task takes values, never references into the
// caller's frame. A closed gate lets nothing in: `work` is dropped, and false returned.
bool spawn(gate& owner, shard& home, task<void> work);
// The same; emitting `terminal` on the slot's signal, which outlives the task, cancels it.
bool spawn(gate& owner, shard& home, task<void> work, asio::cancellation_slot stop);

}  // namespace runtime
