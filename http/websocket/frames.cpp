#include "http/websocket/frames.hpp"

#include <algorithm>

#include "runtime/base/encoding.hpp"

namespace http::websocket {
namespace {

constexpr std::uint8_t final_bit = 0x80;
constexpr std::uint8_t reserved_bits = 0x70;
constexpr std::uint8_t mask_bit = 0x80;
constexpr std::uint8_t length_16 = 126;
constexpr std::uint8_t length_64 = 127;

bool is_control(opcode what) { return (static_cast<unsigned>(what) & 8U) != 0; }

void append_big_endian(std::string& out, std::uint64_t value, int bytes) {
    for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8) out.push_back(static_cast<char>(value >> shift & 0xff));
}

// Those that may stand in a frame (section 7.4).
bool is_sendable_code(unsigned code) {
    return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) || (code >= 3000 && code <= 4999);
}

}  // namespace

void append_frame(std::string& out, opcode what, std::string_view payload, role from, std::uint32_t mask) {
    out.push_back(static_cast<char>(final_bit | static_cast<std::uint8_t>(what)));
    const std::uint8_t masked = from == role::client ? mask_bit : 0;
    if (payload.size() < length_16) {
        out.push_back(static_cast<char>(masked | payload.size()));
    } else if (payload.size() <= 0xffff) {
        out.push_back(static_cast<char>(masked | length_16));
        append_big_endian(out, payload.size(), 2);
    } else {
        out.push_back(static_cast<char>(masked | length_64));
        append_big_endian(out, payload.size(), 8);
    }
    if (masked == 0) {
        out.append(payload);
        return;
    }
    append_big_endian(out, mask, 4);
    const std::size_t begin = out.size();
    out.append(payload);
    for (std::size_t i = 0; i < payload.size(); ++i)
        out[begin + i] = static_cast<char>(out[begin + i] ^ (mask >> (24 - 8 * (i % 4)) & 0xff));
}

std::string close_payload(close_code why, std::string_view reason) {
    std::string out;
    if (why == close_code::none) return out;
    append_big_endian(out, static_cast<std::uint16_t>(why), 2);
    std::string_view cut = reason.substr(0, close_reason_bytes_max);
    cut.remove_suffix(runtime::utf8_incomplete_tail(cut));
    return out.append(cut);
}

frame_reader::state frame_reader::fail(close_code why) {
    fault_ = why;
    return state::failed;
}

// How many bytes the head has, as far as its first two tell.
std::size_t frame_reader::head_size() const {
    if (head_.size() < 2) return 2;
    const auto second = static_cast<std::uint8_t>(head_[1]);
    std::size_t size = 2;
    if ((second & ~mask_bit) == length_16) size += 2;
    if ((second & ~mask_bit) == length_64) size += 8;
    return (second & mask_bit) != 0 ? size + 4 : size;
}

// The head is whole. False: fault_ says what is wrong with it.
bool frame_reader::begin_frame() {
    const auto first = static_cast<std::uint8_t>(head_[0]);
    const auto second = static_cast<std::uint8_t>(head_[1]);
    frame_ = static_cast<opcode>(first & 0x0f);
    final_ = (first & final_bit) != 0;
    const bool masked = (second & mask_bit) != 0;
    fault_ = close_code::protocol_error;
    if ((first & reserved_bits) != 0 || masked != (role_ == role::server)) return false;
    const bool known = frame_ <= opcode::binary || (frame_ >= opcode::close && frame_ <= opcode::pong);
    if (!known) return false;
    std::size_t at = 2;
    left_ = second & ~mask_bit;
    const std::size_t further = left_ == length_16 ? 2 : left_ == length_64 ? 8 : 0;
    if (further != 0) left_ = 0;
    for (std::size_t i = 0; i < further; ++i) left_ = left_ << 8 | static_cast<std::uint8_t>(head_[at++]);
    // The shortest form is the only one (section 5.2).
    if ((further == 2 && left_ < length_16) || (further == 8 && (left_ <= 0xffff || left_ >> 63 != 0))) return false;
    if (masked) std::copy_n(head_.begin() + static_cast<std::ptrdiff_t>(at), 4, mask_);
    if (is_control(frame_)) {
        if (!final_ || left_ > control_bytes_max) return false;
        control_.clear();
    } else {
        if ((frame_ == opcode::continuation) != (kind_ != opcode::continuation)) return false;
        if (frame_ != opcode::continuation) kind_ = frame_;
        fault_ = close_code::too_large;
        if (left_ > message_bytes_max_ - parts_.size()) return false;
    }
    fault_ = close_code::none;
    position_ = 0;
    return true;
}

frame_reader::state frame_reader::end_close(message& out) {
    out.what = opcode::close;
    out.why = close_code::none;
    out.payload.clear();
    if (control_.empty()) return state::message;
    if (control_.size() < 2) return fail(close_code::protocol_error);
    const unsigned code = static_cast<std::uint8_t>(control_[0]) * 256U + static_cast<std::uint8_t>(control_[1]);
    if (!is_sendable_code(code)) return fail(close_code::protocol_error);
    out.why = static_cast<close_code>(code);
    out.payload = control_.substr(2);
    return runtime::is_utf8(out.payload) ? state::message : fail(close_code::not_text);
}

frame_reader::state frame_reader::end_frame(message& out) {
    head_.clear();
    in_body_ = false;
    if (frame_ == opcode::close) return end_close(out);
    if (is_control(frame_)) {
        out = {frame_, std::move(control_), close_code::none};
        control_.clear();
        return state::message;
    }
    if (!final_) return state::needs_more;
    out = {kind_, std::move(parts_), close_code::none};
    parts_.clear();
    kind_ = opcode::continuation;
    if (out.what == opcode::text && !runtime::is_utf8(out.payload)) return fail(close_code::not_text);
    return state::message;
}

frame_reader::state frame_reader::read(std::string_view& bytes, message& out) {
    if (fault_ != close_code::none) return state::failed;
    while (true) {
        if (!in_body_) {
            while (head_.size() < head_size() && !bytes.empty()) {
                head_.push_back(bytes.front());
                bytes.remove_prefix(1);
            }
            if (head_.size() < head_size()) return state::needs_more;
            if (!begin_frame()) return state::failed;
            in_body_ = true;
        }
        std::string& to = is_control(frame_) ? control_ : parts_;
        const auto count = static_cast<std::size_t>(std::min<std::uint64_t>(left_, bytes.size()));
        for (std::size_t i = 0; i < count; ++i, ++position_)
            to.push_back(role_ == role::server ? static_cast<char>(bytes[i] ^ mask_[position_ % 4]) : bytes[i]);
        bytes.remove_prefix(count);
        left_ -= count;
        if (left_ != 0) return state::needs_more;
        const state ended = end_frame(out);
        if (ended != state::needs_more) return ended;
    }
}

}  // namespace http::websocket
