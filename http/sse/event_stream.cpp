#include "http/sse/event_stream.hpp"

#include <array>
#include <exception>

#include "http/api/render.hpp"
#include "runtime/base/log.hpp"
#include "runtime/spawn.hpp"

namespace http::sse {

namespace asio = boost::asio;
using runtime::milliseconds;
using runtime::task;

namespace {

constexpr std::size_t kept_bytes_max = 1024;  // of a stream that rests, for each of its two buffers

}  // namespace

event_stream::event_stream(environment& here, wire& to, pipeline::principal who, runtime::execution_id id, bool chunked)
    : here_(here), wire_(to), who_(std::move(who)), id_(id), chunked_(chunked), pump_ended_(here.home) {}

task<bool> event_stream::run(runtime::gate& owner, std::unique_ptr<pipeline::subscription> from, std::string head) {
    from_ = std::move(from);
    wire_bytes_ = std::move(head);
    frames_ = "retry: ";
    append_number(frames_, here_.config.limits.sse_retry_ms);
    frames_ += "\n\n";
    if (!co_await flush()) co_return false;
    // We wait for the pump below, so that it may hold on to us.
    if (!runtime::spawn(owner, here_.home, pump(), stop_waiting_.slot())) co_return false;
    co_await watch_client();
    while (doing_ != doing::done) co_await pump_ended_.wait();
    if (draining_ && !whole_ && !abandoned_) whole_ = co_await send_drain();
    if (whole_ && chunked_) whole_ = co_await wire_.write(last_chunk, milliseconds(here_.config.limits.sse_stalled_ms));
    co_return whole_;
}

// The client has nothing more to say; we read only to see it go.
task<void> event_stream::watch_client() {
    constexpr std::size_t dropped_max = 64 * 1024;
    std::array<char, 32> dropped;
    std::size_t total = 0;
    while (doing_ != doing::done) {
        const auto count = co_await wire_.read_some(dropped.data(), dropped.size(), runtime::steady_time::never());
        total += count;
        if (doing_ == doing::done || (count > 0 && total <= dropped_max)) continue;
        abandon();
        break;
    }
}

void event_stream::drain() {
    draining_ = true;
    stop_waiting();
}

void event_stream::abandon() {
    abandoned_ = true;
    stop_waiting();
    wire_.cancel();
}

// Only a wait for events may be cut: a frame half written could not be followed by anything.
void event_stream::stop_waiting() {
    if (doing_ == doing::waiting) stop_waiting_.emit(asio::cancellation_type::terminal);
}

task<void> event_stream::pump() {
    const auto silence = milliseconds(here_.config.limits.sse_heartbeat_ms);
    bool go_on = true;
    while (go_on && !draining_ && !abandoned_) {
        std::optional<pipeline::outcome<pipeline::subscription::batch>> batch;
        doing_ = doing::waiting;
        try {
            batch.emplace(
                co_await from_->next(here_.config.limits.sse_write_bytes_max, here_.home.time().steady() + silence));
        } catch (const std::exception& why) {
            if (!draining_ && !abandoned_)
                runtime::log(runtime::log_level::error, "a subscription failed",
                             {{"execution_id", id_}, {"why", why.what()}});
            break;
        }
        // Cancelled too late to be noticed within next(); the next await would throw.
        if (draining_ || abandoned_) break;
        doing_ = doing::writing;
        // A failure of storage ends the stream; the client comes again and resumes.
        go_on = batch->has_value() && co_await send_batch(std::move(batch->value()));
    }
    from_.reset();
    doing_ = doing::done;
    pump_ended_.notify_all();
    wire_.cancel();
}

task<bool> event_stream::send_batch(pipeline::subscription::batch batch) {
    if (batch.reset && !co_await send_reset()) co_return false;
    for (const auto& event : batch.events) {
        if (here_.frames.append(frames_, id_, *event)) here_.metrics.events_rendered.add();
        here_.metrics.events_sent.add();
        if (frames_.size() >= here_.config.limits.sse_write_bytes_max && !co_await flush()) co_return false;
    }
    if (batch.events.empty() && !batch.end && !batch.reset) frames_ += ": still here\n\n";
    if (!co_await flush()) co_return false;
    whole_ = batch.end;
    co_return !batch.end;
}

// History was taken by retention: what is the case now, without a number.
task<bool> event_stream::send_reset() {
    auto view = co_await here_.engine.find(who_, id_);
    if (view.has_error()) co_return false;
    frames_ += "event: reset\ndata: ";
    json_writer json(frames_);
    api::write_execution(json, view.value());
    frames_ += "\n\n";
    co_return true;
}

task<bool> event_stream::send_drain() {
    frames_ = "event: drain\ndata: {\"reason\":\"shutting_down\"}\n\n";
    co_return co_await flush();
}

task<bool> event_stream::flush() {
    if (frames_.empty() && wire_bytes_.empty()) co_return true;
    if (!chunked_) {
        wire_bytes_ += frames_;
    } else if (!frames_.empty()) {
        append_chunk(wire_bytes_, frames_);
    }
    frames_.clear();
    const bool sent = co_await wire_.write(wire_bytes_, milliseconds(here_.config.limits.sse_stalled_ms));
    if (!sent && wire_.expired()) here_.limit_reached("sse.stalled_s");
    wire_bytes_.clear();
    // A burst's memory is not kept through the silence behind it.
    if (wire_bytes_.capacity() > kept_bytes_max || frames_.capacity() > kept_bytes_max) {
        std::string().swap(wire_bytes_);
        std::string().swap(frames_);
    }
    co_return sent;
}

}  // namespace http::sse
