// One connection of a program through the filter: the socket in the box's network, and the one in the node's.
#pragma once

#include <boost/asio/basic_stream_socket.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <string>
#include <string_view>

#include "runtime/base/result.hpp"
#include "runtime/event.hpp"
#include "runtime/executor.hpp"
#include "runtime/shard.hpp"
#include "runtime/task.hpp"
#include "stages/worker/network/proxy_head.hpp"

namespace stages::worker::network {

using tcp_socket = boost::asio::basic_stream_socket<boost::asio::ip::tcp, runtime::executor>;

// Shard: its filter's only.
class filter_link {
  public:
    filter_link(runtime::shard& home, tcp_socket accepted);
    filter_link(const filter_link&) = delete;
    ~filter_link();

    // Not complete where the program goes, says something else, or takes longer than the deadline.
    runtime::task<proxy_head> read_head(runtime::steady_time deadline);
    // Tells the program that there is no way, and waits a moment until it has read it.
    runtime::task<void> refuse(unsigned status, std::string_view code, std::string_view why);
    // False if nobody takes the connection in time.
    runtime::task<bool> connect(runtime::ip_address address, std::uint16_t port, runtime::steady_time deadline);
    // What the peers get before the bytes begin to flow; false when one is gone.
    runtime::task<bool> introduce(proxy_head head);

    [[nodiscard]] tcp_socket& inner() { return inner_; }
    [[nodiscard]] tcp_socket& outer() { return outer_; }
    // What came from the program behind its head.
    std::string take_early() { return std::move(received_); }
    // Both ways, at once; whoever waits for them comes back.
    void close();
    [[nodiscard]] bool is_closed() const { return closed_; }
    void way_ended();
    // Until both ways have ended.
    runtime::task<void> ways_ended();

  private:
    runtime::task<bool> write(tcp_socket* to, std::string bytes);

    runtime::shard& home_;
    tcp_socket inner_;
    tcp_socket outer_;
    std::string received_;
    unsigned ended_ = 0;
    bool closed_ = false;
    runtime::event changed_;
};

}  // namespace stages::worker::network
