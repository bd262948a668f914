// Carries packets and descriptors over a SOCK_SEQPACKET socket. What is too large for one datagram travels in a sealed
// memfd beside a short head.
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "runtime/base/result.hpp"
#include "stages/worker/sandbox/channel/descriptor.hpp"
#include "stages/worker/sandbox/channel/protocol.hpp"

namespace stages::worker::sandbox {

inline constexpr std::size_t datagram_bytes_max = 32U << 10;
inline constexpr std::size_t descriptors_max = 8;

struct received {
    packet what;
    std::vector<descriptor> descriptors;
};

// A connected pair, close-on-exec and non-blocking.
runtime::result<std::array<descriptor, 2>> make_channel();

// Sends one packet; the descriptors stay the caller's. Never blocks: try_again when the socket is full.
runtime::error_code send_packet(int socket, const packet& what, std::span<const int> descriptors = {});
runtime::error_code send_packet(int socket, const packet& what, const std::vector<descriptor>& descriptors);

// The same with bytes of another protocol, at most datagram_bytes_max.
runtime::error_code send_bytes(int socket, std::string_view bytes, std::span<const int> descriptors = {});

// Takes exactly so many bytes of another protocol, and what came with them. protocol_error: they were others.
runtime::error_code receive_bytes(int socket, void* into, std::size_t bytes, std::vector<descriptor>& beside);

// Takes one packet. try_again: there is none; connection_reset: the other side is gone; protocol_error: not a packet.
runtime::result<received> receive_packet(int socket);

// The same, waiting up to `timeout_ms` (timed_out). For start-up and for programs without a shard.
runtime::result<received> wait_for_packet(int socket, int timeout_ms);

}  // namespace stages::worker::sandbox
