#include "http/client/websocket.hpp"

#include "http/client/error.hpp"
#include "http/client/response_parser.hpp"
#include "http/client/socket_io.hpp"
#include "http/websocket/handshake.hpp"
#include "runtime/base/encoding.hpp"

namespace http::client {

namespace asio = boost::asio;
namespace frames = http::websocket;
using runtime::result;
using runtime::steady_time;
using runtime::task;

namespace {

constexpr std::size_t head_bytes_max = 64 << 10;
constexpr std::size_t refusal_bytes_max = 1 << 20;
constexpr std::size_t read_bytes = 64 << 10;
constexpr std::string_view head_end = "\r\n\r\n";

std::string new_key(runtime::shard& home) {
    std::string bytes;
    for (int i = 0; i < 16; ++i) bytes.push_back(static_cast<char>(home.random().below(256)));
    return runtime::base64_encode(bytes);
}

}  // namespace

// As limited(), but our own close() is no cancellation of who waits.
template <class T>
task<result<T>> websocket::until_closed(steady_time deadline, task<T> work) {
    try {
        co_return co_await socket_io::limited(deadline, std::move(work));
    } catch (const boost::system::system_error& failure) {
        if (!closing_) throw;
        co_return failure.code();
    }
}

websocket::websocket(runtime::shard& home, url server) : home_(home), server_(std::move(server)), written_(home) {}

websocket::~websocket() = default;

// The socket itself stays until the next open(): somebody may still be on the way out of a wait for it.
void websocket::close() {
    runtime::error_code ignored;
    closed_ = true;
    closing_ = true;
    if (socket_) socket_->close(ignored);
}

task<result<void>> websocket::open(std::string target, steady_time deadline) {
    close();
    while (writing_) co_await written_.wait();
    socket_.emplace(home_.get_executor());
    closing_ = false;
    unread_.clear();
    refusal_ = response{};
    frames_.emplace(frames::role::client, message_bytes_max);
    auto done = co_await until_closed(deadline, socket_io::connect_to(&*socket_, server_.host, server_.port));
    if (done.has_error()) co_return done.error();
    if (closing_) co_return errc::incomplete_answer;
    closed_ = false;
    auto shaken = co_await shake_hands(std::move(target), deadline);
    if (shaken.has_error()) close();
    co_return shaken;
}

task<result<void>> websocket::shake_hands(std::string target, steady_time deadline) {
    const std::string key = new_key(home_);
    const std::string wanted = frames::accept_of(key);
    std::string bytes = "GET " + server_.base_path + target + " HTTP/1.1\r\nHost: " + server_.authority() +
                        "\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                        "Sec-WebSocket-Key: " +
                        key + std::string(head_end);
    const auto sent = co_await until_closed(deadline, socket_io::write_all(&*socket_, bytes));
    if (sent.has_error()) co_return sent.error();
    while (unread_.find(head_end) == std::string::npos) {
        if (unread_.size() > head_bytes_max) co_return errc::header_too_large;
        const auto read = co_await read_more(deadline);
        if (read.has_error()) co_return read;
    }
    if (!unread_.starts_with("HTTP/1.1 101 ")) co_return co_await read_refusal(deadline);
    const auto end = unread_.find(head_end);
    // Names of fields are in whatever case; the value is ours alone.
    if (unread_.substr(0, end + 2).find(": " + wanted + "\r\n") == std::string::npos) co_return errc::malformed_answer;
    unread_.erase(0, end + head_end.size());
    co_return result<void>();
}

task<result<void>> websocket::read_refusal(steady_time deadline) {
    response_limits limits;
    limits.body_bytes_max = refusal_bytes_max;
    response_parser parser(limits);
    while (true) {
        const auto fed = parser.feed(unread_, refusal_.body);
        if (fed.has_error()) co_return fed.error();
        unread_.erase(0, *fed);
        if (parser.done()) break;
        const auto read = co_await read_more(deadline);
        if (read.has_error() && parser.finish().has_error()) co_return read;
        if (read.has_error()) break;
    }
    refusal_.head = parser.head();
    co_return errc::refused;
}

task<result<void>> websocket::read_more(steady_time deadline) {
    std::string part;
    const auto size = co_await until_closed(deadline, socket_io::read_once(&*socket_, &part, read_bytes));
    if (size.has_error()) co_return size.error();
    if (*size == 0) co_return errc::incomplete_answer;
    unread_.append(part, 0, *size);
    co_return result<void>();
}

task<result<frames::message>> websocket::next(steady_time deadline) {
    frames::message said;
    while (true) {
        if (closed_) co_return errc::incomplete_answer;
        std::string_view bytes = unread_;
        const auto read = frames_->read(bytes, said);
        unread_.erase(0, unread_.size() - bytes.size());
        if (read == frames::frame_reader::state::failed) co_return errc::malformed_answer;
        if (read == frames::frame_reader::state::needs_more) {
            const auto more = co_await read_more(deadline);
            if (more.has_error()) co_return more.error();
            continue;
        }
        if (said.what == frames::opcode::ping) {
            const auto sent = co_await send(frames::opcode::pong, std::move(said.payload), deadline);
            if (sent.has_error()) co_return sent.error();
            continue;
        }
        if (said.what != frames::opcode::pong) co_return std::move(said);
    }
}

task<result<void>> websocket::send(frames::opcode what, std::string payload, steady_time deadline) {
    while (writing_) co_await written_.wait();
    if (closed_) co_return errc::incomplete_answer;
    writing_ = true;
    std::string bytes;
    frames::append_frame(bytes, what, payload, frames::role::client, static_cast<std::uint32_t>(home_.random().next()));
    const auto sent = co_await until_closed(deadline, socket_io::write_all(&*socket_, bytes));
    writing_ = false;
    written_.notify_all();
    if (sent.has_error()) {
        // Half a frame: nothing could follow it.
        close();
        co_return sent.error();
    }
    co_return result<void>();
}

}  // namespace http::client
