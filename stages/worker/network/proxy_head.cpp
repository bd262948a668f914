#include "stages/worker/network/proxy_head.hpp"

#include <algorithm>
#include <array>
#include <optional>

namespace stages::worker::network {
namespace {

constexpr std::string_view line_end = "\r\n";
constexpr std::string_view head_end = "\r\n\r\n";
constexpr std::string_view http_scheme = "http://";
constexpr std::uint16_t http_port = 80;
// Of this hop alone; what else Connection names stays with its sender's origin, who was asked to close.
constexpr std::array of_this_hop{"host", "connection", "keep-alive",    "proxy-connection", "proxy-authorization",
                                 "te",   "upgrade",    "http2-settings"};

bool is_token(std::string_view text) {
    return !text.empty() && std::ranges::all_of(text, [](char c) {
        const bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        return is_letter || std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
    });
}

bool is_visible(std::string_view text) {
    return std::ranges::all_of(text, [](char c) { return c > 0x20 && c < 0x7f; });
}

bool is_value(std::string_view text) {
    return std::ranges::all_of(text, [](char c) { return static_cast<unsigned char>(c) >= 0x20 || c == '\t'; }) &&
           text.find('\x7f') == std::string_view::npos;
}

std::string lower(std::string_view text) {
    std::string out(text);
    for (char& c : out)
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c | 0x20);
    return out;
}

struct request_line {
    std::string_view method;
    std::string_view target;
};

std::optional<request_line> parse_line(std::string_view line) {
    const auto first = line.find(' ');
    const auto last = line.rfind(' ');
    if (first == std::string_view::npos || first == last) return std::nullopt;
    request_line out{line.substr(0, first), line.substr(first + 1, last - first - 1)};
    const auto version = line.substr(last + 1);
    if (version != "HTTP/1.1" && version != "HTTP/1.0") return std::nullopt;
    if (!is_token(out.method) || out.target.empty() || !is_visible(out.target)) return std::nullopt;
    return out;
}

// host:port; without a port the given one, or nothing where that is 0.
std::optional<pipeline::destination> parse_authority(std::string_view text, std::uint16_t port) {
    if (text.find('@') != std::string_view::npos) return std::nullopt;
    const auto colon = text.rfind(':');
    const auto bracket = text.rfind(']');
    auto host = text;
    if (colon != std::string_view::npos && (bracket == std::string_view::npos || bracket < colon)) {
        const auto given = pipeline::parse_port(text.substr(colon + 1));
        if (!given) return std::nullopt;
        port = *given;
        host = text.substr(0, colon);
    }
    if (port == 0) return std::nullopt;
    return pipeline::parse_destination(host, port);
}

// The fields that go on to the origin; nothing if one is malformed.
std::optional<std::string> forwarded_fields(std::string_view fields) {
    std::string out;
    while (!fields.empty()) {
        const auto end = fields.find(line_end);
        const auto line = fields.substr(0, end);
        fields.remove_prefix(end == std::string_view::npos ? fields.size() : end + line_end.size());
        const auto colon = line.find(':');
        if (colon == std::string_view::npos) return std::nullopt;
        const auto name = line.substr(0, colon);
        if (!is_token(name) || !is_value(line.substr(colon + 1))) return std::nullopt;
        if (std::ranges::find(of_this_hop, lower(name)) != of_this_hop.end()) continue;
        out.append(line).append(line_end);
    }
    return out;
}

void read_forwarded(proxy_head& out, const request_line& line, std::string_view fields) {
    if (lower(line.target.substr(0, http_scheme.size())) != http_scheme) return;
    const auto rest = line.target.substr(http_scheme.size());
    const auto authority_end = rest.find_first_of("/?#");
    const auto authority = rest.substr(0, authority_end);
    const auto where = parse_authority(authority, http_port);
    const auto kept = forwarded_fields(fields);
    if (!where || !kept) return;
    std::string path(authority_end == std::string_view::npos ? "" : rest.substr(authority_end));
    if (!path.starts_with('/')) path.insert(0, "/");
    if (path.find('#') != std::string::npos) return;
    out.where = *where;
    out.forward = std::string(line.method) + " " + path + " HTTP/1.1\r\nHost: " + std::string(authority) + "\r\n" +
                  *kept + "Connection: close\r\n\r\n";
    out.is = proxy_head::state::complete;
}

}  // namespace

proxy_head read_proxy_head(std::string_view received) {
    proxy_head out;
    const auto end = received.substr(0, proxy_head_bytes_max).find(head_end);
    if (end == std::string_view::npos) {
        if (received.size() >= proxy_head_bytes_max) out.is = proxy_head::state::too_large;
        return out;
    }
    out.is = proxy_head::state::malformed;
    out.bytes = end + head_end.size();
    const auto head = received.substr(0, end);
    const auto first_end = head.find(line_end);
    const auto line = parse_line(head.substr(0, first_end));
    if (!line) return out;
    const auto fields =
        first_end == std::string_view::npos ? std::string_view() : head.substr(first_end + line_end.size());
    if (line->method != "CONNECT") {
        read_forwarded(out, *line, fields);
        return out;
    }
    const auto where = parse_authority(line->target, 0);
    if (!where) return out;
    out.where = *where;
    out.is_tunnel = true;
    out.is = proxy_head::state::complete;
    return out;
}

}  // namespace stages::worker::network
