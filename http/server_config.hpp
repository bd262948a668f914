// How a server is set up. Every bound has a name, which is also its property in the configuration and the `limit` of
// the answer that tells of it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "http/front_door/body_decoder.hpp"
#include "http/front_door/head_parser.hpp"

namespace http {

struct server_limits {
    front_door::head_limits head;               // http.header_bytes_max, http.target_bytes_max, http.fields_max
    front_door::body_limits body;               // http.body_bytes_max, http.chunk_overhead_bytes_max
    std::uint64_t header_deadline_ms = 10'000;  // from a request's first byte (or the accept) to its head's end; 408
    std::uint64_t body_idle_ms = 30'000;        // without a byte of the body; 408
    std::uint64_t body_deadline_ms = 60'000;    // for a body, and longer only as its bytes come at this rate; 408
    std::uint64_t body_rate_min_bytes_per_s = 8 * 1024;
    std::uint64_t idle_deadline_ms = 75'000;        // between two requests; closes
    std::uint64_t write_deadline_ms = 30'000;       // an answer without progress; closes
    std::uint64_t linger_ms = 1000;                 // how long a client whose connection we end may go on sending,
    std::uint64_t linger_bytes_max = 16ULL << 20;   // and how much
    std::size_t connections_max = 250'000;          // of the node; each shard has its share; 503 and close
    std::size_t bodies_bytes_max = 512ULL << 20;    // request bodies of one shard in memory; 503
    std::size_t answers_bytes_max = 2048ULL << 20;  // large answers of one shard in memory; 503
    std::uint64_t wait_s_max = 60;                  // Prefer: wait
    std::size_t errors_max = 32;                    // entries of errors[]
    std::size_t json_depth_max = 32;                // nesting of a request's JSON
    std::uint64_t sse_heartbeat_ms = 15'000;        // silence before a comment line
    std::uint64_t sse_stalled_ms = 30'000;          // a stream without progress; closes
    std::uint64_t sse_retry_ms = 1000;              // what clients are told to wait before they reconnect
    std::size_t sse_write_bytes_max = 64 * 1024;    // one write in flight
    std::uint64_t sse_connections_max = 200'000;    // of the node; 503
    std::uint64_t sse_user_connections_max = 0;     // of one user; 0 is none; 429
};

struct server_config {
    std::string address = "127.0.0.1";
    std::uint16_t port = 8080;  // 0: a free one, the same for all shards
    int backlog = 4096;
    server_limits limits;
};

}  // namespace http
