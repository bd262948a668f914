// What can go wrong with an answer, beside the network's own errors (which arrive as Boost.Asio's codes).
#pragma once

#include "runtime/base/result.hpp"

namespace http::client {

enum class errc {
    malformed_answer = 1,  // not HTTP/1.x, or against its grammar
    header_too_large,      // limit response_limits::header_bytes_max
    body_too_large,        // limit response_limits::body_bytes_max
    incomplete_answer,     // the connection ended inside of an answer
    malformed_request,     // a header or target that must not be sent
    event_too_large,       // limit event_stream_parser::event_bytes_max
    bad_url,
    refused,  // an event stream was answered with an error; see event_source::refusal()
    gave_up,  // an event stream could not be resumed for backoff_options::give_up_after
};

runtime::error_code make_error_code(errc value);

}  // namespace http::client

template <>
struct boost::system::is_error_code_enum<http::client::errc> : std::true_type {};
