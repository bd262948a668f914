// Text encodings of the contract: base64 (RFC 4648, section 4, with padding) and UTF-8 (RFC 3629).
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace runtime {

std::string base64_encode(std::string_view bytes);
// Strict: no white space, padding required, no stray bits; nothing otherwise.
std::optional<std::string> base64_decode(std::string_view text);

// Whole and valid: no overlong forms, no surrogates, nothing above U+10FFFF.
bool is_utf8(std::string_view bytes);
// Number of code points of valid UTF-8.
std::size_t utf8_length(std::string_view text);
// How many bytes at the end are the valid beginning of a sequence that is not complete yet: 0 to 3.
std::size_t utf8_incomplete_tail(std::string_view bytes);

std::string hex_encode(std::string_view bytes);

}  // namespace runtime
