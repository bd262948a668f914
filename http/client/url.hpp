// A server's address as people write it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "runtime/base/result.hpp"

namespace http::client {

struct url {
    std::string host;  // without brackets
    std::uint16_t port = 80;
    std::string base_path;  // "" or "/prefix", never ending in a slash

    // host:port as the Host header wants it, the port left out when it is 80.
    [[nodiscard]] std::string authority() const;
    [[nodiscard]] std::string to_string() const { return "http://" + authority() + base_path; }
};

// http://HOST[:PORT][/PATH], HOST:PORT or HOST. No user, query or fragment; other schemes are errors.
runtime::result<url> parse_url(std::string_view text);

// Percent-encodes everything but RFC 3986's unreserved characters, for a part of a path or query.
std::string percent_encode(std::string_view text);

}  // namespace http::client
