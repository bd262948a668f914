#include "runtime/base/encoding.hpp"

#include <algorithm>
#include <array>
#include <cstdint>

namespace runtime {
namespace {

constexpr std::string_view alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

constexpr std::array<std::int8_t, 256> make_reverse() {
    std::array<std::int8_t, 256> reverse{};
    for (auto& value : reverse) value = -1;
    for (std::size_t i = 0; i < alphabet.size(); ++i)
        reverse[static_cast<std::uint8_t>(alphabet[i])] = static_cast<std::int8_t>(i);
    return reverse;
}

constexpr auto reverse = make_reverse();

std::uint8_t byte_at(std::string_view bytes, std::size_t i) { return static_cast<std::uint8_t>(bytes[i]); }

// The second byte decides on overlong forms, surrogates and the upper bound (RFC 3629, section 4).
bool second_fits(std::uint8_t lead, std::uint8_t second) {
    switch (lead) {
        case 0xe0: return second >= 0xa0 && second <= 0xbf;
        case 0xed: return second >= 0x80 && second <= 0x9f;
        case 0xf0: return second >= 0x90 && second <= 0xbf;
        case 0xf4: return second >= 0x80 && second <= 0x8f;
        default: return second >= 0x80 && second <= 0xbf;
    }
}

// 1 to 4, or 0 for a byte that begins nothing.
std::size_t sequence_length(std::uint8_t lead) {
    if (lead < 0x80) return 1;
    if (lead >= 0xc2 && lead <= 0xdf) return 2;
    if (lead >= 0xe0 && lead <= 0xef) return 3;
    if (lead >= 0xf0 && lead <= 0xf4) return 4;
    return 0;
}

// How many of the bytes at `at` belong to one valid (perhaps unfinished) sequence; 0 if none does.
std::size_t valid_prefix(std::string_view bytes, std::size_t at, std::size_t length) {
    const std::size_t have = std::min(length, bytes.size() - at);
    for (std::size_t i = 1; i < have; ++i) {
        const std::uint8_t byte = byte_at(bytes, at + i);
        const bool fits = i == 1 ? second_fits(byte_at(bytes, at), byte) : (byte & 0xc0) == 0x80;
        if (!fits) return 0;
    }
    return have;
}

}  // namespace

std::string base64_encode(std::string_view bytes) {
    std::string text;
    text.reserve((bytes.size() + 2) / 3 * 4);
    for (std::size_t i = 0; i < bytes.size(); i += 3) {
        const std::size_t have = std::min<std::size_t>(3, bytes.size() - i);
        std::uint32_t group = 0;
        for (std::size_t k = 0; k < 3; ++k) group = group << 8 | (k < have ? byte_at(bytes, i + k) : 0U);
        for (std::size_t k = 0; k < 4; ++k) text.push_back(k <= have ? alphabet[group >> (18 - 6 * k) & 63] : '=');
    }
    return text;
}

std::optional<std::string> base64_decode(std::string_view text) {
    if (text.size() % 4 != 0) return std::nullopt;
    std::string bytes;
    bytes.reserve(text.size() / 4 * 3);
    for (std::size_t i = 0; i < text.size(); i += 4) {
        const bool last = i + 4 == text.size();
        std::size_t digits = 4;
        if (last && text[i + 3] == '=') digits = text[i + 2] == '=' ? 2 : 3;
        std::uint32_t group = 0;
        for (std::size_t k = 0; k < 4; ++k) {
            const int value = k < digits ? reverse[byte_at(text, i + k)] : 0;
            if (value < 0) return std::nullopt;
            group = group << 6 | static_cast<std::uint32_t>(value);
        }
        const std::uint32_t stray = digits == 2 ? group & 0xffff : digits == 3 ? group & 0xff : 0;
        if (stray != 0) return std::nullopt;
        for (std::size_t k = 0; k + 1 < digits; ++k) bytes.push_back(static_cast<char>(group >> (16 - 8 * k)));
    }
    return bytes;
}

bool is_utf8(std::string_view bytes) {
    std::size_t at = 0;
    while (at < bytes.size()) {
        const std::size_t length = sequence_length(byte_at(bytes, at));
        if (length == 0 || valid_prefix(bytes, at, length) != length) return false;
        at += length;
    }
    return true;
}

std::size_t utf8_length(std::string_view text) {
    return static_cast<std::size_t>(
        std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<std::uint8_t>(c) & 0xc0) != 0x80; }));
}

std::size_t utf8_incomplete_tail(std::string_view bytes) {
    for (std::size_t back = 1; back <= std::min<std::size_t>(3, bytes.size()); ++back) {
        const std::size_t at = bytes.size() - back;
        const std::size_t length = sequence_length(byte_at(bytes, at));
        if (length > back) return valid_prefix(bytes, at, length) == back ? back : 0;
        if (length != 0) return 0;
    }
    return 0;
}

std::string hex_encode(std::string_view bytes) {
    static constexpr std::string_view digits = "0123456789abcdef";
    std::string text;
    text.reserve(bytes.size() * 2);
    for (const char c : bytes) {
        text.push_back(digits[static_cast<std::uint8_t>(c) >> 4]);
        text.push_back(digits[static_cast<std::uint8_t>(c) & 15]);
    }
    return text;
}

}  // namespace runtime
