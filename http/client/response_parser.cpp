#include "http/client/response_parser.hpp"

#include <algorithm>
#include <charconv>
#include <optional>

#include "http/client/error.hpp"
#include "runtime/base/ascii.hpp"

namespace http::client {
namespace {

using runtime::lower;
using runtime::result;

constexpr std::size_t chunk_line_bytes_max = 4096;

bool is_token(std::string_view text) {
    return !text.empty() && std::ranges::all_of(text, [](char c) {
        return (lower(c) >= 'a' && lower(c) <= 'z') || (c >= '0' && c <= '9') ||
               std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
    });
}

// All digits of the base, no sign, no overflow.
std::optional<std::uint64_t> whole_number(std::string_view text, int base) {
    std::uint64_t number = 0;
    const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), number, base);
    if (text.empty() || failure != std::errc{} || end != text.data() + text.size()) return std::nullopt;
    return number;
}

bool list_contains(std::string_view list, std::string_view word) {
    while (!list.empty()) {
        const auto comma = list.find(',');
        if (lower(runtime::trimmed(list.substr(0, comma))) == word) return true;
        if (comma == std::string_view::npos) return false;
        list.remove_prefix(comma + 1);
    }
    return false;
}

}  // namespace

bool response_parser::in_line() const {
    return state_ == state::status_line || state_ == state::headers || state_ == state::chunk_size ||
           state_ == state::chunk_end || state_ == state::trailers;
}

result<std::size_t> response_parser::feed(std::string_view bytes, std::string& body) {
    const std::size_t before = bytes.size();
    if (before > 0) untouched_ = false;
    while (state_ != state::done && !bytes.empty()) {
        if (in_line()) {
            const bool is_chunk = state_ == state::chunk_size || state_ == state::chunk_end;
            const auto whole = take_line(bytes, is_chunk ? chunk_line_bytes_max : limits_.header_bytes_max);
            if (whole.has_error()) return whole.error();
            if (!*whole) break;
            const auto done = on_line();
            if (done.has_error()) return done.error();
            line_.clear();
        } else {
            const auto done = take_body(bytes, body);
            if (done.has_error()) return done.error();
        }
    }
    return before - bytes.size();
}

result<void> response_parser::finish() {
    if (state_ == state::body_until_end) state_ = state::done;
    if (state_ != state::done) return errc::incomplete_answer;
    return {};
}

result<bool> response_parser::take_line(std::string_view& bytes, std::size_t limit) {
    const auto end = bytes.find('\n');
    const std::size_t take = end == std::string_view::npos ? bytes.size() : end + 1;
    lines_bytes_ += take;
    if (lines_bytes_ > limit) return errc::header_too_large;
    line_.append(bytes.substr(0, take));
    bytes.remove_prefix(take);
    if (end == std::string_view::npos) return false;
    if (!line_.ends_with("\r\n")) return errc::malformed_answer;
    line_.resize(line_.size() - 2);
    if (line_.find_first_of(std::string_view("\r\0", 2)) != std::string::npos) return errc::malformed_answer;
    return true;
}

result<void> response_parser::on_line() {
    switch (state_) {
        case state::status_line: return on_status_line();
        case state::headers: return line_.empty() ? on_head_complete() : on_header();
        case state::chunk_size: return on_chunk_size();
        case state::chunk_end:
            if (!line_.empty()) return errc::malformed_answer;
            state_ = state::chunk_size;
            lines_bytes_ = 0;
            return {};
        case state::trailers:
            // Read for their end only: nothing of ours needs a trailer.
            if (line_.empty()) state_ = state::done;
            return {};
        default: return errc::malformed_answer;
    }
}

result<void> response_parser::on_status_line() {
    const std::string_view line = line_;
    const bool fits = line.size() >= 12 && line.starts_with("HTTP/1.") && (line[7] == '0' || line[7] == '1') &&
                      line[8] == ' ' && (line.size() == 12 || line[12] == ' ');
    const auto status = fits ? whole_number(line.substr(9, 3), 10) : std::nullopt;
    if (!status || *status < 100) return errc::malformed_answer;
    head_ = response_head{};
    head_.status = static_cast<int>(*status);
    head_.keep_alive = line[7] == '1';
    if (line.size() > 13) head_.reason = line.substr(13);
    state_ = state::headers;
    return {};
}

result<void> response_parser::on_header() {
    const auto colon = line_.find(':');
    if (colon == std::string::npos) return errc::malformed_answer;
    const std::string_view name = std::string_view(line_).substr(0, colon);
    // A fold begins with white space, which is no token either.
    if (!is_token(name)) return errc::malformed_answer;
    head_.headers.emplace_back(lower(name), runtime::trimmed(std::string_view(line_).substr(colon + 1)));
    return {};
}

result<void> response_parser::on_head_complete() {
    lines_bytes_ = 0;
    if (head_.status < 200) {
        // 101 would change the protocol, which no request of ours asks for.
        if (head_.status == 101) return errc::malformed_answer;
        state_ = state::status_line;
        return {};
    }
    for (const auto& [name, value] : head_.headers) {
        if (name != "connection") continue;
        if (list_contains(value, "close")) head_.keep_alive = false;
        if (list_contains(value, "keep-alive")) head_.keep_alive = true;
    }
    return choose_body();
}

result<void> response_parser::choose_body() {
    std::optional<std::uint64_t> length;
    bool chunked = false;
    for (const auto& [name, value] : head_.headers) {
        if (name == "content-length") {
            const auto number = whole_number(value, 10);
            if (!number || (length && *length != *number)) return errc::malformed_answer;
            length = number;
        } else if (name == "transfer-encoding") {
            if (chunked || lower(value) != "chunked") return errc::malformed_answer;
            chunked = true;
        }
    }
    if (chunked && length) return errc::malformed_answer;
    if (to_head_ || head_.status == 204 || head_.status == 304) {
        state_ = state::done;
    } else if (chunked) {
        state_ = state::chunk_size;
    } else if (length) {
        if (limits_.body_bytes_max > 0 && *length > limits_.body_bytes_max) return errc::body_too_large;
        left_ = *length;
        state_ = left_ == 0 ? state::done : state::body_with_length;
    } else {
        head_.keep_alive = false;
        state_ = state::body_until_end;
    }
    return {};
}

result<void> response_parser::on_chunk_size() {
    const std::string_view line = line_;
    const auto size = whole_number(runtime::trimmed(line.substr(0, line.find(';'))), 16);
    if (!size) return errc::malformed_answer;
    lines_bytes_ = 0;
    left_ = *size;
    state_ = left_ == 0 ? state::trailers : state::chunk_data;
    return {};
}

result<void> response_parser::take_body(std::string_view& bytes, std::string& body) {
    const bool bounded = state_ != state::body_until_end;
    const auto take = bounded ? static_cast<std::size_t>(std::min<std::uint64_t>(left_, bytes.size())) : bytes.size();
    body_bytes_ += take;
    if (limits_.body_bytes_max > 0 && body_bytes_ > limits_.body_bytes_max) return errc::body_too_large;
    body.append(bytes.substr(0, take));
    bytes.remove_prefix(take);
    if (!bounded) return {};
    left_ -= take;
    if (left_ == 0) state_ = state_ == state::chunk_data ? state::chunk_end : state::done;
    return {};
}

}  // namespace http::client
