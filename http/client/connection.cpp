#include "http/client/connection.hpp"

#include <boost/asio/error.hpp>
#include <vector>

#include "http/client/error.hpp"
#include "http/client/socket_io.hpp"
#include "runtime/base/assert.hpp"

namespace http::client {

namespace asio = boost::asio;
using runtime::error_code;
using runtime::result;
using runtime::steady_time;
using runtime::task;

connection::connection(runtime::shard& home, url server, connection_options options)
    : home_(home), server_(std::move(server)), options_(options) {}

connection::~connection() = default;

void connection::close() {
    socket_.reset();
    parser_.reset();
    unread_.clear();
    pending_body_.clear();
}

bool connection::is_reusable() const { return socket_ && !parser_; }

task<result<void>> connection::ensure_connected(steady_time deadline) {
    if (is_reusable()) co_return result<void>();
    close();
    socket_.emplace(home_.get_executor());
    ++connects_;
    const auto limit = std::min(deadline, home_.time().steady() + options_.connect_timeout);
    const auto connected =
        co_await socket_io::limited(limit, socket_io::connect_to(&*socket_, server_.host, server_.port));
    if (connected.has_error()) {
        close();
        co_return connected.error();
    }
    co_return result<void>();
}

task<result<void>> connection::send(const std::string& bytes, steady_time deadline) {
    const auto sent = co_await socket_io::limited(deadline, socket_io::write_all(&*socket_, bytes));
    if (sent.has_error()) co_return sent.error();
    co_return result<void>();
}

task<result<void>> connection::read_more(std::string& body, steady_time deadline) {
    if (unread_.empty()) {
        const auto size =
            co_await socket_io::limited(deadline, socket_io::read_once(&*socket_, &buffer_, options_.read_bytes));
        if (size.has_error()) co_return size.error();
        if (*size == 0) co_return parser_->finish();
        unread_.assign(buffer_, 0, *size);
    }
    const auto taken = parser_->feed(unread_, body);
    if (taken.has_error()) co_return taken.error();
    unread_.erase(0, *taken);
    co_return result<void>();
}

task<result<void>> connection::send_and_read_head(const std::string& bytes, bool to_head, steady_time deadline) {
    auto connected = co_await ensure_connected(deadline);
    if (connected.has_error()) co_return connected;
    parser_.emplace(options_.limits, to_head);
    // A server may answer and close before it has read a large body: its answer counts, not our failed write.
    const auto sent = co_await send(bytes, deadline);
    while (!parser_->has_head()) {
        const auto read = co_await read_more(pending_body_, deadline);
        if (read.has_error() && sent.has_error()) co_return sent;
        if (read.has_error()) co_return read;
    }
    co_return result<void>();
}

task<result<response_head>> connection::start(request what, steady_time deadline) {
    auto bytes = serialize(what, server_);
    if (bytes.has_error()) co_return bytes.error();
    const bool to_head = what.method == "HEAD";
    const bool was_kept = is_reusable();
    auto done = co_await send_and_read_head(*bytes, to_head, deadline);
    const bool dead =
        done.has_error() && was_kept && (!parser_ || parser_->untouched()) && done.error() != asio::error::timed_out;
    if (dead && what.may_repeat()) {
        close();
        done = co_await send_and_read_head(*bytes, to_head, deadline);
    }
    if (done.has_error()) {
        close();
        co_return done.error();
    }
    response_head head = parser_->head();
    if (parser_->done() && pending_body_.empty()) after_answer();
    co_return head;
}

task<result<std::string>> connection::read_some(steady_time deadline) {
    std::string body = std::exchange(pending_body_, {});
    while (body.empty() && parser_ && !parser_->done()) {
        const auto read = co_await read_more(body, deadline);
        if (read.has_error()) {
            close();
            co_return read.error();
        }
    }
    if (parser_ && parser_->done()) after_answer();
    co_return body;
}

void connection::after_answer() {
    const bool keep = parser_->head().keep_alive && unread_.empty();
    // Bytes behind an answer belong to no request of ours.
    parser_.reset();
    if (!keep) close();
}

task<result<response>> connection::exchange(request what, steady_time deadline) {
    auto head = co_await start(std::move(what), deadline);
    if (head.has_error()) co_return head.error();
    response out;
    out.head = std::move(*head);
    while (true) {
        const auto part = co_await read_some(deadline);
        if (part.has_error()) co_return part.error();
        if (part->empty()) break;
        out.body += *part;
    }
    co_return out;
}

}  // namespace http::client
