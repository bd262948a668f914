#include "http/front_door/body_decoder.hpp"

#include <algorithm>
#include <array>

#include "http/front_door/grammar.hpp"

namespace http::front_door {
namespace {

// Fields that frame or route a request: in a trailer they are only ever an attack.
constexpr std::array<std::string_view, 3> forbidden_trailers = {"content-length", "transfer-encoding", "host"};
constexpr std::size_t trailer_name_kept_max = 20;

bool is_quoted_text(char c) { return is(c, is_field_text) && c != '"' && c != '\\'; }

}  // namespace

refusal body_decoder::begin(const request_head& head) {
    *this = body_decoder(limits_);
    if (head.chunked) {
        step_ = step::size_first;
    } else if (head.content_length > 0) {
        step_ = step::by_length;
        left_ = head.content_length;
        if (left_ > limits_.body_bytes_max) fail(refusal::body_too_large);
    }
    return why_;
}

bool body_decoder::fail(refusal why) {
    why_ = why;
    step_ = step::failed;
    return false;
}

bool body_decoder::to(step next) {
    step_ = next;
    return true;
}

bool body_decoder::count_overhead() {
    if (++overhead_ <= limits_.chunk_overhead_bytes_max) return true;
    return fail(refusal::chunk_overhead_too_large);
}

std::size_t body_decoder::take_content(std::string_view bytes, std::string& out) {
    const auto count = static_cast<std::size_t>(std::min<std::uint64_t>(left_, bytes.size()));
    out.append(bytes.data(), count);
    left_ -= count;
    if (left_ == 0) step_ = step_ == step::data ? step::data_cr : step::done;
    return count;
}

body_decoder::state body_decoder::decode(std::string_view bytes, std::string& out) {
    consumed_ = 0;
    while (step_ != step::done && step_ != step::failed && consumed_ < bytes.size()) {
        if (step_ == step::data || step_ == step::by_length) {
            consumed_ += take_content(bytes.substr(consumed_), out);
        } else if (one(bytes[consumed_])) {
            ++consumed_;
        }
    }
    if (step_ == step::failed) return state::refused;
    return step_ == step::done ? state::complete : state::need_more;
}

bool body_decoder::one(char c) {
    switch (step_) {
        case step::size_first:
        case step::size:
        case step::size_lf: return size_char(c);
        case step::data_cr: return c == '\r' ? to(step::data_lf) : fail(refusal::bad_chunk);
        case step::data_lf: return c == '\n' ? to(step::size_first) : fail(refusal::bad_chunk);
        case step::trailer_first:
        case step::trailer_name:
        case step::trailer_value:
        case step::trailer_lf:
        case step::end_lf: return trailer_char(c);
        default: return extension_char(c);
    }
}

bool body_decoder::size_char(char c) {
    if (step_ == step::size_lf) {
        if (c != '\n') return fail(refusal::bad_chunk);
        size_digits_ = 0;
        return to(left_ == 0 ? step::trailer_first : step::data);
    }
    const int digit = hex_value(c);
    if (step_ == step::size_first) {
        left_ = 0;
        if (digit < 0) return fail(refusal::bad_chunk);
    }
    if (digit >= 0) {
        // Sixteen digits, so that nothing overflows; the sum is checked digit by digit, before anything is read.
        if (++size_digits_ > 16) return fail(refusal::bad_chunk);
        left_ = left_ * 16 + static_cast<unsigned>(digit);
        if (left_ > limits_.body_bytes_max - total_) return fail(refusal::body_too_large);
        return to(step::size);
    }
    total_ += left_;
    if (c == '\r') return to(step::size_lf);
    if (c == ' ' || c == '\t') return count_overhead() && to(step::extension_ws);
    if (c == ';') return count_overhead() && to(step::extension_name_first);
    return fail(refusal::bad_chunk);
}

// chunk-ext = *( BWS ";" BWS name [ BWS "=" BWS ( token / quoted-string ) ] )
bool body_decoder::extension_char(char c) {
    const bool blank = c == ' ' || c == '\t';
    if (!count_overhead()) return false;
    switch (step_) {
        case step::extension_ws:
            if (blank) return true;
            return c == ';' ? to(step::extension_name_first) : fail(refusal::bad_chunk);
        case step::extension_name_first:
            if (blank) return true;
            return is(c, is_token) ? to(step::extension_name) : fail(refusal::bad_chunk);
        case step::extension_name:
            if (is(c, is_token)) return true;
            if (blank) return to(step::extension_after_name);
            [[fallthrough]];
        case step::extension_after_name:
            if (blank) return true;
            if (c == '=') return to(step::extension_value_first);
            if (c == ';') return to(step::extension_name_first);
            return c == '\r' && step_ == step::extension_name ? to(step::size_lf) : fail(refusal::bad_chunk);
        case step::extension_value_first:
            if (blank) return true;
            if (c == '"') return to(step::extension_quoted);
            return is(c, is_token) ? to(step::extension_value) : fail(refusal::bad_chunk);
        case step::extension_quoted:
            if (c == '"') return to(step::extension_after_quoted);
            if (c == '\\') return to(step::extension_escaped);
            return is_quoted_text(c) ? true : fail(refusal::bad_chunk);
        case step::extension_escaped:
            return is(c, is_field_text) ? to(step::extension_quoted) : fail(refusal::bad_chunk);
        case step::extension_value:
            if (is(c, is_token)) return true;
            [[fallthrough]];
        case step::extension_after_quoted:
            if (c == ';') return to(step::extension_name_first);
            if (c == '\r') return to(step::size_lf);
            return blank ? to(step::extension_ws) : fail(refusal::bad_chunk);
        default: return fail(refusal::bad_chunk);
    }
}

bool body_decoder::trailer_char(char c) {
    if (step_ == step::end_lf) return c == '\n' ? to(step::done) : fail(refusal::bad_chunk);
    if (step_ == step::trailer_first && c == '\r') return to(step::end_lf);
    if (!count_overhead()) return false;
    switch (step_) {
        case step::trailer_first:
            trailer_name_.clear();
            if (!is(c, is_token)) return fail(refusal::bad_chunk);
            trailer_name_.push_back(lower(c));
            return to(step::trailer_name);
        case step::trailer_name:
            if (c == ':') {
                for (const auto name : forbidden_trailers)
                    if (name == trailer_name_) return fail(refusal::bad_chunk);
                return to(step::trailer_value);
            }
            if (!is(c, is_token)) return fail(refusal::bad_chunk);
            if (trailer_name_.size() < trailer_name_kept_max) trailer_name_.push_back(lower(c));
            return true;
        case step::trailer_value:
            if (c == '\r') return to(step::trailer_lf);
            return is(c, is_field_text) ? true : fail(refusal::bad_chunk);
        default: return c == '\n' ? to(step::trailer_first) : fail(refusal::bad_chunk);
    }
}

}  // namespace http::front_door
