#include "http/wire.hpp"

#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>

namespace http {

namespace asio = boost::asio;
using runtime::error_code;
using runtime::steady_time;
using runtime::task;

namespace {

constexpr std::size_t bytes_in_a_row = 64 * 1024;

}  // namespace

loose_socket::~loose_socket() {
    if (fd_ >= 0) ::close(fd_);
}

tcp_socket loose_socket::assign_to(runtime::shard& home) && {
    tcp_socket out{runtime::executor(home)};
    error_code ec;
    out.assign(v6_ ? asio::ip::tcp::v6() : asio::ip::tcp::v4(), fd_, ec);
    if (!ec) fd_ = -1;
    return out;
}

wire::wire(runtime::shard& home, tcp_socket socket) : home_(home), socket_(std::move(socket)) {
    error_code ec;
    v6_ = socket_.local_endpoint(ec).protocol() == asio::ip::tcp::v6();
}

wire::~wire() {
    if (armed_) home_.timers().cancel(*armed_);
}

void wire::set_deadline(steady_time deadline) {
    deadline_ = deadline;
    expired_ = false;
    if (deadline == steady_time::never()) return;  // a timer that fires finds nothing to do
    if (armed_ && armed_->deadline <= deadline) return;
    if (armed_) home_.timers().cancel(*armed_);
    arm(deadline);
}

void wire::arm(steady_time when) {
    armed_ = home_.timers().add(when, [this] { fire(); });
}

void wire::fire() {
    armed_.reset();
    if (deadline_ == steady_time::never()) return;
    if (home_.time().steady() < deadline_) {
        arm(deadline_);
        return;
    }
    expired_ = true;
    cancel();
}

task<std::size_t> wire::read_some(char* room, std::size_t size, steady_time deadline) {
    const bool limited = deadline != steady_time::never();
    if (limited) set_deadline(deadline);
    const auto [ec, count] = co_await socket_.async_read_some(asio::buffer(room, size), runtime::in_place);
    if (limited) deadline_ = steady_time::never();
    sent_in_a_row_ = 0;
    if (count > 0) expired_ = false;
    co_return ec ? 0 : count;
}

bool wire::send_now(std::string_view& bytes) {
    full_ = false;
    while (!bytes.empty() && sent_in_a_row_ < bytes_in_a_row) {
        const auto piece = bytes.substr(0, bytes_in_a_row);
        const auto sent = ::send(socket_.native_handle(), piece.data(), piece.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent >= 0) {
            bytes.remove_prefix(static_cast<std::size_t>(sent));
            sent_in_a_row_ += static_cast<std::size_t>(sent);
        } else if (errno != EINTR) {
            full_ = errno == EAGAIN || errno == EWOULDBLOCK;
            return full_;
        }
    }
    return true;
}

task<bool> wire::write(std::string_view bytes, runtime::nanoseconds idle) {
    while (true) {
        if (!send_now(bytes)) co_return false;
        if (bytes.empty()) co_return true;
        sent_in_a_row_ = 0;
        if (!full_) {
            co_await runtime::yield();
            continue;
        }
        set_deadline(home_.time().steady() + idle);
        const auto [ec] = co_await socket_.async_wait(tcp_socket::wait_write, runtime::in_place);
        deadline_ = steady_time::never();
        if (ec) co_return false;
    }
}

task<bool> wire::linger(runtime::nanoseconds time, std::uint64_t bytes_max) {
    error_code ec;
    socket_.shutdown(tcp_socket::shutdown_send, ec);
    if (ec) co_return true;
    const steady_time deadline = home_.time().steady() + time;
    std::array<char, 4096> dropped;
    std::uint64_t total = 0;
    while (total < bytes_max) {
        const auto count = co_await read_some(dropped.data(), dropped.size(), deadline);
        if (count == 0 || home_.time().steady() >= deadline) co_return true;
        total += count;
    }
    co_return false;
}

bool wire::at_end() const {
    char one = 0;
    const auto handle = const_cast<tcp_socket&>(socket_).native_handle();
    const auto seen = ::recv(handle, &one, 1, MSG_PEEK | MSG_DONTWAIT);
    return seen == 0 || (seen < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR);
}

void wire::cancel() {
    error_code ec;
    socket_.cancel(ec);
}

void wire::cut() {
    error_code ec;
    socket_.close(ec);
}

loose_socket wire::release() {
    error_code ec;
    const int fd = socket_.release(ec);
    return {ec ? -1 : fd, v6_};
}

}  // namespace http
