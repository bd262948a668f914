// Reads a request's head, strictly after RFC 9112 and stricter where two readers could disagree. Sans-I/O: bytes in, a
// verdict out. One pass; a line is judged as soon as it is complete, so that nonsense is refused at its first line.
#pragma once

#include <cstddef>
#include <string_view>

#include "http/front_door/refusal.hpp"
#include "http/front_door/request_head.hpp"

namespace http::front_door {

struct head_limits {
    std::size_t head_bytes_max = 16 * 1024;   // request line and fields; 431
    std::size_t target_bytes_max = 8 * 1024;  // 414
    std::size_t fields_max = 100;             // 431
};

class head_parser {
  public:
    explicit head_parser(head_limits limits) : limits_(limits) {}

    enum class state : unsigned char { need_more, complete, refused };

    // `bytes` is everything received of this request so far: the same beginning as in the call before, and more behind
    // it. After `complete`, consumed() bytes of it were the head.
    state parse(std::string_view bytes, request_head& out);

    [[nodiscard]] refusal why() const { return why_; }
    [[nodiscard]] std::size_t consumed() const { return position_; }
    // True once a byte of a request (not an empty line before it) was seen.
    [[nodiscard]] bool begun() const { return begun_; }
    // For the next request.
    void reset();

  private:
    state refuse(refusal why);
    state ask_for_more(std::string_view bytes);
    bool request_line(std::string_view line, std::size_t offset, request_head& out);
    bool target(std::string_view text, std::size_t offset, request_head& out);
    bool path_and_query(std::string_view text, std::size_t offset, request_head& out);
    bool field_line(std::string_view line, std::size_t offset, request_head& out);
    bool known_field(std::string_view name, std::string_view value, request_head& out);
    bool finish(std::string_view bytes, request_head& out);

    head_limits limits_;
    std::size_t position_ = 0;  // begin of the first line that was not judged yet
    std::size_t searched_ = 0;  // no end of line before it
    refusal why_ = refusal::none;
    bool begun_ = false;
    bool empty_line_seen_ = false;
    bool have_request_line_ = false;
    unsigned hosts_ = 0;
    unsigned content_lengths_ = 0;
    unsigned transfer_encodings_ = 0;
    bool asked_close_ = false;
    bool asked_keep_alive_ = false;
    span_of_text host_;
    span_of_text authority_;  // of an absolute-form target
};

}  // namespace http::front_door
