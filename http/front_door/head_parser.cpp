#include "http/front_door/head_parser.hpp"

#include <cstring>

#include "http/front_door/grammar.hpp"
#include "http/front_door/host.hpp"

namespace http::front_door {
namespace {

span_of_text place(std::size_t offset, std::size_t size) {
    return {static_cast<std::uint32_t>(offset), static_cast<std::uint32_t>(size)};
}

bool percent_escapes_whole(std::string_view text) {
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] != '%') continue;
        if (i + 2 >= text.size() || !is(text[i + 1], is_hex_class) || !is(text[i + 2], is_hex_class)) return false;
    }
    return true;
}

bool is_path_text(std::string_view text) {
    for (const char c : text)
        if (!is(c, is_path) && c != '%') return false;
    return percent_escapes_whole(text);
}

// The words of a comma-separated list, without case.
template <class F>
bool each_word(std::string_view list, F f) {
    while (!list.empty()) {
        const auto comma = list.find(',');
        const auto word = trimmed(list.substr(0, comma));
        if (!all(word, is_token)) return false;
        if (!word.empty()) f(word);
        if (comma == std::string_view::npos) break;
        list.remove_prefix(comma + 1);
    }
    return true;
}

}  // namespace

void head_parser::reset() { *this = head_parser(limits_); }

head_parser::state head_parser::refuse(refusal why) {
    why_ = why;
    return state::refused;
}

head_parser::state head_parser::ask_for_more(std::string_view bytes) {
    const std::size_t unfinished = bytes.size() - position_;
    if (!have_request_line_) {
        // The method, the version and their spaces beside the target.
        if (unfinished > limits_.target_bytes_max + 64) return refuse(refusal::target_too_long);
        const std::size_t look = unfinished < 32 ? unfinished : 32;
        for (std::size_t i = 0; i < look; ++i) {
            const char c = bytes[position_ + i];
            if (c == ' ' || c == '\r') break;
            if (!is(c, is_token)) return refuse(refusal::malformed_request);
        }
    }
    if (bytes.size() > limits_.head_bytes_max) return refuse(refusal::headers_too_large);
    searched_ = bytes.size();
    return state::need_more;
}

head_parser::state head_parser::parse(std::string_view bytes, request_head& out) {
    if (why_ != refusal::none) return state::refused;
    while (true) {
        const std::size_t from = searched_ > position_ ? searched_ : position_;
        const void* found = from < bytes.size() ? std::memchr(bytes.data() + from, '\n', bytes.size() - from) : nullptr;
        if (found == nullptr) {
            begun_ = begun_ || (position_ < bytes.size() && bytes[position_] != '\r');
            return ask_for_more(bytes);
        }
        const auto end = static_cast<std::size_t>(static_cast<const char*>(found) - bytes.data());
        const std::size_t offset = position_;
        // A bare LF ends no line: other readers may think so, or not.
        if (end == offset || bytes[end - 1] != '\r') return refuse(refusal::malformed_request);
        const auto line = bytes.substr(offset, end - 1 - offset);
        if (end + 1 > limits_.head_bytes_max) {
            const bool in_target = !have_request_line_ && line.size() > limits_.target_bytes_max + 64;
            return refuse(in_target ? refusal::target_too_long : refusal::headers_too_large);
        }
        position_ = end + 1;
        if (!have_request_line_) {
            if (line.empty() && !empty_line_seen_) {
                // One empty line is forgiven: some clients send it behind a body.
                empty_line_seen_ = true;
                continue;
            }
            begun_ = true;
            if (!request_line(line, offset, out)) return state::refused;
            have_request_line_ = true;
        } else if (line.empty()) {
            return finish(bytes, out) ? state::complete : state::refused;
        } else if (!field_line(line, offset, out)) {
            return state::refused;
        }
    }
}

bool head_parser::request_line(std::string_view line, std::size_t offset, request_head& out) {
    const auto first = line.find(' ');
    const auto last = line.rfind(' ');
    if (first == std::string_view::npos || first == last || first == 0) {
        refuse(refusal::malformed_request);
        return false;
    }
    const auto method_name = line.substr(0, first);
    const auto version = line.substr(last + 1);
    const auto target_text = line.substr(first + 1, last - first - 1);
    if (!all(method_name, is_token)) {
        refuse(refusal::malformed_request);
        return false;
    }
    if (target_text.size() > limits_.target_bytes_max) {
        refuse(refusal::target_too_long);
        return false;
    }
    if (version != "HTTP/1.1" && version != "HTTP/1.0") {
        const bool well_formed = version.size() == 8 && version.substr(0, 5) == "HTTP/" &&
                                 is(version[5], is_digit_class) && version[6] == '.' && is(version[7], is_digit_class);
        refuse(well_formed ? refusal::version_not_supported : refusal::malformed_request);
        return false;
    }
    out.http_1_0 = version == "HTTP/1.0";
    const auto verb = parse_method(method_name);
    if (!verb || *verb == method::connect) {
        // CONNECT asks for a tunnel, and its target has a form of its own.
        refuse(refusal::method_not_implemented);
        return false;
    }
    out.verb = *verb;
    return target(target_text, offset + first + 1, out);
}

