// Following the events of one execution.
#include <algorithm>
#include <boost/asio/error.hpp>

#include "bench/calls.hpp"
#include "http/client/event_stream.hpp"
#include "runtime/timer.hpp"

namespace bench {
namespace {

using http::client::connection;
using http::client::request;
using runtime::milliseconds;
using runtime::steady_time;
using runtime::task;

// A stream on which nothing comes for so long, comments included, is taken for dead; the server sends one every 15 s.
constexpr milliseconds silence_max{45'000};
// The contract ends a stream behind the terminal event.
constexpr milliseconds end_of_stream_max{5'000};
constexpr milliseconds pause_first{50};
constexpr milliseconds pause_max{2'000};

http::client::connection_options stream_options() {
    http::client::connection_options out;
    out.limits.body_bytes_max = 0;
    out.read_bytes = 4 << 10;
    return out;
}

// One execution's follower; what it holds lives as long as follow()'s frame.
struct follower {
    runtime::shard& home;
    std::string id;
    event_checker& checker;
    findings& wrong;
    follow_options options;
    connection stream;
    follow_report report;

    follower(runtime::shard& h, http::client::url server, std::string which, event_checker& c, findings& w,
             follow_options o)
        : home(h),
          id(std::move(which)),
          checker(c),
          wrong(w),
          options(o),
          stream(h, std::move(server), stream_options()) {}

    enum class step : std::uint8_t { streaming, again, again_later, done };

    [[nodiscard]] steady_time at_most(milliseconds wait) const {
        return std::min(options.deadline, home.time().steady() + wait);
    }
    task<step> open();
    task<step> read();
    void take(const std::vector<http::client::server_event>& events);
    void missing_end();
};

// There is nothing behind the last event, though the end has not come.
void follower::missing_end() {
    wrong.add(finding("never_ended", "execution " + id + ": its events end behind number " +
                                         std::to_string(checker.last()) + " without an end"));
}

task<follower::step> follower::open() {
    request what("GET", "/api/v1/events/executions/" + id);
    what.headers.emplace_back("Accept", "text/event-stream");
    if (checker.last() > 0) what.headers.emplace_back("Last-Event-ID", std::to_string(checker.last()));
    const auto head = co_await stream.start(std::move(what), at_most(silence_max));
    if (head.has_error()) {
        if (options.deadline > home.time().steady()) ++report.retries["stream." + name_of(head.error())];
        report.end = follow_end::lost;
        co_return step::again_later;
    }
    report.end = follow_end::unfinished;
    if (head->status == 200 && head->header("content-type").starts_with("text/event-stream")) co_return step::streaming;
    stream.close();
    if (head->status == 204) {
        if (!checker.ended()) missing_end();
        report.end = follow_end::ended;
        co_return step::done;
    }
    if (head->status == 404) {
        report.end = follow_end::gone;
        co_return step::done;
    }
    ++report.retries["stream." + std::to_string(head->status)];
    if (head->status == 429 || head->status >= 500) co_return step::again_later;
    report.end = follow_end::ended;  // nothing more will come of it
    wrong.add(finding("stream_refused", "execution " + id + ": its events behind " + std::to_string(checker.last()) +
                                            " were answered with " + std::to_string(head->status)));
    co_return step::done;
}

void follower::take(const std::vector<http::client::server_event>& events) {
    for (const auto& one : events) {
        ++report.events;
        const bool had_ended = checker.ended();
        checker.take(one);
        if (checker.ended() && !had_ended) {
            report.end_seen = home.time().steady();
            report.end_seen_us = home.time().utc().microseconds_since_epoch;
        }
    }
}

task<follower::step> follower::read() {
    http::client::event_stream_parser parser;
    parser.set_last_event_id(std::to_string(checker.last()));
    while (true) {
        const auto part = co_await stream.read_some(at_most(checker.ended() ? end_of_stream_max : silence_max));
        if (part.has_error() && checker.ended() && part.error() == boost::asio::error::timed_out) {
            wrong.add(finding("stream_endless", "execution " + id + ": its stream stays open behind the end"));
            co_return step::done;
        }
        if (part.has_error()) {
            if (options.deadline > home.time().steady()) ++report.retries["stream." + name_of(part.error())];
            co_return step::again_later;
        }
        if (part->empty()) co_return checker.ended() ? step::done : step::again;
        std::vector<http::client::server_event> events;
        if (parser.feed(*part, events).has_error()) {
            wrong.add(finding("event_malformed", "execution " + id + ": an event of more than 4 MiB"));
            co_return step::done;
        }
        take(events);
        if (options.break_behind > 0 && checker.last() >= options.break_behind && !checker.ended()) {
            options.break_behind = 0;
            ++report.reconnects;
            stream.close();
            co_return step::again;
        }
    }
}

}  // namespace

void follow_report::add(const follow_report& more) {
    end = more.end;
    if (more.end_seen_us != 0) {
        end_seen_us = more.end_seen_us;
        end_seen = more.end_seen;
    }
    events += more.events;
    reconnects += more.reconnects;
    resumed += more.resumed;
    for (const auto& [kind, count] : more.retries) retries[kind] += count;
}

task<follow_report> follow(runtime::shard& home, http::client::url server, std::string id, event_checker& checker,
                           findings& wrong, follow_options options) {
    follower self(home, std::move(server), std::move(id), checker, wrong, options);
    milliseconds pause = pause_first;
    while (home.time().steady() < options.deadline) {
        auto next = co_await self.open();
        const auto broken_off = self.report.reconnects;
        if (next == follower::step::streaming) {
            const auto before = checker.last();
            next = co_await self.read();
            if (next == follower::step::done) self.report.end = follow_end::ended;
            // A stream that ends without a word, as one of a server that drains does, is no failure by itself.
            if (next == follower::step::again && checker.last() == before) next = follower::step::again_later;
            if (checker.last() > before) pause = pause_first;
        }
        if (next == follower::step::done) break;
        if (checker.ended()) {
            // The connection broke behind the terminal event: nothing more is due.
            self.report.end = follow_end::ended;
            break;
        }
        if (self.report.reconnects == broken_off) ++self.report.resumed;
        if (next != follower::step::again_later) continue;
        const auto spread = milliseconds(static_cast<std::int64_t>(home.random().below(1 + pause.count())));
        co_await runtime::sleep_until(std::min(options.deadline, home.time().steady() + pause / 2 + spread));
        pause = std::min(pause * 2, pause_max);
    }
    co_return std::move(self.report);
}

}  // namespace bench
