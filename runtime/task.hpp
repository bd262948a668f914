// task<T> is what every coroutine of Weir returns: an awaitable bound to our concrete executor, so that resuming it
// costs no type erasure. A task does nothing until it is awaited or spawned.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "runtime/executor.hpp"

namespace runtime {

namespace asio = boost::asio;

template <class T>
using task = asio::awaitable<T, executor>;

// The completion token that belongs to task<T>.
inline constexpr asio::use_awaitable_t<executor> use_task{};

}  // namespace runtime
