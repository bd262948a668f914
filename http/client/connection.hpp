// One kept-alive HTTP/1.1 connection to one server, over plain TCP.
#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "http/client/message.hpp"
#include "http/client/response_parser.hpp"
#include "http/client/url.hpp"
#include "runtime/base/result.hpp"
#include "runtime/base/time.hpp"
#include "runtime/shard.hpp"
#include "runtime/task.hpp"

namespace http::client {

struct connection_options {
    response_limits limits;
    // Of one attempt to connect, name resolution included; a request's own deadline holds too.
    runtime::milliseconds connect_timeout{10'000};
    // Of one read from the socket, and held by each connection: small where there are many.
    std::size_t read_bytes = 64 << 10;
};

// Shard: the one it was made for. One request at a time. Connects when it has to, and again after the server closed.
//
// Errors: Asio's codes for the network (timed_out when a deadline came), http::client::errc for the rest. After an
// error the connection is closed and may be used again. Cancelling the awaiting task closes it too and throws
// operation_aborted.
class connection {
  public:
    connection(runtime::shard& home, url server, connection_options options = {});
    ~connection();
    connection(const connection&) = delete;
    connection& operator=(const connection&) = delete;

    // A request and its whole answer. A kept connection that turns out to be dead before the first byte of the answer
    // is replaced once, if the request may be repeated.
    runtime::task<runtime::result<response>> exchange(request what, runtime::steady_time deadline);

    // The same in pieces, for answers that are long or endless: the head, then the body as it comes.
    runtime::task<runtime::result<response_head>> start(request what, runtime::steady_time deadline);
    // The next bytes of the body; empty at its end. Only after start().
    runtime::task<runtime::result<std::string>> read_some(runtime::steady_time deadline);

    void close();
    [[nodiscard]] const url& server() const { return server_; }
    // How often a connection was made.
    [[nodiscard]] std::uint64_t connects() const { return connects_; }

  private:
    using socket = boost::asio::basic_stream_socket<boost::asio::ip::tcp, runtime::executor>;

    [[nodiscard]] bool is_reusable() const;
    runtime::task<runtime::result<void>> ensure_connected(runtime::steady_time deadline);
    runtime::task<runtime::result<void>> send(const std::string& bytes, runtime::steady_time deadline);
    runtime::task<runtime::result<void>> send_and_read_head(const std::string& bytes, bool to_head,
                                                            runtime::steady_time deadline);
    runtime::task<runtime::result<void>> read_more(std::string& body, runtime::steady_time deadline);
    void after_answer();

    runtime::shard& home_;
    url server_;
    connection_options options_;
    std::optional<socket> socket_;
    std::optional<response_parser> parser_;
    std::string buffer_;        // where the socket reads to
    std::string unread_;        // came, but is not parsed yet
    std::string pending_body_;  // came with the head
    std::uint64_t connects_ = 0;
};

}  // namespace http::client
