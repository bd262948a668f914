#include "http/client/event_source.hpp"

#include <algorithm>
#include <charconv>

#include "http/client/error.hpp"
#include "runtime/timer.hpp"

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

// Whole seconds of a Retry-After, or zero; dates are not understood.
milliseconds retry_after(const response_head& head) {
    const std::string_view text = head.header("retry-after");
    std::int64_t seconds = 0;
    std::from_chars(text.data(), text.data() + text.size(), seconds);
    return milliseconds(std::clamp<std::int64_t>(seconds, 0, 3600) * 1000);
}

constexpr std::size_t refusal_bytes_max = 1 << 20;

}  // namespace

event_source::event_source(runtime::shard& home, url server, std::string target, std::string after,
                           event_source_options options)
    : home_(home),
      target_(std::move(target)),
      options_(options),
      connection_(home, std::move(server), stream_options()),
      parser_(options.event_bytes_max) {
    parser_.set_last_event_id(std::move(after));
}

void event_source::broke(runtime::error_code why) {
    streaming_ = false;
    failure_ = why;
    if (failures_++ == 0) failing_since_ = home_.time().steady();
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
    asked_pause_ = retry_after(*head);
    const bool later = head->status == 429 || head->status >= 500;
    const auto refused = co_await read_refusal(std::move(*head));
    if (!later) co_return refused.error();
    broke(refused.error());
    co_return opened::failed;
}

task<result<void>> event_source::pause() {
    const auto now = home_.time().steady();
    if (now - failing_since_ > options_.give_up_after) co_return errc::gave_up;
    // The first pause is short; a stream that ended in order (a server that drains) costs one of those.
    const unsigned doublings = std::min(failures_ == 0 ? 0U : failures_ - 1, 16U);
    const auto grown = std::min(options_.backoff_first * (std::int64_t{1} << doublings), options_.backoff_max);
    const auto spread = milliseconds(
        static_cast<std::int64_t>(home_.random().below(static_cast<std::uint64_t>(grown.count() / 2 + 1))));
    const auto wanted = std::max(
        {grown / 2 + spread, parser_.retry().value_or(milliseconds(0)), std::exchange(asked_pause_, milliseconds(0))});
    co_await runtime::sleep_for(std::min(wanted, options_.give_up_after));
    ++reconnects_;
    co_return result<void>();
}

task<result<std::optional<server_event>>> event_source::next() {
    while (ready_.empty()) {
        if (ended_) co_return std::optional<server_event>();
        if (!streaming_) {
            if (failures_ > 0) {
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
        failures_ = 0;
        for (auto& one : fresh) ready_.push_back(std::move(one));
    }
    std::optional<server_event> front(std::move(ready_.front()));
    ready_.pop_front();
    co_return front;
}

}  // namespace http::client
