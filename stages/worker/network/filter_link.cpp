#include "stages/worker/network/filter_link.hpp"

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/write.hpp>

#include "runtime/with_deadline.hpp"

namespace stages::worker::network {

namespace asio = boost::asio;
using asio::ip::tcp;
using runtime::error_code;
using runtime::steady_time;
using runtime::task;

namespace {

constexpr std::size_t read_bytes = 4096;
constexpr std::size_t linger_bytes_max = 64 << 10;
constexpr runtime::milliseconds linger{500};

std::string_view phrase_of(unsigned status) {
    switch (status) {
        case 400: return "Bad Request";
        case 403: return "Forbidden";
        case 431: return "Request Header Fields Too Large";
        case 502: return "Bad Gateway";
        case 504: return "Gateway Timeout";
        default: return "Service Unavailable";
    }
}

task<std::size_t> read_some(tcp_socket* from, char* to, std::size_t bytes) {
    error_code failed;
    const auto n =
        co_await from->async_read_some(asio::buffer(to, bytes), asio::redirect_error(runtime::use_task, failed));
    co_return failed ? 0 : n;
}

task<bool> connect_socket(tcp_socket* socket, tcp::endpoint to) {
    error_code failed;
    co_await socket->async_connect(to, asio::redirect_error(runtime::use_task, failed));
    co_return !failed;
}

tcp::endpoint endpoint_of(const runtime::ip_address& address, std::uint16_t port) {
    if (address.is_v4()) return {asio::ip::address_v4(address.to_v4()), port};
    return {asio::ip::address_v6(address.bytes), port};
}

}  // namespace

filter_link::filter_link(runtime::shard& home, tcp_socket accepted)
    : home_(home), inner_(std::move(accepted)), outer_(home.get_executor()), changed_(home) {}

filter_link::~filter_link() = default;

task<proxy_head> filter_link::read_head(steady_time deadline) {
    proxy_head head;
    while (!closed_) {
        head = read_proxy_head(received_);
        if (head.is != proxy_head::state::needs_more) break;
        const std::size_t before = received_.size();
        received_.resize(before + read_bytes);
        const auto n =
            co_await runtime::with_deadline(deadline, read_some(&inner_, received_.data() + before, read_bytes));
        received_.resize(before + (n.has_error() ? 0 : *n));
        if (received_.size() == before) break;
    }
    if (head.is == proxy_head::state::complete) received_.erase(0, head.bytes);
    co_return head;
}

task<bool> filter_link::write(tcp_socket* to, std::string bytes) {
    error_code failed;
    co_await asio::async_write(*to, asio::buffer(bytes), asio::redirect_error(runtime::use_task, failed));
    co_return !failed && !closed_;
}

task<void> filter_link::refuse(unsigned status, std::string_view code, std::string_view why) {
    const std::string text = "weir: " + std::string(why) + "\n";
    std::string answer = "HTTP/1.1 " + std::to_string(status) + " ";
    answer.append(phrase_of(status)).append("\r\nContent-Type: text/plain\r\nX-Weir-Refused: ").append(code);
    answer.append("\r\nContent-Length: ").append(std::to_string(text.size()));
    answer.append("\r\nConnection: close\r\n\r\n").append(text);
    const bool written = co_await write(&inner_, std::move(answer));
    if (!written) co_return;
    error_code ignored;
    inner_.shutdown(tcp::socket::shutdown_send, ignored);
    // A close while bytes of the program are unread would take the answer away from it.
    const auto until = home_.time().steady() + linger;
    std::size_t dropped = 0;
    std::string bytes(read_bytes, '\0');
    while (!closed_ && dropped < linger_bytes_max) {
        const auto n = co_await runtime::with_deadline(until, read_some(&inner_, bytes.data(), bytes.size()));
        if (n.has_error() || *n == 0) break;
        dropped += *n;
    }
}

task<bool> filter_link::connect(runtime::ip_address address, std::uint16_t port, steady_time deadline) {
    if (closed_) co_return false;
    const auto to = endpoint_of(address, port);
    error_code failed;
    if (outer_.is_open()) outer_.close(failed);
    outer_.open(to.protocol(), failed);
    if (failed) co_return false;
    const auto done = co_await runtime::with_deadline(deadline, connect_socket(&outer_, to));
    if (closed_ || done.has_error() || !*done) co_return false;
    outer_.set_option(tcp::no_delay(true), failed);
    inner_.set_option(tcp::no_delay(true), failed);
    co_return true;
}

task<bool> filter_link::introduce(proxy_head head) {
    if (head.is_tunnel) co_return co_await write(&inner_, "HTTP/1.1 200 Connection established\r\n\r\n");
    co_return co_await write(&outer_, std::move(head.forward));
}

void filter_link::close() {
    closed_ = true;
    error_code ignored;
    inner_.close(ignored);
    outer_.close(ignored);
    changed_.notify_all();
}

void filter_link::way_ended() {
    ++ended_;
    changed_.notify_all();
}

task<void> filter_link::ways_ended() {
    while (ended_ < 2) co_await changed_.wait();
}

}  // namespace stages::worker::network
