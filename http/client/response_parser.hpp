// Reads HTTP/1.x answers (RFC 9112) from bytes, split anywhere; knows nothing of sockets.
//
// Strict where a lenient reader could be made to see another answer than the server wrote: lines end in CRLF, no header
// folds, no Transfer-Encoding but chunked, none beside Content-Length, no two different lengths. Interim answers (1xx)
// are skipped.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "http/client/message.hpp"
#include "runtime/base/result.hpp"

namespace http::client {

struct response_limits {
    std::size_t header_bytes_max = 64 << 10;   // status line and headers; trailers have the same limit of their own
    std::uint64_t body_bytes_max = 128 << 20;  // 0: none, for streams
};

class response_parser {
  public:
    // `to_head`: the request was HEAD, so the answer has no body whatever its headers say.
    explicit response_parser(response_limits limits, bool to_head = false) : limits_(limits), to_head_(to_head) {}

    // Takes what it can, at most up to the end of this answer, and returns how much; body bytes are appended to `body`.
    // Errors are final.
    runtime::result<std::size_t> feed(std::string_view bytes, std::string& body);
    // The connection has ended: fine where the answer lasts until then, errc::incomplete_answer elsewhere.
    runtime::result<void> finish();

    // The head is complete: head() may be read.
    [[nodiscard]] bool has_head() const { return state_ > state::headers; }
    [[nodiscard]] const response_head& head() const { return head_; }
    [[nodiscard]] bool done() const { return state_ == state::done; }
    // Nothing at all has come yet.
    [[nodiscard]] bool untouched() const { return untouched_; }

  private:
    enum class state : std::uint8_t {
        status_line,
        headers,
        body_with_length,
        body_until_end,
        chunk_size,
        chunk_data,
        chunk_end,
        trailers,
        done
    };

    // The next whole line without its CRLF; false when more bytes are needed.
    runtime::result<bool> take_line(std::string_view& bytes, std::size_t limit);
    runtime::result<void> on_line();
    runtime::result<void> on_status_line();
    runtime::result<void> on_header();
    runtime::result<void> on_head_complete();
    runtime::result<void> choose_body();
    runtime::result<void> on_chunk_size();
    runtime::result<void> take_body(std::string_view& bytes, std::string& body);
    [[nodiscard]] bool in_line() const;

    response_limits limits_;
    bool to_head_;
    bool untouched_ = true;
    state state_ = state::status_line;
    std::string line_;
    std::size_t lines_bytes_ = 0;
    response_head head_;
    std::uint64_t body_bytes_ = 0;
    std::uint64_t left_ = 0;  // of the body or the chunk
};

}  // namespace http::client
