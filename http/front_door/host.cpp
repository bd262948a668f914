#include "http/front_door/host.hpp"

#include "http/front_door/grammar.hpp"

namespace http::front_door {
namespace {

bool is_port(std::string_view text) {
    if (text.size() > 5 || !all(text, is_digit_class)) return false;
    unsigned port = 0;
    for (const char c : text) port = port * 10 + static_cast<unsigned>(c - '0');
    return port <= 65535;
}

// Loose on purpose: what is between the brackets is never used, it only must not smuggle anything.
bool is_ip_literal(std::string_view inside) {
    if (inside.size() < 2 || inside.size() > 45) return false;
    for (const char c : inside)
        if (!is(c, is_hex_class) && c != ':' && c != '.') return false;
    return inside.find(':') != std::string_view::npos;
}

}  // namespace

bool is_host(std::string_view text) {
    if (text.empty() || text.size() > 255 + 6) return false;
    if (text.front() == '[') {
        const auto close = text.find(']');
        if (close == std::string_view::npos || !is_ip_literal(text.substr(1, close - 1))) return false;
        text.remove_prefix(close + 1);
        return text.empty() || (text.front() == ':' && is_port(text.substr(1)));
    }
    const auto colon = text.find(':');
    const auto name = text.substr(0, colon);
    if (name.empty() || !all(name, char_class::is_host_name)) return false;
    return colon == std::string_view::npos || is_port(text.substr(colon + 1));
}

}  // namespace http::front_door
