// CRC-32C (Castagnoli, RFC 3720 appendix B.4), with the processor's instruction where it has one.
#pragma once

#include <cstddef>
#include <cstdint>

namespace runtime {

// Continues from `seed`, the result of the bytes before (0 at the start).
std::uint32_t crc32c(const void* bytes, std::size_t size, std::uint32_t seed = 0);

}  // namespace runtime
