// A WebSocket to a server.
#pragma once

#include <boost/asio/basic_stream_socket.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <optional>
#include <string>

#include "http/client/message.hpp"
#include "http/websocket/frames.hpp"
#include "runtime/base/result.hpp"
#include "runtime/event.hpp"
#include "runtime/executor.hpp"
#include "runtime/shard.hpp"
#include "runtime/task.hpp"

namespace http::client {

// Shard: the one it was made for. One reader; any number of writers, which take turns.
class websocket {
  public:
    static constexpr std::size_t message_bytes_max = 4 << 20;

    websocket(runtime::shard& home, url server);
    ~websocket();

    // errc::refused with refusal() where the server answers anything but 101. Closes what was open before.
    runtime::task<runtime::result<void>> open(std::string target, runtime::steady_time deadline);
    // The next text, binary or close message; pings are answered here. Behind a close nothing comes.
    runtime::task<runtime::result<http::websocket::message>> next(runtime::steady_time deadline);
    runtime::task<runtime::result<void>> send(http::websocket::opcode what, std::string payload,
                                              runtime::steady_time deadline);
    // At once; whoever waits here gets an error.
    void close();

    [[nodiscard]] bool is_open() const { return socket_.has_value() && !closed_; }
    [[nodiscard]] const response& refusal() const { return refusal_; }

  private:
    using socket = boost::asio::basic_stream_socket<boost::asio::ip::tcp, runtime::executor>;

    template <class T>
    runtime::task<runtime::result<T>> until_closed(runtime::steady_time deadline, runtime::task<T> work);
    runtime::task<runtime::result<void>> shake_hands(std::string target, runtime::steady_time deadline);
    runtime::task<runtime::result<void>> read_refusal(runtime::steady_time deadline);
    runtime::task<runtime::result<void>> read_more(runtime::steady_time deadline);

    runtime::shard& home_;
    url server_;
    std::optional<socket> socket_;
    bool closed_ = true;    // nothing can be sent
    bool closing_ = false;  // close() was called since the last open()
    bool writing_ = false;
    runtime::event written_;
    std::string unread_;
    std::optional<http::websocket::frame_reader> frames_;
    response refusal_;
};

}  // namespace http::client
