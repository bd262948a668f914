// What a program says to the proxy first (RFC 9110, section 9.3.6, and RFC 9112, section 3.2): where it wants to go.
// Bytes in, bytes out; knows nothing of sockets.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "pipeline/network.hpp"

namespace stages::worker::network {

inline constexpr std::size_t proxy_head_bytes_max = 16 << 10;

struct proxy_head {
    enum class state : unsigned char { needs_more, malformed, too_large, complete };
    state is = state::needs_more;
    pipeline::destination where;
    // True for CONNECT: what follows belongs to the peers. Else `forward` is what the origin gets first.
    bool is_tunnel = false;
    std::string forward;
    std::size_t bytes = 0;  // of the head, its empty line included
};

// Looks at everything that has come. A connection carries one request: a forwarded one says Connection: close.
proxy_head read_proxy_head(std::string_view received);

}  // namespace stages::worker::network
