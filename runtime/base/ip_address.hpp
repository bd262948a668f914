// IP addresses as values, and what the registries of special addresses say of them. No sockets, no names.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace runtime {

// IPv4 lies in it as ::ffff:a.b.c.d, so that both forms of an address are one value.
struct ip_address {
    std::array<std::uint8_t, 16> bytes{};

    static ip_address v4(std::uint32_t value);
    [[nodiscard]] bool is_v4() const;
    [[nodiscard]] std::uint32_t to_v4() const;  // of one that is
    [[nodiscard]] std::string to_string() const;
    friend auto operator<=>(const ip_address&, const ip_address&) = default;
};

// Four decimal numbers without leading zeros, or IPv6 without brackets and zone. Nothing for the other forms that some
// programs take (one number, octal, hexadecimal, fewer parts): what one reader takes for a name another must not take
// for an address.
std::optional<ip_address> parse_ip_address(std::string_view text);
// True for what some reader could take for an IPv4 address: its last label is a number, in whatever base.
bool looks_like_ipv4(std::string_view host);

// All addresses that share their first bits.
struct ip_range {
    ip_address first;
    unsigned bits = 128;  // of `first`; an IPv4 range has 96 more than is written
    [[nodiscard]] bool contains(const ip_address& address) const;
    [[nodiscard]] bool is_one_address() const { return bits == 128; }
    friend bool operator==(const ip_range&, const ip_range&) = default;
};
// "10.0.0.0/8", "fd00::/8", or one address. Nothing if bits behind the prefix are set.
std::optional<ip_range> parse_ip_range(std::string_view text);

enum class address_kind : std::uint8_t {
    global,       // of the internet
    private_use,  // RFC 1918, unique local IPv6, and the shared addresses of providers
    loopback,
    link_local,
    metadata,  // where clouds tell a machine its secrets
    multicast,
    reserved,  // whatever else is nobody's: this network, documentation, benchmarks, relays, the future
};
std::string_view to_string(address_kind kind);
// Of an address that carries an IPv4 one for a translator (64:ff9b::/96): that one's kind.
address_kind kind_of(const ip_address& address);

}  // namespace runtime
