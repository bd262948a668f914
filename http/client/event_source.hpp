// An event stream that survives its connections: reconnects with Last-Event-ID, after a pause that grows.
#pragma once

#include <deque>
#include <optional>
#include <string>

#include "http/client/backoff.hpp"
#include "http/client/connection.hpp"
#include "http/client/event_stream.hpp"

namespace http::client {

struct event_source_options {
    // When it is exhausted and nothing of the stream came since it broke: errc::gave_up.
    backoff_options pauses;
    // A connection on which nothing comes for so long, heartbeats included, is taken for dead. Weir sends one every 15
    // s.
    runtime::milliseconds silence_max{45'000};
    // The first connection gets no second try, so that a wrong address is said at once.
    bool retry_first_connect = false;
    std::size_t event_bytes_max = event_stream_parser::event_bytes_max_default;
};

// Shard: the one it was made for. One reader. Cancelling the awaiting task throws operation_aborted; the source may
// then be asked again.
class event_source {
  public:
    // `target` is the path; `after` the last event already known, or empty.
    event_source(runtime::shard& home, url server, std::string target, std::string after,
                 event_source_options options = {});

    // The next event; nothing when the server said that there is no more (204). Errors: errc::refused with refusal(),
    // errc::gave_up after the last failure() that was tried again, the network's code for the first connection.
    runtime::task<runtime::result<std::optional<server_event>>> next();

    [[nodiscard]] const response& refusal() const { return refusal_; }
    [[nodiscard]] runtime::error_code failure() const { return failure_; }
    [[nodiscard]] std::uint64_t reconnects() const { return reconnects_; }
    [[nodiscard]] const std::string& last_event_id() const { return parser_.last_event_id(); }

  private:
    enum class opened { stream, no_more, failed };

    runtime::task<runtime::result<opened>> open();
    runtime::task<runtime::result<void>> read_refusal(response_head head);
    runtime::task<runtime::result<void>> pause();
    void broke(runtime::error_code why);

    runtime::shard& home_;
    std::string target_;
    event_source_options options_;
    connection connection_;
    event_stream_parser parser_;
    std::deque<server_event> ready_;
    bool streaming_ = false;
    bool connected_once_ = false;
    bool ended_ = false;
    backoff backoff_;
    runtime::error_code failure_;
    response refusal_;
    std::uint64_t reconnects_ = 0;
};

}  // namespace http::client
