// The front door of one shard: listens beside those of the other shards on the same port, and runs their connections.
#pragma once

#include <boost/asio/basic_socket_acceptor.hpp>
#include <cstdint>
#include <list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "http/auth/authenticator.hpp"
#include "http/environment.hpp"
#include "http/sse/stream_quota.hpp"
#include "http/wire.hpp"
#include "runtime/base/result.hpp"
#include "runtime/gate.hpp"
#include "runtime/task.hpp"

namespace http {

class connection;

// Shard: `home` only. Most use server_group, which makes one on each shard. `config` and `engine` outlive it.
class server {
  public:
    server(runtime::shard& home, pipeline::engine& engine, const server_config& config,
           std::vector<runtime::shard*> shards, backups* makes_backups);
    ~server();
    server(const server&) = delete;
    server& operator=(const server&) = delete;

    // The servers of all shards, by their place in `shards`; before start().
    void know(std::vector<server*> peers) { peers_ = std::move(peers); }
    // Why nobody can listen at this port, if so. The shards share it, and so would another server of the same user,
    // which then got half of the clients: who asks for the port alone is refused it while anybody listens there.
    runtime::error_code why_taken(std::uint16_t port);
    // Binds to the configured address and this port, or a free one for 0; answers the port.
    runtime::result<std::uint16_t> listen(std::uint16_t port);
    // Begins to accept.
    void start();
    // Phase one: /readyz and new work answer 503, streams get their drain event and end. Still accepts.
    void drain();
    // Phase two: accepts no more and closes what is idle;
    void close_door();
    // lets the rest finish until `deadline`, then cuts it.
    runtime::task<void> stop(runtime::steady_time deadline);

    // Takes a connection over from another shard's server, with what was read of its next request; false, and the
    // socket is closed, while this one stops.
    bool adopt(loose_socket socket, std::string early);

    // For connections.
    [[nodiscard]] environment& here() { return environment_; }
    [[nodiscard]] const auth::authenticator& who() const { return authenticator_; }
    [[nodiscard]] runtime::gate& gate() { return gate_; }
    [[nodiscard]] server& peer_on(runtime::shard& home);
    [[nodiscard]] server& first() { return *peers_.front(); }
    // Of the whole node; used on the first shard only.
    [[nodiscard]] sse::stream_quota& quota() { return quota_; }
    [[nodiscard]] bool stopping() const { return stopping_; }
    std::string_view date();
    // Memory that all connections of the shard share; false if it is too much.
    bool charge_bodies(std::size_t bytes);
    void release_bodies(std::size_t bytes) { bodies_bytes_ -= bytes; }
    bool charge_answers(std::size_t bytes);
    void release_answers(std::size_t bytes) { answers_bytes_ -= bytes; }
    std::list<connection*>::iterator enlist(connection& one);
    void delist(std::list<connection*>::iterator place);

  private:
    using acceptor = boost::asio::basic_socket_acceptor<boost::asio::ip::tcp, runtime::executor>;

    runtime::task<void> accept_all();
    void begin(tcp_socket socket, std::string_view early);
    void turn_away(tcp_socket socket);

    environment environment_;
    auth::authenticator authenticator_;
    std::size_t connections_max_;
    sse::stream_quota quota_;
    std::vector<server*> peers_;
    std::optional<acceptor> acceptor_;
    std::list<connection*> connections_;
    std::size_t bodies_bytes_ = 0;
    std::size_t answers_bytes_ = 0;
    std::string date_;
    std::int64_t date_second_ = -1;
    bool stopping_ = false;
    runtime::gate gate_;
};

}  // namespace http
