#include "http/server.hpp"

#include <boost/asio/ip/address.hpp>
#include <boost/asio/redirect_error.hpp>

#include "http/connection.hpp"
#include "http/message/response.hpp"
#include "runtime/base/assert.hpp"
#include "runtime/base/log.hpp"
#include "runtime/spawn.hpp"
#include "runtime/with_deadline.hpp"

namespace http {

namespace asio = boost::asio;
using asio::ip::tcp;
using runtime::error_code;
using runtime::task;
using runtime::use_task;

namespace {

constexpr runtime::nanoseconds accept_pause = runtime::milliseconds(100);
constexpr std::size_t accepts_per_turn = 32;

using reuse_port = asio::detail::socket_option::boolean<SOL_SOCKET, SO_REUSEPORT>;

bool is_shortage(const error_code& ec) {
    return ec == asio::error::no_descriptors || ec == asio::error::no_memory || ec == asio::error::no_buffer_space ||
           ec.value() == ENFILE;
}

// Owns the connection for as long as it runs.
task<void> run_connection(std::unique_ptr<connection> one) { co_await one->run(); }

}  // namespace

server::server(runtime::shard& home, pipeline::engine& engine, const server_config& config,
               std::vector<runtime::shard*> shards, backups* makes_backups)
    : environment_(home, engine, config, std::move(shards), makes_backups),
      connections_max_(std::max<std::size_t>(1, config.limits.connections_max / environment_.shards.size())),
      quota_(config.limits.sse_connections_max, config.limits.sse_user_connections_max),
      gate_(home) {}

server::~server() { WEIR_ASSERT(connections_.empty()); }

error_code server::why_taken(std::uint16_t port) {
    error_code ec;
    const tcp::endpoint where(asio::ip::make_address(environment_.config.address, ec), port);
    if (ec) return ec;
    acceptor alone(runtime::executor(environment_.home));
    alone.open(where.protocol(), ec);
    if (!ec) alone.set_option(tcp::acceptor::reuse_address(true), ec);
    if (!ec) alone.bind(where, ec);
    return ec;
}

runtime::result<std::uint16_t> server::listen(std::uint16_t port) {
    error_code ec;
    const auto address = asio::ip::make_address(environment_.config.address, ec);
    if (ec) return ec;
    const tcp::endpoint where(address, port);
    acceptor_.emplace(runtime::executor(environment_.home));
    acceptor_->open(where.protocol(), ec);
    if (!ec) acceptor_->set_option(tcp::acceptor::reuse_address(true), ec);
    if (!ec) acceptor_->set_option(reuse_port(true), ec);
    // What is accepted inherits it: one system call less for each connection.
    if (!ec) acceptor_->set_option(tcp::no_delay(true), ec);
    if (!ec) acceptor_->bind(where, ec);
    if (!ec) acceptor_->listen(environment_.config.backlog, ec);
    if (!ec) acceptor_->non_blocking(true, ec);
    if (ec) return ec;
    return acceptor_->local_endpoint().port();
}

void server::start() { runtime::spawn(gate_, environment_.home, accept_all()); }

task<void> server::accept_all() {
    while (!stopping_) {
        error_code ec;
        tcp_socket socket = co_await acceptor_->async_accept(asio::redirect_error(use_task, ec));
        // Whoever else stands at the door comes in with the first, so that a crowd does not wait for one turn of the
        // loop each; a few at a time, since those who are in already want their turn too.
        for (std::size_t taken = 1; !ec; ++taken) {
            begin(std::move(socket), {});
            if (taken == accepts_per_turn || stopping_) break;
            socket = tcp_socket(runtime::executor(environment_.home));
            acceptor_->accept(socket, ec);
        }
        if (is_shortage(ec)) {
            // Whoever waits in the backlog is served when others have left.
            environment_.metrics.accept_pauses.add();
            runtime::log(runtime::log_level::warning, "accepting pauses", {{"why", ec.message()}});
            co_await runtime::sleep_for(accept_pause);
        }
    }
}

void server::begin(tcp_socket socket, std::string_view early) {
    environment_.metrics.connections_accepted.add();
    if (connections_.size() >= connections_max_) {
        environment_.limit_reached("http.connections_max");
        turn_away(std::move(socket));
        return;
    }
    auto one = std::make_unique<connection>(*this, std::move(socket), early);
    runtime::spawn(gate_, environment_.home, run_connection(std::move(one)));
}

// At once and without waiting: this is the way out for more connections than there may be.
void server::turn_away(tcp_socket socket) {
    problem full("overloaded", "too many connections");
    full.limit = "http.connections_max";
    full.limit_value = environment_.config.limits.connections_max;
    const auto answer = problem_response(full, "none");
    answer_frame frame;
    frame.request_id = "none";
    frame.date = date();
    frame.keep_alive = false;
    std::string bytes;
    append_head(bytes, answer, frame);
    bytes += answer.body;
    error_code ignored;
    socket.non_blocking(true, ignored);
    socket.write_some(asio::buffer(bytes), ignored);
    socket.shutdown(tcp::socket::shutdown_send, ignored);
}

bool server::adopt(loose_socket socket, std::string early) {
    if (stopping_) return false;
    auto mine = std::move(socket).assign_to(environment_.home);
    if (!mine.is_open()) return false;
    auto one = std::make_unique<connection>(*this, std::move(mine), early);
    return runtime::spawn(gate_, environment_.home, run_connection(std::move(one)));
}

void server::drain() {
    environment_.draining = true;
    for (auto* const one : connections_) one->drain();
}

void server::close_door() {
    drain();
    stopping_ = true;
    error_code ignored;
    if (acceptor_) acceptor_->close(ignored);
    for (auto* const one : connections_) one->finish();
}

task<void> server::stop(runtime::steady_time deadline) {
    close_door();
    const auto in_time = co_await runtime::with_deadline(deadline, gate_.close());
    if (in_time.has_error()) {
        for (auto* const one : connections_) one->cut();
        co_await gate_.close();
    }
}

server& server::peer_on(runtime::shard& home) {
    for (std::size_t i = 0; i < environment_.shards.size(); ++i)
        if (environment_.shards[i] == &home) return *peers_[i];
    WEIR_ASSERT(!"the execution's home is one of the server's shards");
    return *this;
}

std::string_view server::date() {
    const auto now = environment_.home.time().utc();
    const auto second = now.microseconds_since_epoch / 1'000'000;
    if (second != date_second_) {
        date_second_ = second;
        date_ = to_http_date(now);
    }
    return date_;
}

bool server::charge_bodies(std::size_t bytes) {
    if (bodies_bytes_ + bytes > environment_.config.limits.bodies_bytes_max) return false;
    bodies_bytes_ += bytes;
    return true;
}

bool server::charge_answers(std::size_t bytes) {
    if (answers_bytes_ + bytes > environment_.config.limits.answers_bytes_max) return false;
    answers_bytes_ += bytes;
    return true;
}

std::list<connection*>::iterator server::enlist(connection& one) {
    environment_.metrics.connections_open.add(1);
    return connections_.insert(connections_.end(), &one);
}

void server::delist(std::list<connection*>::iterator place) {
    environment_.metrics.connections_open.add(-1);
    connections_.erase(place);
}

}  // namespace http
