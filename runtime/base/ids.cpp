#include "runtime/base/ids.hpp"

#include <algorithm>

#include "runtime/base/sha256.hpp"

namespace runtime {
namespace {

int hex_value(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return -1;
}

bool dash_at(std::size_t i) { return i == 8 || i == 13 || i == 18 || i == 23; }

}  // namespace

std::string uuid::to_string() const {
    static constexpr char digits[] = "0123456789abcdef";
    std::string text;
    text.reserve(36);
    for (const std::uint8_t byte : bytes) {
        if (dash_at(text.size())) text.push_back('-');
        text.push_back(digits[byte >> 4]);
        text.push_back(digits[byte & 15]);
    }
    return text;
}

std::optional<uuid> uuid::parse(std::string_view text) {
    if (text.size() != 36) return std::nullopt;
    uuid out;
    std::size_t at = 0;
    for (auto& byte : out.bytes) {
        if (dash_at(at) && text[at++] != '-') return std::nullopt;
        const int high = hex_value(text[at]);
        const int low = hex_value(text[at + 1]);
        if (high < 0 || low < 0) return std::nullopt;
        byte = static_cast<std::uint8_t>(high << 4 | low);
        at += 2;
    }
    return out;
}

std::optional<execution_id> execution_id::parse(std::string_view text) {
    const auto value = uuid::parse(text);
    if (!value) return std::nullopt;
    const bool version_7 = (value->bytes[6] >> 4) == 7;
    const bool rfc_variant = (value->bytes[8] >> 6) == 2;
    if (!version_7 || !rfc_variant) return std::nullopt;
    return execution_id(*value);
}

utc_time execution_id::created_at() const {
    std::int64_t millis = 0;
    for (std::size_t i = 0; i < 6; ++i) millis = (millis << 8) | bytes[i];
    const std::int64_t fraction = (bytes[6] & 15) << 8 | bytes[7];
    return {millis * 1000 + fraction * 1000 / 4096};
}

uuid named_id(std::string_view kind, std::string_view name) {
    sha256_hasher hasher;
    hasher.update(kind);
    hasher.update(std::string_view("\0", 1));
    hasher.update(name);
    const auto digest = hasher.finish();
    uuid out;
    std::copy_n(digest.begin(), 16, out.bytes.begin());
    out.bytes[6] = static_cast<std::uint8_t>((out.bytes[6] & 0x0f) | 0x80);
    out.bytes[8] = static_cast<std::uint8_t>((out.bytes[8] & 0x3f) | 0x80);
    return out;
}

execution_id id_generator::next(slot home) {
    const auto now = static_cast<std::uint64_t>(clock_.utc().microseconds_since_epoch);
    // Rounded up, so that created_at() of the id gives the same microsecond back.
    const std::uint64_t tick = (now / 1000) << 12 | ((now % 1000) * 4096 + 999) / 1000;
    last_tick_ = std::max(tick, last_tick_ + 1);

    execution_id id;
    const std::uint64_t millis = last_tick_ >> 12;
    for (std::size_t i = 0; i < 6; ++i) id.bytes[i] = static_cast<std::uint8_t>(millis >> (40 - 8 * i));
    id.bytes[6] = static_cast<std::uint8_t>(0x70 | ((last_tick_ >> 8) & 15));
    id.bytes[7] = static_cast<std::uint8_t>(last_tick_);
    const std::uint64_t random = random_.next();
    for (std::size_t i = 0; i < 6; ++i) id.bytes[8 + i] = static_cast<std::uint8_t>(random >> (8 * i));
    id.bytes[8] = static_cast<std::uint8_t>((id.bytes[8] & 0x3f) | 0x80);
    id.bytes[14] = static_cast<std::uint8_t>(home.value >> 8);
    id.bytes[15] = static_cast<std::uint8_t>(home.value);
    return id;
}

}  // namespace runtime
