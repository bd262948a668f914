// A client's socket with deadlines: reads and writes end by themselves, whatever the client does.
#pragma once

#include <boost/asio/basic_stream_socket.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <optional>
#include <string_view>

#include "runtime/base/result.hpp"
#include "runtime/executor.hpp"
#include "runtime/shard.hpp"
#include "runtime/task.hpp"
#include "runtime/timer.hpp"

namespace http {

using tcp_socket = boost::asio::basic_stream_socket<boost::asio::ip::tcp, runtime::executor>;

// A socket on its way from one shard to another; closes it if nobody takes it.
class loose_socket {
  public:
    loose_socket(int fd, bool v6) : fd_(fd), v6_(v6) {}
    loose_socket(loose_socket&& other) noexcept : fd_(std::exchange(other.fd_, -1)), v6_(other.v6_) {}
    loose_socket& operator=(loose_socket&&) = delete;
    ~loose_socket();
    // A socket of the calling shard; not open if the kernel refused.
    tcp_socket assign_to(runtime::shard& home) &&;

  private:
    int fd_;
    bool v6_;
};

// Shard: its own only. One read and one write at a time; deadlines of a read and a write at once exclude each other.
// The deadline is one lazy timer of the shard's queue: with_deadline() would cost a coroutine and a timer for each
// read, and nothing here can be lost by a cancelled wait for a socket.
class wire {
  public:
    wire(runtime::shard& home, tcp_socket socket);
    ~wire();
    wire(const wire&) = delete;
    wire& operator=(const wire&) = delete;

    // How many bytes came; 0 at the client's end, on errors, and at the deadline, which expired() then tells.
    runtime::task<std::size_t> read_some(char* room, std::size_t size, runtime::steady_time deadline);
    // Writes at once what the kernel takes, up to some 100 KiB, and drops it from `bytes`; false on errors.
    bool send_now(std::string_view& bytes);
    // Writes all of it; false on errors, or after `idle` without progress, which expired() then tells. Others have
    // their turn in between: the kernel takes megabytes for a client that reads nothing.
    runtime::task<bool> write(std::string_view bytes, runtime::nanoseconds idle);
    // Ends our side, and drops what the client still sends until it ends too, `time` is over or `bytes_max` came; false
    // in the last case. A close with unread bytes would make the kernel take back the answer.
    runtime::task<bool> linger(runtime::nanoseconds time, std::uint64_t bytes_max);

    [[nodiscard]] bool expired() const { return expired_; }
    // The client has closed its side, and nothing of it is left to read.
    [[nodiscard]] bool at_end() const;
    // Makes whatever waits here return.
    void cancel();
    // As cancel(), and for good.
    void cut();
    // Takes the socket off this shard. Nothing may wait here.
    loose_socket release();

  private:
    void set_deadline(runtime::steady_time deadline);
    void arm(runtime::steady_time when);
    void fire();

    runtime::shard& home_;
    tcp_socket socket_;
    bool v6_ = false;
    runtime::steady_time deadline_ = runtime::steady_time::never();
    std::optional<runtime::timer_queue::ticket> armed_;
    bool expired_ = false;
    bool full_ = false;              // the kernel took no more
    std::size_t sent_in_a_row_ = 0;  // since others had their turn
};

}  // namespace http
