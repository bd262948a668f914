#include "http/sse/event_stream.hpp"

#include <array>

#include "http/api/render.hpp"

namespace http::sse {

using runtime::milliseconds;
using runtime::task;

event_stream::event_stream(environment& here, wire& to, pipeline::principal who, runtime::execution_id id, bool chunked)
    : here_(here), wire_(to), who_(std::move(who)), id_(id), chunked_(chunked), pump_(here, id, *this) {}

task<bool> event_stream::run(runtime::gate& owner, std::unique_ptr<pipeline::subscription> from, std::string head) {
    wire_bytes_ = std::move(head);
    frames_ = "retry: ";
    append_number(frames_, here_.config.limits.sse_retry_ms);
    frames_ += "\n\n";
    if (!co_await flush()) co_return false;
    if (!pump_.start(owner, std::move(from))) co_return false;
    co_await watch_client();
    co_await pump_.ended();
    if (draining_ && !whole_ && !abandoned_) whole_ = co_await send_drain();
    if (whole_ && chunked_) whole_ = co_await wire_.write(last_chunk, milliseconds(here_.config.limits.sse_stalled_ms));
    co_return whole_;
}

// The client has nothing more to say; we read only to see it go.
task<void> event_stream::watch_client() {
    constexpr std::size_t dropped_max = 64 * 1024;
    std::array<char, 32> dropped;
    std::size_t total = 0;
    while (!pump_.is_done()) {
        const auto count = co_await wire_.read_some(dropped.data(), dropped.size(), runtime::steady_time::never());
        total += count;
        if (pump_.is_done() || (count > 0 && total <= dropped_max)) continue;
        abandon();
        break;
    }
}

void event_stream::drain() {
    draining_ = true;
    pump_.look_again();
}

void event_stream::abandon() {
    abandoned_ = true;
    pump_.look_again();
    wire_.cancel();
}

task<bool> event_stream::send(pipeline::subscription::batch batch) {
    if (batch.reset && !co_await send_reset()) co_return false;
    if (batch.events.empty() && !batch.end && !batch.reset) frames_ += ": still here\n\n";
    if (!frames_.empty() && !co_await flush()) co_return false;
    if (!batch.events.empty() && !co_await send_events(batch.events)) co_return false;
    whole_ = batch.end;
    co_return !batch.end;
}

task<bool> event_stream::send_events(const burst_cache::events& events) {
    std::uint64_t rendered = 0;
    std::string_view burst = here_.bursts.of(id_, events, chunked_, rendered);
    here_.metrics.events_rendered.add(rendered);
    here_.metrics.events_sent.add(events.size());
    if (!wire_.send_now(burst)) co_return false;
    if (burst.empty()) co_return true;
    // A client that does not take it at once gets the rest from a copy: the burst is another's by then.
    wire_bytes_ = burst;
    co_return co_await flush();
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
    const bool sent = co_await wire_.write(wire_bytes_, milliseconds(here_.config.limits.sse_stalled_ms));
    if (!sent && wire_.expired()) here_.limit_reached("sse.stalled_s");
    // Nothing is kept through the silence that follows.
    std::string().swap(wire_bytes_);
    std::string().swap(frames_);
    co_return sent;
}

}  // namespace http::sse
