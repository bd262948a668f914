// task<T> is what every coroutine of Weir returns: an awaitable bound to our concrete executor, so that resuming it
// costs no type erasure. A task does nothing until it is awaited or spawned.
#pragma once

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <utility>

#include "runtime/executor.hpp"

namespace runtime {

namespace asio = boost::asio;

template <class T>
using task = asio::awaitable<T, executor>;

// The completion token that belongs to task<T>. The operation becomes a coroutine of its own.
inline constexpr asio::use_awaitable_t<executor> use_task{};

// The token of an operation that is awaited in the task's own frame: its error code and its values come as a tuple.
inline constexpr auto in_place = asio::as_tuple(asio::deferred);

// An operation of ours, awaited in the task's own frame. `begin` is called once the task is suspended, with its
// continuation, which takes what Signature says; an error code becomes an exception.
template <class Signature, class Begin>
auto operation(Begin begin) {
    return asio::async_initiate<const asio::deferred_t, Signature>(std::move(begin), asio::deferred);
}
// The same; what the continuation takes comes as a tuple.
template <class Signature, class Begin>
auto operation_as_tuple(Begin begin) {
    return asio::async_initiate<decltype(in_place), Signature>(std::move(begin), in_place);
}

}  // namespace runtime
