// Socket work of a client, until a deadline. For the .cpp files of this folder only.
#pragma once

#include <boost/asio/basic_stream_socket.hpp>
#include <boost/asio/connect.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/ip/basic_resolver.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/write.hpp>
#include <boost/system/system_error.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/with_deadline.hpp"

namespace http::client::socket_io {

namespace asio = boost::asio;
using asio::ip::tcp;
using runtime::error_code;
using runtime::result;
using runtime::steady_time;
using runtime::task;

// Awaits socket work until the deadline; network failures become values, cancellation of the caller still throws.
template <class T>
task<result<T>> limited(steady_time deadline, task<T> work) {
    try {
        co_return co_await runtime::with_deadline(deadline, std::move(work));
    } catch (const boost::system::system_error& failure) {
        if (failure.code() == asio::error::operation_aborted) throw;
        co_return failure.code();
    }
}

using endpoints = std::vector<tcp::endpoint>;

inline task<endpoints> resolve(runtime::shard* home, std::string host, std::uint16_t port) {
    error_code no_address;
    const auto address = asio::ip::make_address(host, no_address);
    endpoints out;
    if (!no_address) {
        out.emplace_back(address, port);
        co_return out;
    }
    asio::ip::basic_resolver<tcp, runtime::executor> resolver(home->get_executor());
    const std::string service = std::to_string(port);
    const auto found = co_await resolver.async_resolve(host, service, runtime::use_task);
    for (const auto& entry : found) out.push_back(entry.endpoint());
    co_return out;
}

template <class Socket>
task<void> connect_to(Socket* to, std::string host, std::uint16_t port) {
    const endpoints candidates = co_await resolve(&to->get_executor().home(), std::move(host), port);
    co_await asio::async_connect(*to, candidates, runtime::use_task);
    to->set_option(tcp::no_delay(true));
}

template <class Socket>
task<std::size_t> write_all(Socket* to, std::string_view bytes) {
    co_return co_await asio::async_write(*to, asio::buffer(bytes.data(), bytes.size()), runtime::use_task);
}

// Zero at the end of the stream.
template <class Socket>
task<std::size_t> read_once(Socket* from, std::string* into, std::size_t bytes_max) {
    into->resize(bytes_max);
    try {
        co_return co_await from->async_read_some(asio::buffer(*into), runtime::use_task);
    } catch (const boost::system::system_error& failure) {
        if (failure.code() != asio::error::eof) throw;
    }
    co_return std::size_t{0};
}

}  // namespace http::client::socket_io