bool head_parser::target(std::string_view text, std::size_t offset, request_head& out) {
    if (text == "*" && out.verb == method::options) {
        out.path = place(offset, 1);
        return true;
    }
    if (!text.empty() && text.front() == '/') return path_and_query(text, offset, out);
    // absolute-form, for proxies; its authority must be what Host says (checked when the head is complete).
    const auto scheme_end = text.find("://");
    const auto scheme = text.substr(0, scheme_end);
    if (scheme_end == std::string_view::npos ||
        !(same_ignoring_case(scheme, "http") || same_ignoring_case(scheme, "https"))) {
        refuse(refusal::bad_target);
        return false;
    }
    const auto rest = text.substr(scheme_end + 3);
    const auto authority_end = rest.find_first_of("/?");
    const auto authority = rest.substr(0, authority_end);
    if (!is_host(authority) || authority_end == std::string_view::npos || rest[authority_end] == '?') {
        refuse(refusal::bad_target);
        return false;
    }
    authority_ = place(offset + scheme_end + 3, authority.size());
    return path_and_query(rest.substr(authority_end), offset + scheme_end + 3 + authority_end, out);
}

bool head_parser::path_and_query(std::string_view text, std::size_t offset, request_head& out) {
    const auto mark = text.find('?');
    const auto path = text.substr(0, mark);
    if (!is_path_text(path)) {
        refuse(refusal::bad_target);
        return false;
    }
    out.path = place(offset, path.size());
    if (mark == std::string_view::npos) return true;
    const auto query = text.substr(mark + 1);
    if (!all(query, is_query) || !percent_escapes_whole(query)) {
        refuse(refusal::bad_target);
        return false;
    }
    out.query = place(offset + mark + 1, query.size());
    return true;
}

bool head_parser::field_line(std::string_view line, std::size_t offset, request_head& out) {
    if (line.front() == ' ' || line.front() == '\t') {
        refuse(refusal::header_fold);
        return false;
    }
    std::size_t colon = 0;
    while (colon < line.size() && is(line[colon], is_token)) ++colon;
    // Also refuses white space before the colon, which some readers take for part of the name and some do not.
    if (colon == 0 || colon == line.size() || line[colon] != ':') {
        refuse(refusal::malformed_request);
        return false;
    }
    const auto raw = line.substr(colon + 1);
    if (!all(raw, is_field_text)) {
        refuse(refusal::malformed_request);
        return false;
    }
    if (out.fields.size() >= limits_.fields_max) {
        refuse(refusal::headers_too_large);
        return false;
    }
    const auto value = trimmed(raw);
    const auto value_offset =
        value.empty() ? offset + colon + 1 : offset + static_cast<std::size_t>(value.data() - line.data());
    out.fields.push_back({place(offset, colon), place(value_offset, value.size())});
    return known_field(line.substr(0, colon), value, out);
}

bool head_parser::known_field(std::string_view name, std::string_view value, request_head& out) {
    switch (name.size()) {
        case 4:
            if (!same_ignoring_case(name, "host")) return true;
            ++hosts_;
            host_ = out.fields.back().value;
            if (hosts_ == 1 && is_host(value)) return true;
            refuse(refusal::bad_host);
            return false;
        case 6:
            if (!same_ignoring_case(name, "expect")) return true;
            if (same_ignoring_case(value, "100-continue")) {
                out.expects_continue = true;
                return true;
            }
            refuse(refusal::expectation_failed);
            return false;
        case 10: {
            if (!same_ignoring_case(name, "connection")) return true;
            const bool whole = each_word(value, [this](std::string_view word) {
                asked_close_ = asked_close_ || same_ignoring_case(word, "close");
                asked_keep_alive_ = asked_keep_alive_ || same_ignoring_case(word, "keep-alive");
            });
            if (!whole) refuse(refusal::malformed_request);
            return whole;
        }
        case 14: {
            if (!same_ignoring_case(name, "content-length")) return true;
            // A comma-joined list is refused by the digits, a repetition by the count; 18 digits cannot overflow.
            if (++content_lengths_ > 1 || value.empty() || value.size() > 18 || !all(value, is_digit_class)) {
                refuse(refusal::bad_content_length);
                return false;
            }
            for (const char c : value) out.content_length = out.content_length * 10 + static_cast<unsigned>(c - '0');
            return true;
        }
        case 17:
            if (!same_ignoring_case(name, "transfer-encoding")) return true;
            if (++transfer_encodings_ > 1 || value != "chunked" || out.http_1_0) {
                refuse(refusal::bad_transfer_encoding);
                return false;
            }
            out.chunked = true;
            return true;
        default: return true;
    }
}

bool head_parser::finish(std::string_view bytes, request_head& out) {
    if (hosts_ == 0 && !out.http_1_0) {
        refuse(refusal::bad_host);
        return false;
    }
    if (out.chunked && content_lengths_ > 0) {
        refuse(refusal::ambiguous_length);
        return false;
    }
    const auto authority = bytes.substr(authority_.offset, authority_.size);
    if (!authority.empty() && !same_ignoring_case(authority, bytes.substr(host_.offset, host_.size))) {
        refuse(refusal::bad_target);
        return false;
    }
    if (out.http_1_0) out.expects_continue = false;
    out.keep_alive = !asked_close_ && (!out.http_1_0 || asked_keep_alive_);
    return true;
}

}  // namespace http::front_door
