#include "http/client/event_source.hpp"

#include "http/client/error.hpp"

namespace http::client {
namespace {

using runtime::milliseconds;
using runtime::result;
using runtime::task;

connection_options stream_options() {
    connection_options out;
    out.limits.body_bytes_max = 0;  // endless; each event has its own limit
    return out;
}

constexpr std::size_t refusal_bytes_max = 1 << 20;

}  // namespace

event_source::event_source(runtime::shard& home, url server, std::string target, std::string after,
                           event_source_options options)
    : home_(home),
      target_(std::move(target)),
      options_(options),
      connection_(home, std::move(server), stream_options()),
      parser_(options.event_bytes_max),
      backoff_(home, options.pauses) {
    parser_.set_last_event_id(std::move(after));
}

void event_source::broke(runtime::error_code why) {
    streaming_ = false;
    failure_ = why;
    backoff_.failed();
    connection_.close();
    parser_.start_again();
}

task<result<void>> event_source::read_refusal(response_head head) {
    refusal_ = response{};
    refusal_.head = std::move(head);
    const auto deadline = home_.time().steady() + milliseconds(10'000);
    while (refusal_.body.size() < refusal_bytes_max) {
        const auto part = co_await connection_.read_some(deadline);
        if (part.has_error() || part->empty()) break;
        refusal_.body += *part;
    }
    co_return errc::refused;
}

task<result<event_source::opened>> event_source::open() {
    request asked("GET", target_);
    asked.headers.emplace_back("Accept", "text/event-stream");
    if (!parser_.last_event_id().empty()) asked.headers.emplace_back("Last-Event-ID", parser_.last_event_id());
    const auto deadline = home_.time().steady() + options_.silence_max;
    auto head = co_await connection_.start(std::move(asked), deadline);
    if (head.has_error()) {
        if (!connected_once_ && !options_.retry_first_connect) co_return head.error();
        broke(head.error());
        co_return opened::failed;
    }
    connected_once_ = true;
    if (head->status == 200 && head->header("content-type").starts_with("text/event-stream")) {
        streaming_ = true;
        parser_.start_again();
        co_return opened::stream;
    }
    if (head->status == 204) {
        ended_ = true;
        co_return opened::no_more;
    }
    // The server is busy, stopping or starting: what it refuses now it may give later.
    backoff_.ask(retry_after(*head));
    const bool later = head->status == 429 || head->status >= 500;
    const auto refused = co_await read_refusal(std::move(*head));
    if (!later) co_return refused.error();
    broke(refused.error());
    co_return opened::failed;
}

task<result<void>> event_source::pause() {
    if (backoff_.is_exhausted()) co_return errc::gave_up;
    backoff_.ask(parser_.retry().value_or(milliseconds(0)));
    co_await backoff_.pause();
    ++reconnects_;
    co_return result<void>();
}

task<result<std::optional<server_event>>> event_source::next() {
    while (ready_.empty()) {
        if (ended_) co_return std::optional<server_event>();
        if (!streaming_) {
            if (backoff_.is_failing()) {
                const auto paused = co_await pause();
                if (paused.has_error()) co_return paused.error();
            }
            const auto state = co_await open();
            if (state.has_error()) co_return state.error();
            continue;
        }
        const auto part = co_await connection_.read_some(home_.time().steady() + options_.silence_max);
        if (part.has_error() || part->empty()) {
            broke(part.has_error() ? part.error() : make_error_code(errc::incomplete_answer));
            continue;
        }
        std::vector<server_event> fresh;
        const auto fed = parser_.feed(*part, fresh);
        if (fed.has_error()) co_return fed.error();
        // Heartbeats are progress too: the server is there.
        backoff_.went_well();
        for (auto& one : fresh) ready_.push_back(std::move(one));
    }
    std::optional<server_event> front(std::move(ready_.front()));
    ready_.pop_front();
    co_return front;
}

}  // namespace http::client
