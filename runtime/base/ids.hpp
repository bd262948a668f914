// Strong ids. An execution id is a UUIDv7 (RFC 9562, section 6.2, method 3): 48 bits of milliseconds, 12 bits of
// their fraction, then random bits; its last 16 bits are the slot, which says who owns the execution.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "runtime/base/random.hpp"
#include "runtime/base/time.hpp"

namespace runtime {

using shard_id = std::uint16_t;

// Where an entity lives, in 65,536 places. Partitions are ranges of slots.
struct slot {
    std::uint16_t value = 0;
    friend auto operator<=>(const slot&, const slot&) = default;
};

// The unit of ownership: partition = slot >> (16 - bits), so that doubling the number of partitions only splits.
struct partition_id {
    std::uint16_t value = 0;
    friend auto operator<=>(const partition_id&, const partition_id&) = default;
};

inline constexpr unsigned partition_bits_default = 8;
inline partition_id partition_of(slot s, unsigned bits) {
    return {static_cast<std::uint16_t>(bits == 0 ? 0 : s.value >> (16 - bits))};
}

// 128 bits, compared as bytes; text is the lower-case 8-4-4-4-12 form.
struct uuid {
    std::array<std::uint8_t, 16> bytes{};

    friend auto operator<=>(const uuid&, const uuid&) = default;
    [[nodiscard]] bool is_nil() const { return *this == uuid{}; }
    [[nodiscard]] std::string to_string() const;
    // Accepts exactly the 36-character form, lower case only.
    static std::optional<uuid> parse(std::string_view text);
};

struct execution_id : uuid {
    execution_id() = default;
    explicit execution_id(const uuid& value) : uuid(value) {}

    [[nodiscard]] slot home() const { return {static_cast<std::uint16_t>((bytes[14] << 8) | bytes[15])}; }
    // The id's time, with the resolution of its 12 fraction bits (about a quarter of a microsecond).
    [[nodiscard]] utc_time created_at() const;
    // Version and variant bits must be UUIDv7's.
    static std::optional<execution_id> parse(std::string_view text);
};

// A name of some kind as 16 bytes: UUIDv8 (RFC 9562, section 5.8) from SHA-256(kind, 0, name).
uuid named_id(std::string_view kind, std::string_view name);

// Makes execution ids that strictly rise. Shard: its owner only.
class id_generator {
  public:
    id_generator(const clock& time, random_source random) : clock_(time), random_(random) {}

    execution_id next(slot home);

  private:
    const clock& clock_;
    random_source random_;
    std::uint64_t last_tick_ = 0;  // milliseconds << 12 | fraction
};

}  // namespace runtime

template <>
struct std::hash<runtime::uuid> {
    std::size_t operator()(const runtime::uuid& id) const noexcept {
        // The random middle of the id is already a good hash.
        std::uint64_t word = 0;
        for (int i = 6; i < 14; ++i) word = (word << 8) | id.bytes[static_cast<std::size_t>(i)];
        return word * 0x9e3779b97f4a7c15ULL;
    }
};
template <>
struct std::hash<runtime::execution_id> : std::hash<runtime::uuid> {};
