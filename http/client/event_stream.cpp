#include "http/client/event_stream.hpp"

#include <algorithm>
#include <charconv>
#include <utility>

#include "http/client/error.hpp"

namespace http::client {

runtime::result<void> event_stream_parser::feed(std::string_view bytes, std::vector<server_event>& out) {
    while (!bytes.empty()) {
        if (std::exchange(after_carriage_return_, false) && bytes.front() == '\n') {
            bytes.remove_prefix(1);
            continue;
        }
        const auto end = bytes.find_first_of("\r\n");
        const std::string_view part = bytes.substr(0, end);
        event_bytes_ += part.size() + 1;
        if (event_bytes_ > event_bytes_max_) return errc::event_too_large;
        line_.append(part);
        if (end == std::string_view::npos) return {};
        after_carriage_return_ = bytes[end] == '\r';
        bytes.remove_prefix(end + 1);
        on_line(out);
        line_.clear();
    }
    return {};
}

void event_stream_parser::start_again() {
    at_start_ = true;
    after_carriage_return_ = false;
    event_bytes_ = 0;
    line_.clear();
    type_.clear();
    data_.clear();
    has_data_ = false;
    has_id_ = false;
    pending_id_.clear();
}

void event_stream_parser::on_line(std::vector<server_event>& out) {
    std::string_view line = line_;
    if (std::exchange(at_start_, false) && line.starts_with("\xef\xbb\xbf")) line.remove_prefix(3);
    if (line.empty()) {
        dispatch(out);
        return;
    }
    if (line.front() == ':') {
        // A comment outside of an event, such as a heartbeat, must not fill the event's limit over the hours.
        if (!has_data_ && !has_id_ && type_.empty()) event_bytes_ = 0;
        return;
    }
    const auto colon = line.find(':');
    std::string_view value = colon == std::string_view::npos ? std::string_view() : line.substr(colon + 1);
    if (value.starts_with(' ')) value.remove_prefix(1);
    on_field(line.substr(0, colon), value);
}

void event_stream_parser::on_field(std::string_view name, std::string_view value) {
    if (name == "data") {
        data_.append(value).append("\n");
        has_data_ = true;
    } else if (name == "event") {
        type_ = value;
    } else if (name == "id") {
        if (value.find('\0') != std::string_view::npos) return;
        pending_id_ = value;
        has_id_ = true;
    } else if (name == "retry") {
        std::int64_t number = 0;
        const auto [end, failure] = std::from_chars(value.data(), value.data() + value.size(), number);
        if (!value.empty() && failure == std::errc{} && end == value.data() + value.size() && number >= 0)
            retry_ = runtime::milliseconds(number);
    }
}

void event_stream_parser::dispatch(std::vector<server_event>& out) {
    event_bytes_ = 0;
    const bool has_id = std::exchange(has_id_, false);
    if (has_id) last_event_id_ = std::exchange(pending_id_, {});
    std::string type = std::exchange(type_, {});
    std::string data = std::exchange(data_, {});
    if (!std::exchange(has_data_, false)) return;
    data.pop_back();
    server_event made;
    made.type = type.empty() ? "message" : std::move(type);
    made.data = std::move(data);
    made.id = last_event_id_;
    made.has_id = has_id;
    out.push_back(std::move(made));
}

}  // namespace http::client
