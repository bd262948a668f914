// Reads server-sent events (WHATWG HTML, "Interpreting an event stream") from bytes, split anywhere; knows nothing of
// sockets. Lines end in CR, LF or CRLF; a byte order mark at the start is skipped.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/result.hpp"
#include "runtime/base/time.hpp"

namespace http::client {

struct server_event {
    std::string type;     // "message" if the server named none
    std::string data;     // lines joined by LF
    std::string id;       // the last id that the stream had given, up to and with this event
    bool has_id = false;  // this event itself gave the id
};

class event_stream_parser {
  public:
    // Of one event, its field names included; also of one line.
    static constexpr std::size_t event_bytes_max_default = 4 << 20;

    explicit event_stream_parser(std::size_t event_bytes_max = event_bytes_max_default)
        : event_bytes_max_(event_bytes_max) {}

    // Appends the events that became complete. Error: errc::event_too_large, which is final.
    runtime::result<void> feed(std::string_view bytes, std::vector<server_event>& out);
    // A new connection begins: what was unfinished is dropped, the last id is kept.
    void start_again();

    [[nodiscard]] const std::string& last_event_id() const { return last_event_id_; }
    void set_last_event_id(std::string id) { last_event_id_ = std::move(id); }
    // What the server last asked for with "retry:".
    [[nodiscard]] std::optional<runtime::milliseconds> retry() const { return retry_; }

  private:
    void on_line(std::vector<server_event>& out);
    void on_field(std::string_view name, std::string_view value);
    void dispatch(std::vector<server_event>& out);

    std::size_t event_bytes_max_;
    std::size_t event_bytes_ = 0;
    bool at_start_ = true;
    bool after_carriage_return_ = false;
    std::string line_;
    std::string type_;
    std::string data_;
    bool has_data_ = false;
    bool has_id_ = false;
    std::string last_event_id_;
    std::string pending_id_;
    std::optional<runtime::milliseconds> retry_;
};

}  // namespace http::client
