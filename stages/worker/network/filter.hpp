// The only way from a box to the network. A box has a network of its own in which there is nothing but a listening
// socket on its loopback device; the other side of that socket is here, in the server. Whoever connects to it says, as
// to any HTTP proxy, where it wants to go. The filter decides by the name, looks the name up once for the program's
// whole life, decides by each address, and connects to one of those that passed. So a name that changes its mind is of
// no use, and there is no other way out: no route, no raw socket, no datagrams.
#pragma once

#include <boost/asio/basic_socket_acceptor.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <atomic>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "pipeline/network.hpp"
#include "runtime/base/metrics.hpp"
#include "runtime/event.hpp"
#include "runtime/gate.hpp"
#include "runtime/shard.hpp"
#include "stages/worker/network/filter_link.hpp"
#include "stages/worker/network/own_addresses.hpp"
#include "stages/worker/network/resolver.hpp"

namespace stages::worker::network {

// Where the filter listens in each box.
inline constexpr std::uint16_t proxy_port = 3128;

struct filter_options {
    pipeline::network_policy policy;
    // Where the server listens, once it does; null: nowhere.
    std::shared_ptr<const std::atomic<std::uint16_t>> own_port;
    runtime::milliseconds head_wait{30'000};  // from a connection to what it wants
    runtime::milliseconds lookup_wait{10'000};
    runtime::milliseconds connect_wait{10'000};  // for all addresses of a name together
};

// What all filters of a shard share.
struct filter_shared {
    filter_shared(runtime::shard& home, filter_options o, std::unique_ptr<resolver> r);

    filter_options options;
    std::unique_ptr<resolver> names;
    known_own_addresses own;
    runtime::counter& connections;
    runtime::gauge& open;
    runtime::counter& sent_bytes;
    runtime::counter& received_bytes;
    runtime::counter& refused;
    runtime::counter& connections_limit;
    runtime::counter& names_limit;
    runtime::counter& bytes_limit;
    runtime::counter& lookups_limit;
};

// Shard: one for each run, on its shard. Lifetime: end() has returned before it goes.
class filter {
  public:
    filter(runtime::shard& home, filter_shared& shared, const pipeline::network_request& asked);
    ~filter();

    // Takes over a listening socket; false if it is none.
    bool begin(int listener);
    // Cuts all connections.
    runtime::task<void> end();
    [[nodiscard]] const pipeline::network_use& use() const { return use_; }

  private:
    using acceptor = boost::asio::basic_socket_acceptor<boost::asio::ip::tcp, runtime::executor>;
    using link_pointer = std::shared_ptr<filter_link>;
    using addresses = std::vector<runtime::ip_address>;
    // Why there is no connection; status 0: there may be one.
    struct refusal {
        unsigned status = 0;
        std::string code;
        std::string why;
    };

    runtime::task<void> accept_all();
    runtime::task<void> serve(link_pointer link);
    runtime::task<void> serve_one(link_pointer link);
    runtime::task<refusal> open_way(link_pointer link, pipeline::destination where);
    runtime::task<refusal> find(pipeline::destination where, addresses* out);
    runtime::task<refusal> look_up(std::string name, addresses* out);
    refusal permitted(const pipeline::destination& where, addresses& candidates);
    refusal forbid(const pipeline::destination& where, pipeline::network_refusal why);
    runtime::task<void> pump(link_pointer link, bool outwards);
    bool charge(std::uint64_t bytes, bool outwards);
    void turn_away(tcp_socket accepted);

    runtime::shard& home_;
    filter_shared& shared_;
    std::vector<pipeline::host_rule> rules_;
    pipeline::network_use use_;
    std::optional<acceptor> acceptor_;
    std::set<link_pointer> links_;
    std::map<std::string, addresses> pinned_;
    std::shared_ptr<lookup> asked_;  // one name after the other
    bool looking_up_ = false;
    runtime::event looked_up_;
    bool over_ = false;
    runtime::gate gate_;
};

}  // namespace stages::worker::network
