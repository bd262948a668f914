#include "runtime/base/crc32c.hpp"

#include <array>
#include <cstring>

#if defined(__x86_64__)
#include <nmmintrin.h>
#endif

namespace runtime {
namespace {

constexpr std::uint32_t polynomial = 0x82f63b78;

constexpr std::array<std::uint32_t, 256> make_table() {
    std::array<std::uint32_t, 256> table{};
    for (std::uint32_t i = 0; i < 256; ++i) {
        std::uint32_t crc = i;
        for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? polynomial : 0);
        table[i] = crc;
    }
    return table;
}

constexpr auto table = make_table();

std::uint32_t by_table(const std::uint8_t* at, std::size_t size, std::uint32_t crc) {
    for (; size > 0; --size, ++at) crc = table[(crc ^ *at) & 255] ^ (crc >> 8);
    return crc;
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) std::uint32_t by_instruction(const std::uint8_t* at, std::size_t size,
                                                               std::uint32_t crc) {
    std::uint64_t wide = crc;
    for (; size >= 8; size -= 8, at += 8) {
        std::uint64_t word = 0;
        std::memcpy(&word, at, 8);
        wide = _mm_crc32_u64(wide, word);
    }
    crc = static_cast<std::uint32_t>(wide);
    for (; size > 0; --size, ++at) crc = _mm_crc32_u8(crc, *at);
    return crc;
}
#endif

}  // namespace

std::uint32_t crc32c(const void* bytes, std::size_t size, std::uint32_t seed) {
    const auto* at = static_cast<const std::uint8_t*>(bytes);
#if defined(__x86_64__)
    static const bool has_instruction = __builtin_cpu_supports("sse4.2");
    if (has_instruction) return ~by_instruction(at, size, ~seed);
#endif
    return ~by_table(at, size, ~seed);
}

}  // namespace runtime
