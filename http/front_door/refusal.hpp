// Why the front door does not take a request. Each one closes the connection after its answer.
#pragma once

#include <cstdint>

namespace http::front_door {

enum class refusal : std::uint8_t {
    none,
    malformed_request,         // 400: the request line or a field breaks the grammar
    bad_host,                  // 400: none, several, or not a host
    bad_transfer_encoding,     // 400: anything but exactly `chunked`, or on HTTP/1.0
    bad_content_length,        // 400: repeated, joined or not a number
    ambiguous_length,          // 400: both of the two above
    header_fold,               // 400: obs-fold
    bad_target,                // 400: bytes or a form that a target may not have
    bad_chunk,                 // 400: the chunked coding is broken
    chunk_overhead_too_large,  // 400: extensions and trailers above their limit
    request_timeout,           // 408
    body_too_large,            // 413
    target_too_long,           // 414
    expectation_failed,        // 417
    headers_too_large,         // 431
    method_not_implemented,    // 501
    version_not_supported,     // 505
    too_many_bodies,           // 503: all request bodies together reached their limit
};

}  // namespace http::front_door
