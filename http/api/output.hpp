// A stream's bytes as they are, whole or one range of them (RFC 9110, section 14).
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "http/message/response.hpp"
#include "http/request.hpp"
#include "pipeline/engine.hpp"

namespace http::api {

// Ended output never changes, so its validator is its name: that of a stream, or an artefact's.
response output_response(const request& asked, const pipeline::execution_id& id, std::string_view which,
                         std::string bytes);

struct byte_range {
    std::uint64_t first = 0;
    std::uint64_t size = 0;
};
// One range of `total` bytes. `whole`: the field is to be ignored (several ranges, another unit, nonsense);
// `beyond`: it lies behind the end.
enum class range_kind : unsigned char { whole, part, beyond };
range_kind parse_range(std::string_view field, std::uint64_t total, byte_range& out);

}  // namespace http::api
