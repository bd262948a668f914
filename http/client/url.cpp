#include "http/client/url.hpp"

#include <charconv>

#include "http/client/error.hpp"

namespace http::client {
namespace {

bool is_unreserved(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
           c == '_' || c == '~';
}

bool is_host(std::string_view host, bool bracketed) {
    if (host.empty()) return false;
    for (const char c : host)
        if (!is_unreserved(c) && !(bracketed && c == ':')) return false;
    return true;
}

bool is_path(std::string_view path) {
    for (const char c : path)
        if (c <= ' ' || c >= 0x7f || c == '?' || c == '#') return false;
    return true;
}

}  // namespace

std::string url::authority() const {
    const std::string name = host.find(':') == std::string::npos ? host : "[" + host + "]";
    return port == 80 ? name : name + ":" + std::to_string(port);
}

runtime::result<url> parse_url(std::string_view text) {
    if (text.starts_with("http://")) text.remove_prefix(7);
    if (text.find("://") != std::string_view::npos) return errc::bad_url;
    url out;
    const auto slash = text.find('/');
    std::string_view authority = text.substr(0, slash);
    if (slash != std::string_view::npos) out.base_path = text.substr(slash);
    while (out.base_path.ends_with('/')) out.base_path.pop_back();

    const bool bracketed = authority.starts_with('[');
    const auto host_end = bracketed ? authority.find(']') : authority.find(':');
    if (bracketed && host_end == std::string_view::npos) return errc::bad_url;
    const std::string_view host = bracketed ? authority.substr(1, host_end - 1) : authority.substr(0, host_end);
    std::string_view rest = bracketed
                                ? authority.substr(host_end + 1)
                                : authority.substr(host_end == std::string_view::npos ? authority.size() : host_end);
    if (!is_host(host, bracketed) || !is_path(out.base_path)) return errc::bad_url;
    out.host = host;
    if (rest.empty()) return out;
    if (rest.front() != ':') return errc::bad_url;
    rest.remove_prefix(1);
    const auto [end, failure] = std::from_chars(rest.data(), rest.data() + rest.size(), out.port);
    if (failure != std::errc{} || end != rest.data() + rest.size() || out.port == 0) return errc::bad_url;
    return out;
}

std::string percent_encode(std::string_view text) {
    static constexpr std::string_view digits = "0123456789ABCDEF";
    std::string out;
    for (const char c : text) {
        if (is_unreserved(c)) {
            out += c;
            continue;
        }
        out += '%';
        out += digits[static_cast<unsigned char>(c) >> 4];
        out += digits[static_cast<unsigned char>(c) & 15];
    }
    return out;
}

}  // namespace http::client
