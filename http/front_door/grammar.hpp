// Character classes of RFC 9110 and RFC 3986, as one table. No locale, no Asio.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "runtime/base/ascii.hpp"

namespace http::front_door {

enum char_class : std::uint8_t {
    is_token = 1,       // tchar
    is_field_text = 2,  // what a field's value may hold: VCHAR, obs-text, SP, HTAB
    is_path = 4,        // pchar and '/', without '%'
    is_query = 8,       // what we take in a query: visible ASCII without # < > " and backslash
    is_host_name = 16,  // unreserved: what a registered name may hold here
    is_digit_class = 32,
    is_hex_class = 64,
};

namespace detail {
constexpr bool one_of(std::string_view set, char c) { return set.find(c) != std::string_view::npos; }
constexpr std::array<std::uint8_t, 256> make_classes() {
    std::array<std::uint8_t, 256> out{};
    for (unsigned i = 0; i < 256; ++i) {
        const char c = static_cast<char>(i);
        const bool digit = c >= '0' && c <= '9';
        const bool alpha = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        const bool visible = i > 0x20 && i < 0x7F;
        std::uint8_t bits = 0;
        if (digit || alpha || one_of("!#$%&'*+-.^_`|~", c)) bits |= is_token;
        if (visible || i >= 0x80 || c == ' ' || c == '\t') bits |= is_field_text;
        if (digit || alpha || one_of("-._~!$&'()*+,;=:@/", c)) bits |= is_path;
        if (visible && !one_of("#<>\"\\", c)) bits |= is_query;
        if (digit || alpha || one_of("-._~", c)) bits |= is_host_name;
        if (digit) bits |= is_digit_class;
        if (digit || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F')) bits |= is_hex_class;
        out[i] = bits;
    }
    return out;
}
inline constexpr std::array<std::uint8_t, 256> classes = make_classes();
}  // namespace detail

constexpr bool is(char c, char_class which) { return (detail::classes[static_cast<std::uint8_t>(c)] & which) != 0; }

constexpr bool all(std::string_view text, char_class which) {
    for (const char c : text)
        if (!is(c, which)) return false;
    return true;
}

using runtime::lower;
using runtime::same_ignoring_case;
using runtime::trimmed;

constexpr int hex_value(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    const char l = lower(c);
    return l >= 'a' && l <= 'f' ? l - 'a' + 10 : -1;
}

}  // namespace http::front_door
