#include "stages/worker/output_framer.hpp"

#include <algorithm>

#include "runtime/base/encoding.hpp"

namespace stages::worker {

std::vector<output_frame> output_framer::feed(std::string_view bytes) {
    std::vector<output_frame> out;
    if (truncated_ || bytes.empty()) return out;
    waiting_.append(bytes);
    const std::uint64_t room = bytes_max_ - offset_;
    if (waiting_.size() > room) {
        truncated_ = true;
        waiting_.resize(static_cast<std::size_t>(room));
    }
    const std::size_t tail = runtime::utf8_incomplete_tail(waiting_);
    const std::string data = std::move(waiting_);
    const std::size_t whole = data.size() - tail;
    waiting_ = data.substr(whole);
    cut(std::string_view(data).substr(0, whole), out);
    if (!truncated_) return out;
    // Nothing will ever complete that character. In a stream that is not text its bytes count like any other.
    const std::string last = std::move(waiting_);
    waiting_.clear();
    if (!text_so_far_) cut(last, out);
    return out;
}

std::vector<output_frame> output_framer::finish() {
    std::vector<output_frame> out;
    const std::string rest = std::move(waiting_);
    waiting_.clear();
    cut(rest, out);
    return out;
}

void output_framer::cut(std::string_view bytes, std::vector<output_frame>& out) {
    while (!bytes.empty()) {
        std::string_view piece = bytes.substr(0, output_frame_bytes_max);
        // A character that lies across the border goes to the next frame.
        if (piece.size() < bytes.size()) piece.remove_suffix(runtime::utf8_incomplete_tail(piece));
        const bool is_text = runtime::is_utf8(piece);
        text_so_far_ = text_so_far_ && is_text;
        out.push_back({offset_, is_text, std::string(piece)});
        offset_ += piece.size();
        bytes.remove_prefix(piece.size());
    }
}

}  // namespace stages::worker
