#include "stages/worker/network/filter.hpp"

#include <sys/socket.h>

#include <algorithm>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/write.hpp>

#include "runtime/spawn.hpp"

namespace stages::worker::network {

namespace asio = boost::asio;
using asio::ip::tcp;
using pipeline::destination;
using pipeline::network_refusal;
using runtime::error_code;
using runtime::milliseconds;
using runtime::task;

namespace {

constexpr std::size_t pump_bytes = 16 << 10;
// So many connections are taken in so long: what a program that does nothing but connect costs the shard.
constexpr unsigned accepts_per_turn = 16;
constexpr milliseconds accept_turn{10};
constexpr std::string_view full_answer =
    "HTTP/1.1 503 Service Unavailable\r\nX-Weir-Refused: network.connections_max\r\nContent-Length: 0\r\n"
    "Connection: close\r\n\r\n";

}  // namespace

filter_shared::filter_shared(runtime::shard& home, filter_options o, std::unique_ptr<resolver> r)
    : options(std::move(o)),
      names(std::move(r)),
      connections(home.metrics().make_counter("weir_network_connections_total", "Connections that programs made.")),
      open(home.metrics().make_gauge("weir_network_connections_open", "Connections of programs.")),
      sent_bytes(home.metrics().make_counter("weir_network_sent_bytes_total", "Bytes that programs sent.")),
      received_bytes(home.metrics().make_counter("weir_network_received_bytes_total", "Bytes that programs received.")),
      refused(home.metrics().make_counter("weir_network_refused_total", "Connections that programs were refused.")),
      connections_limit(home.metrics().declare_limit("network.connections_max")),
      names_limit(home.metrics().declare_limit("network.names_max")),
      bytes_limit(home.metrics().declare_limit("network.bytes_max")),
      lookups_limit(home.metrics().declare_limit("network.lookups_max")) {}

filter::filter(runtime::shard& home, filter_shared& shared, const pipeline::network_request& asked)
    : home_(home), shared_(shared), looked_up_(home), gate_(home) {
    use_.mode = asked.mode;
    for (const auto& text : asked.allow)
        if (const auto rule = pipeline::parse_host_rule(text)) rules_.push_back(*rule);
}

filter::~filter() = default;

bool filter::begin(int listener) {
    error_code failed;
    acceptor_.emplace(home_.get_executor());
    acceptor_->assign(tcp::v4(), listener, failed);
    if (failed) return false;
    return runtime::spawn(gate_, home_, accept_all());
}

task<void> filter::end() {
    over_ = true;
    error_code ignored;
    if (acceptor_) acceptor_->close(ignored);
    for (const auto& link : links_) link->close();
    looked_up_.notify_all();
    // The run ends now, however long a name server takes.
    if (asked_) asked_->answered.notify_all();
    co_await gate_.close();
}

task<void> filter::accept_all() {
    auto turn_began = home_.time().steady();
    unsigned taken = 0;
    while (!over_) {
        if (home_.time().steady() - turn_began >= accept_turn) taken = 0;
        if (taken == 0) turn_began = home_.time().steady();
        if (taken++ >= accepts_per_turn) {
            co_await runtime::sleep_for(accept_turn);
            taken = 0;
            continue;
        }
        error_code failed;
        auto accepted = co_await acceptor_->async_accept(asio::redirect_error(runtime::use_task, failed));
        if (over_) break;
        if (failed) {
            taken = accepts_per_turn;
            continue;
        }
        if (links_.size() >= shared_.options.policy.connections_max) {
            turn_away(std::move(accepted));
            continue;
        }
        auto link = std::make_shared<filter_link>(home_, std::move(accepted));
        links_.insert(link);
        runtime::spawn(gate_, home_, serve(std::move(link)));
    }
}

void filter::turn_away(tcp_socket accepted) {
    ++use_.refused;
    shared_.refused.add();
    shared_.connections_limit.add();
    // It fits into an empty socket, or nobody is interested.
    static_cast<void>(
        ::send(accepted.native_handle(), full_answer.data(), full_answer.size(), MSG_DONTWAIT | MSG_NOSIGNAL) > 0);
}

task<void> filter::serve(link_pointer link) {
    shared_.open.add(1);
    co_await serve_one(link);
    link->close();
    links_.erase(link);
    shared_.open.add(-1);
}

task<void> filter::serve_one(link_pointer link) {
    auto head = co_await link->read_head(home_.time().steady() + shared_.options.head_wait);
    if (link->is_closed() || head.is == proxy_head::state::needs_more) co_return;
    refusal no;
    if (head.is == proxy_head::state::malformed) {
        no = {400, "malformed", "this is an HTTP proxy: CONNECT host:port, or a request for an http:// address"};
    } else if (head.is == proxy_head::state::too_large) {
        no = {431, "too_large", "the head of a request to the proxy has at most 16 KiB"};
    } else {
        no = co_await open_way(link, head.where);
    }
    if (link->is_closed()) co_return;
    if (no.status != 0) {
        ++use_.refused;
        shared_.refused.add();
        co_await link->refuse(no.status, no.code, no.why);
        co_return;
    }
    ++use_.connections;
    shared_.connections.add();
    const std::string early = link->take_early();
    if (!charge(early.size() + head.forward.size(), true)) co_return;
    const bool introduced = co_await link->introduce(std::move(head));
    if (!introduced) co_return;
    error_code failed;
    if (!early.empty())
        co_await asio::async_write(link->outer(), asio::buffer(early), asio::redirect_error(runtime::use_task, failed));
    if (failed || over_) co_return;
    if (!runtime::spawn(gate_, home_, pump(link, true))) link->way_ended();
    co_await pump(link, false);
    co_await link->ways_ended();
}

task<filter::refusal> filter::open_way(link_pointer link, destination where) {
    refusal no;
    if (use_.bytes_limit_reached) {
        no = {403, "network.bytes_max", "the program has used up network.bytes_max"};
        co_return no;
    }
    const auto refused = judge_host(shared_.options.policy, use_.mode, rules_, where);
    if (refused != network_refusal::none) co_return forbid(where, refused);
    addresses candidates;
    no = co_await find(where, &candidates);
    if (no.status == 0) no = permitted(where, candidates);
    if (no.status != 0) co_return no;
    const auto deadline = home_.time().steady() + shared_.options.connect_wait;
    for (const auto& address : candidates) {
        const bool connected = co_await link->connect(address, where.port, deadline);
        if (connected) co_return no;
        if (link->is_closed()) break;
    }
    no = {502, "unreachable", where.to_string() + " takes no connection"};
    co_return no;
}

task<filter::refusal> filter::find(destination where, addresses* out) {
    refusal no;
    if (where.address) {
        out->push_back(*where.address);
        co_return no;
    }
    while (looking_up_ && !over_) co_await looked_up_.wait();
    if (const auto known = pinned_.find(where.host); known != pinned_.end()) {
        *out = known->second;
        co_return no;
    }
    if (pinned_.size() >= shared_.options.policy.names_max) {
        shared_.names_limit.add();
        no = {403, "network.names_max", "the program has looked up network.names_max names"};
        co_return no;
    }
    looking_up_ = true;
    no = co_await look_up(where.host, out);
    looking_up_ = false;
    looked_up_.notify_all();
    co_return no;
}

task<filter::refusal> filter::look_up(std::string name, addresses* out) {
    refusal no;
    if (over_) {
        no = {503, "ended", "the program has ended"};
        co_return no;
    }
    asked_ = shared_.names->ask(name);
    const auto asked = asked_;
    if (!asked) {
        shared_.lookups_limit.add();
        no = {503, "network.lookups_max", "too many names are being looked up"};
        co_return no;
    }
    const auto deadline = home_.time().steady() + shared_.options.lookup_wait;
    bool in_time = true;
    while (!asked->done && !over_ && in_time) in_time = co_await asked->answered.wait_until(deadline);
    asked_ = nullptr;
    if (!asked->done || asked->addresses.empty()) {
        no = {asked->done ? 502U : 504U, "unknown_name", "no address is known for " + name};
        co_return no;
    }
    // For the program's whole life: what the name stands for later is not asked.
    pinned_.emplace(std::move(name), asked->addresses);
    *out = asked->addresses;
    co_return no;
}

// Keeps those that may be connected to.
filter::refusal filter::permitted(const destination& where, addresses& candidates) {
    const auto* const own = shared_.own.at(home_.time().steady());
    if (own == nullptr) return {503, "own_addresses", "the node's own addresses are not known now"};
    const auto* const port = shared_.options.own_port.get();
    const std::uint16_t own_port = port == nullptr ? std::uint16_t{0} : port->load();
    auto why = network_refusal::none;
    std::erase_if(candidates, [&](const runtime::ip_address& address) {
        const auto verdict = judge_address(shared_.options.policy, address, where.port, *own, own_port);
        if (verdict != network_refusal::none) why = verdict;
        return verdict != network_refusal::none;
    });
    if (!candidates.empty()) return {};
    return forbid(where, why);
}

filter::refusal filter::forbid(const destination& where, network_refusal why) {
    auto& known = use_.refusals;
    const pipeline::network_use::refusal one{where.to_string(), why};
    if (known.size() < pipeline::network_refusals_max && std::ranges::find(known, one) == known.end())
        known.push_back(one);
    return {403, std::string(to_string(why)), where.to_string() + " is refused: " + std::string(explain(why))};
}

// False when the program has used up what it may.
bool filter::charge(std::uint64_t bytes, bool outwards) {
    (outwards ? use_.sent_bytes : use_.received_bytes) += bytes;
    (outwards ? shared_.sent_bytes : shared_.received_bytes).add(bytes);
    if (use_.sent_bytes + use_.received_bytes <= shared_.options.policy.bytes_max) return true;
    if (!use_.bytes_limit_reached) shared_.bytes_limit.add();
    use_.bytes_limit_reached = true;
    for (const auto& link : links_) link->close();
    return false;
}

task<void> filter::pump(link_pointer link, bool outwards) {
    tcp_socket& from = outwards ? link->inner() : link->outer();
    tcp_socket& to = outwards ? link->outer() : link->inner();
    std::string buffer(pump_bytes, '\0');
    error_code failed;
    while (!failed && !link->is_closed()) {
        const auto n =
            co_await from.async_read_some(asio::buffer(buffer), asio::redirect_error(runtime::use_task, failed));
        if (failed || !charge(n, outwards)) break;
        co_await asio::async_write(to, asio::buffer(buffer.data(), n), asio::redirect_error(runtime::use_task, failed));
    }
    error_code ignored;
    if (failed == asio::error::eof) {
        to.shutdown(tcp::socket::shutdown_send, ignored);
    } else {
        link->close();
    }
    link->way_ended();
}

}  // namespace stages::worker::network
