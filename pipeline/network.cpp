#include "pipeline/network.hpp"

#include <algorithm>

#include "runtime/base/ascii.hpp"

namespace pipeline {
namespace {

using runtime::address_kind;
using runtime::ip_address;

constexpr std::size_t label_bytes_max = 63;
constexpr unsigned port_max = 65535;

bool is_label(std::string_view label) {
    if (label.empty() || label.size() > label_bytes_max || label.front() == '-' || label.back() == '-') return false;
    return std::ranges::all_of(
        label, [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_'; });
}

// In lower case, without the dot that a whole name may end with; nothing for what is no name, or could be an address.
std::optional<std::string> parse_name(std::string_view text) {
    std::string name = runtime::lower(text);
    if (name.ends_with('.')) name.pop_back();
    if (name.empty() || name.size() > network_host_bytes_max || runtime::looks_like_ipv4(name)) return std::nullopt;
    std::string_view rest = name;
    while (true) {
        const auto dot = rest.find('.');
        if (!is_label(rest.substr(0, dot))) return std::nullopt;
        if (dot == std::string_view::npos) return name;
        rest.remove_prefix(dot + 1);
    }
}

std::optional<ip_address> parse_host_address(std::string_view host) {
    const bool in_brackets = host.starts_with('[') && host.ends_with(']');
    if (in_brackets) host = host.substr(1, host.size() - 2);
    // Brackets are IPv6's, and IPv6 without them is no host.
    if (in_brackets != (host.find(':') != std::string_view::npos)) return std::nullopt;
    return runtime::parse_ip_address(host);
}

// A host is an address or a name; false for what is neither.
bool read_host(std::string_view text, std::string& host, std::optional<ip_address>& address) {
    address = parse_host_address(text);
    auto name = address ? std::optional(address->to_string()) : parse_name(text);
    if (!name) return false;
    host = std::move(*name);
    return true;
}

bool is_below(std::string_view name, std::string_view domain) {
    return name.size() > domain.size() && name.ends_with(domain) && name[name.size() - domain.size() - 1] == '.';
}

// The part behind the last colon that stands outside of brackets; npos without one.
std::size_t port_colon(std::string_view text) {
    const auto colon = text.rfind(':');
    const auto bracket = text.rfind(']');
    return colon != std::string_view::npos && (bracket == std::string_view::npos || bracket < colon)
               ? colon
               : std::string_view::npos;
}

}  // namespace

std::string_view to_string(network_mode value) {
    switch (value) {
        case network_mode::none: return "none";
        case network_mode::allow: return "allow";
        case network_mode::open: return "open";
    }
    return "";
}

std::string destination::to_string() const {
    const bool brackets = address && !address->is_v4();
    return (brackets ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

std::optional<std::uint16_t> parse_port(std::string_view text) {
    if (text.empty() || text.size() > 5 || text.front() == '0') return std::nullopt;
    unsigned value = 0;
    for (const char c : text) {
        if (c < '0' || c > '9') return std::nullopt;
        value = value * 10 + static_cast<unsigned>(c - '0');
    }
    if (value > port_max) return std::nullopt;
    return static_cast<std::uint16_t>(value);
}

std::optional<destination> parse_destination(std::string_view host, std::uint16_t port) {
    destination out;
    out.port = port;
    if (!read_host(host, out.host, out.address)) return std::nullopt;
    return out;
}

std::optional<host_rule> parse_host_rule(std::string_view text) {
    const auto colon = port_colon(text);
    if (colon == std::string_view::npos) return std::nullopt;
    host_rule out;
    if (text.substr(colon + 1) != "*") {
        const auto port = parse_port(text.substr(colon + 1));
        if (!port) return std::nullopt;
        out.port = *port;
    }
    auto host = text.substr(0, colon);
    out.any_host = host == "*";
    if (out.any_host) return out;
    out.below = host.starts_with("*.");
    if (out.below) host.remove_prefix(2);
    if (!read_host(host, out.host, out.address) || (out.below && out.address)) return std::nullopt;
    return out;
}

bool host_rule::covers(const destination& where) const {
    if (port != 0 && port != where.port) return false;
    if (any_host) return true;
    if (address || where.address) return address == where.address;
    return below ? is_below(where.host, host) : where.host == host;
}

bool host_rule::covers(const host_rule& other) const {
    if (port != 0 && port != other.port) return false;
    if (any_host) return true;
    if (other.any_host) return false;
    if (address || other.address) return address == other.address;
    if (!below) return !other.below && host == other.host;
    return is_below(other.host, host) || (other.below && other.host == host);
}

std::string host_rule::to_string() const {
    const bool brackets = address && !address->is_v4();
    const std::string name = any_host ? "*" : (below ? "*." : "") + (brackets ? "[" + host + "]" : host);
    return name + ":" + (port == 0 ? "*" : std::to_string(port));
}

std::optional<address_rule> parse_address_rule(std::string_view text) {
    address_rule out;
    const bool in_brackets = text.starts_with('[');
    const bool is_v6 = !in_brackets && text.find(':') != text.rfind(':');
    const auto colon = is_v6 ? std::string_view::npos : port_colon(text);
    if (colon != std::string_view::npos) {
        const auto port = parse_port(text.substr(colon + 1));
        if (!port) return std::nullopt;
        out.port = *port;
        text = text.substr(0, colon);
    }
    if (in_brackets) {
        if (!text.ends_with(']')) return std::nullopt;
        text = text.substr(1, text.size() - 2);
    }
    const auto range = runtime::parse_ip_range(text);
    if (!range) return std::nullopt;
    out.range = *range;
    return out;
}

bool network_policy::may_open(std::string_view lang, bool admin) const {
    return std::ranges::any_of(
        open, [&](const std::string& who) { return who == "*" || who == lang || (admin && who == "admin"); });
}

std::string_view to_string(network_refusal value) {
    switch (value) {
        case network_refusal::none: return "";
        case network_refusal::not_in_request: return "not_in_request";
        case network_refusal::not_in_operator_list: return "not_in_operator_list";
        case network_refusal::forbidden_address: return "forbidden_address";
        case network_refusal::own_address: return "own_address";
    }
    return "";
}

std::string_view explain(network_refusal value) {
    switch (value) {
        case network_refusal::none: return "";
        case network_refusal::not_in_request: return "the request's network.allow does not name it";
        case network_refusal::not_in_operator_list: return "the operator's network.hosts does not name it";
        case network_refusal::forbidden_address: return "its address is not one of the internet";
        case network_refusal::own_address: return "its address is the node's own";
    }
    return "";
}

network_refusal judge_host(const network_policy& policy, network_mode mode, std::span<const host_rule> asked,
                           const destination& where) {
    if (mode == network_mode::open) return network_refusal::none;
    const auto covers = [&where](const host_rule& rule) { return rule.covers(where); };
    if (mode != network_mode::allow || std::ranges::none_of(asked, covers)) return network_refusal::not_in_request;
    // It was asked for when it was allowed; the server may have been started with another list since.
    if (std::ranges::none_of(policy.hosts, covers)) return network_refusal::not_in_operator_list;
    return network_refusal::none;
}

network_refusal judge_address(const network_policy& policy, const ip_address& address, std::uint16_t port,
                              std::span<const ip_address> own, std::uint16_t own_port) {
    const auto covers = [&](const address_rule& rule) { return rule.covers(address, port); };
    // A whole range that the operator names may hold the node by accident; one address with a port is meant.
    const auto names_it = [&](const address_rule& rule) {
        return rule.range.is_one_address() && rule.port != 0 && rule.covers(address, port);
    };
    if (std::ranges::any_of(policy.never, covers)) return network_refusal::forbidden_address;
    const auto kind = runtime::kind_of(address);
    if (kind == address_kind::loopback || std::ranges::find(own, address) != own.end()) {
        const bool meant = std::ranges::any_of(policy.reachable, names_it);
        return meant && port != own_port ? network_refusal::none : network_refusal::own_address;
    }
    if (kind == address_kind::global) return network_refusal::none;
    if (kind == address_kind::private_use && std::ranges::any_of(policy.reachable, covers))
        return network_refusal::none;
    return network_refusal::forbidden_address;
}

}  // namespace pipeline
