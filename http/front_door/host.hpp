// The grammar of Host (RFC 9110, section 7.2): a name, an IPv4 or a bracketed IPv6 address, and perhaps a port.
#pragma once

#include <string_view>

namespace http::front_door {

// Stricter than the RFC: a registered name holds only unreserved characters, since a comma, an at sign or a percent
// sign there are only ever an attempt to be read in two ways.
bool is_host(std::string_view text);

}  // namespace http::front_door
