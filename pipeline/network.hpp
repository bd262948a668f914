// What programs may reach in the network: what a request asks for, what the operator allows, and who decides about one
// connection. Values only; stages/worker/network makes the connections.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/ip_address.hpp"

namespace pipeline {

inline constexpr std::size_t network_allow_max = 32;        // entries of a request
inline constexpr std::size_t network_host_bytes_max = 253;  // of a name
inline constexpr std::size_t network_refusals_max = 8;      // that a result names

// Numbers are for ever.
enum class network_mode : std::uint8_t { none = 0, allow, open };
std::string_view to_string(network_mode value);

struct network_request {
    network_mode mode = network_mode::none;
    std::vector<std::string> allow;  // well-formed host rules
    friend bool operator==(const network_request&, const network_request&) = default;
};

// Where a program wants to go. A host is an address or a name, never what could be taken for either.
struct destination {
    std::string host;  // a name, in lower case and without a dot at its end; of an address: as to_string() has it
    std::optional<runtime::ip_address> address;
    std::uint16_t port = 0;
    [[nodiscard]] std::string to_string() const;
};
// `host` as URLs have it: IPv6 in brackets.
std::optional<destination> parse_destination(std::string_view host, std::uint16_t port);
// 1 to 65535, decimal, nothing else.
std::optional<std::uint16_t> parse_port(std::string_view text);

// "api.example.org:443", "*.example.org:443", "93.184.216.34:80", "[2606::1]:443", and "*" for any host or port.
struct host_rule {
    bool any_host = false;
    bool below = false;  // names below `host`, not itself
    std::string host;
    std::optional<runtime::ip_address> address;
    std::uint16_t port = 0;  // 0: any
    [[nodiscard]] bool covers(const destination& where) const;
    [[nodiscard]] std::string to_string() const;
    // Whatever the other one covers, this one does.
    [[nodiscard]] bool covers(const host_rule& other) const;
};
std::optional<host_rule> parse_host_rule(std::string_view text);

// "10.0.0.0/8", "10.1.2.3:5432", "[fd00::/8]:443": addresses, with a port or any.
struct address_rule {
    runtime::ip_range range;
    std::uint16_t port = 0;  // 0: any
    [[nodiscard]] bool covers(const runtime::ip_address& address, std::uint16_t to_port) const {
        return (port == 0 || port == to_port) && range.contains(address);
    }
};
std::optional<address_rule> parse_address_rule(std::string_view text);

// The operator's word.
struct network_policy {
    std::vector<host_rule> hosts;            // what requests may put into `allow`; none: nobody has a network
    std::vector<std::string> open;           // who may ask for all hosts: languages, "admin", or "*"
    std::vector<address_rule> reachable;     // addresses that are not of the internet, and reachable all the same
    std::vector<address_rule> never;         // whatever else is said
    std::uint32_t connections_max = 64;      // of one program, at once
    std::uint32_t names_max = 64;            // that one program may look up
    std::uint64_t bytes_max = 256ULL << 20;  // of one program, both ways together

    [[nodiscard]] bool may_open(std::string_view lang, bool admin) const;
};

// Why not. The first two are decided by the name, the others by the address.
enum class network_refusal : std::uint8_t {
    none = 0,
    not_in_request,
    not_in_operator_list,
    forbidden_address,
    own_address,
};
std::string_view to_string(network_refusal value);  // "" for none
// For people.
std::string_view explain(network_refusal value);

// Whether the host may be reached at all.
network_refusal judge_host(const network_policy& policy, network_mode mode, std::span<const host_rule> asked,
                           const destination& where);
// Whether this address, which `where` is or its name stands for, may be connected to. `own` are the node's addresses;
// `own_port` is where it listens, which is closed to programs whatever the operator says.
network_refusal judge_address(const network_policy& policy, const runtime::ip_address& address, std::uint16_t port,
                              std::span<const runtime::ip_address> own, std::uint16_t own_port);

// What a program did with its network.
struct network_use {
    network_mode mode = network_mode::none;
    std::uint64_t connections = 0;  // made
    std::uint64_t refused = 0;
    std::uint64_t sent_bytes = 0;  // by the program
    std::uint64_t received_bytes = 0;
    bool bytes_limit_reached = false;
    struct refusal {
        std::string to;
        network_refusal why = network_refusal::none;
        friend bool operator==(const refusal&, const refusal&) = default;
    };
    std::vector<refusal> refusals;  // the first network_refusals_max different ones
    friend bool operator==(const network_use&, const network_use&) = default;
};

}  // namespace pipeline
