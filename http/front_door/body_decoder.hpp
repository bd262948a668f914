// Takes a request's body off the wire: by length, or in the chunked coding. Sans-I/O. Chunk extensions and trailers are
// checked against the grammar, counted, and dropped: a trailer never becomes a field.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "http/front_door/refusal.hpp"
#include "http/front_door/request_head.hpp"

namespace http::front_door {

struct body_limits {
    std::uint64_t body_bytes_max = 10ULL << 20;        // decoded; 413
    std::size_t chunk_overhead_bytes_max = 16 * 1024;  // extensions and trailers of one body
};

class body_decoder {
  public:
    explicit body_decoder(body_limits limits) : limits_(limits) {}

    // Begins a body; refuses at once what says that it is too large.
    refusal begin(const request_head& head);

    enum class state : unsigned char { need_more, complete, refused };

    // Takes from the front of `bytes`, adds what is content to `out`, and says in consumed() how much it took. It never
    // takes more than belongs to this body.
    state decode(std::string_view bytes, std::string& out);

    [[nodiscard]] refusal why() const { return why_; }
    [[nodiscard]] std::size_t consumed() const { return consumed_; }
    [[nodiscard]] bool complete() const { return step_ == step::done; }

  private:
    enum class step : unsigned char {
        by_length,
        size_first,
        size,
        extension_ws,
        extension,
        extension_name_first,
        extension_name,
        extension_after_name,
        extension_value_first,
        extension_value,
        extension_quoted,
        extension_escaped,
        extension_after_quoted,
        size_lf,
        data,
        data_cr,
        data_lf,
        trailer_first,
        trailer_name,
        trailer_value,
        trailer_lf,
        end_lf,
        done,
        failed
    };

    std::size_t take_content(std::string_view bytes, std::string& out);
    bool one(char c);
    bool size_char(char c);
    bool extension_char(char c);
    bool trailer_char(char c);
    bool fail(refusal why);
    bool to(step next);
    bool count_overhead();

    body_limits limits_;
    step step_ = step::done;
    refusal why_ = refusal::none;
    std::size_t consumed_ = 0;
    std::uint64_t left_ = 0;   // of the length, or of this chunk
    std::uint64_t total_ = 0;  // decoded so far, with the chunk announced
    unsigned size_digits_ = 0;
    std::size_t overhead_ = 0;
    std::string trailer_name_;  // at most as long as the longest forbidden name and one more
};

}  // namespace http::front_door
