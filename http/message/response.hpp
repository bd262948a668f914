// An answer on its way out, and how it is put on the wire.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "http/message/problem.hpp"
#include "runtime/base/ids.hpp"
#include "runtime/base/time.hpp"

namespace http {

// A body too large to be rendered at once: asked for piece after piece, each written before the next is made.
class body_source {
  public:
    virtual ~body_source() = default;
    // Adds the next piece, of some 64 KiB, to `out`; false when nothing is left.
    virtual bool next(std::string& out) = 0;
    // The memory it holds, about.
    [[nodiscard]] virtual std::size_t size() const = 0;
};

// The order to stream an execution's events instead of sending a body.
struct stream_order {
    runtime::execution_id id;
    std::uint32_t after = 0;
    std::string websocket_accept;  // not empty: as a WebSocket, whose Sec-WebSocket-Accept this is
};

struct response {
    std::uint16_t status = 200;
    std::string_view content_type;  // static text; none without a body
    std::string fields;             // whole further header lines; add_field() writes them
    std::string body;
    std::unique_ptr<body_source> source;  // then `body` is empty and the length unknown
    std::optional<stream_order> stream;
    bool close = false;  // end the connection behind this answer

    // Line ends in `value` are our bug and abort.
    void add_field(std::string_view name, std::string_view value);
};

inline constexpr std::string_view json_type = "application/json";
inline constexpr std::string_view problem_type = "application/problem+json";
inline constexpr std::string_view text_type = "text/plain; charset=utf-8";
inline constexpr std::string_view bytes_type = "application/octet-stream";
inline constexpr std::string_view event_stream_type = "text/event-stream";

response json_response(std::uint16_t status, std::string body);
response text_response(std::uint16_t status, std::string body);
response problem_response(const problem& what, std::string_view request_id);

// What the wire needs to know beside the answer.
struct answer_frame {
    std::string_view request_id;
    std::string_view date;
    bool keep_alive = true;
    bool http_1_0 = false;
    bool head_only = false;  // the answer to HEAD: all fields, no body
    bool chunked = false;    // the body's length is unknown
};

// Adds status line and fields, up to and with the empty line.
void append_head(std::string& out, const response& answer, const answer_frame& frame);
// Adds one chunk of the chunked coding; an empty one would end the body and is not allowed.
void append_chunk(std::string& out, std::string_view bytes);
inline constexpr std::string_view last_chunk = "0\r\n\r\n";

// IMF-fixdate (RFC 9110, section 5.6.7): Sat, 21 Nov 2026 03:04:05 GMT
std::string to_http_date(runtime::utc_time time);

}  // namespace http
