#include "http/attach/session.hpp"

#include <array>

#include "http/api/render.hpp"

namespace http::attach {

using runtime::milliseconds;
using runtime::task;
using websocket::close_code;
using websocket::opcode;

session::session(environment& here, wire& to, pipeline::principal who, runtime::execution_id id,
                 pipeline::attachment with)
    : here_(here),
      wire_(to),
      who_(std::move(who)),
      id_(id),
      with_(std::move(with)),
      frames_(websocket::role::server, message_bytes_max),
      written_(here.home),
      pump_(here, id, *this) {}

task<bool> session::run(runtime::gate& owner, std::string head, std::string early) {
    websocket::append_frame(head, opcode::text, hello(), websocket::role::server);
    if (!co_await send_bytes(std::move(head))) co_return false;
    if (!pump_.start(owner, with_.take_events())) co_return false;
    co_await read_client(std::move(early));
    co_await pump_.ended();
    if (abandoned_) co_return false;
    if (draining_ && !closing_) {
        close_with(close_code::going_away, "the server shuts down");
        if (!co_await say(opcode::text, "{\"type\":\"drain\",\"reason\":\"shutting_down\"}")) co_return false;
    }
    co_return co_await say(opcode::close, websocket::close_payload(close_code_, close_reason_));
}

std::string session::hello() const {
    std::string out;
    json_writer json(out);
    json.begin_object().member("type", "attached").member("execution_id", id_.to_string());
    json.key("interactive").begin_object();
    if (const auto& terminal = with_.input().how().terminal) {
        json.key("pty").begin_object().member("rows", std::uint32_t{terminal->rows});
        json.member("columns", std::uint32_t{terminal->columns}).end_object();
    }
    json.end_object().end_object();
    return out;
}

void session::drain() {
    draining_ = true;
    wake();
}

void session::abandon() {
    abandoned_ = true;
    wake();
}

void session::close_with(close_code why, std::string reason) {
    if (closing_) return;
    closing_ = true;
    close_code_ = why;
    close_reason_ = std::move(reason);
    wake();
}

// Both the pump and the reader look whether they are still wanted.
void session::wake() {
    pump_.look_again();
    with_.input().room().notify_all();
    if (!writing_ || abandoned_) wire_.cancel();
}

void session::events_failed(const std::string& why) { close_with(close_code::internal, why); }

task<bool> session::send(pipeline::subscription::batch batch) {
    if (batch.reset && !co_await send_reset()) co_return false;
    std::string frames;
    for (const auto& event : batch.events) {
        std::string text;
        api::append_event_json(text, id_, *event);
        websocket::append_frame(frames, opcode::text, text, websocket::role::server);
        here_.metrics.events_sent.add();
        if (frames.size() < here_.config.limits.sse_write_bytes_max) continue;
        if (!co_await send_bytes(std::exchange(frames, {}))) co_return false;
    }
    if (batch.events.empty() && !batch.end && !batch.reset)
        websocket::append_frame(frames, opcode::ping, {}, websocket::role::server);
    if (!frames.empty() && !co_await send_bytes(std::move(frames))) co_return false;
    if (batch.end) close_with(close_code::normal, "the execution has ended");
    co_return !batch.end;
}

// History was taken by retention: what is the case now, without a number.
task<bool> session::send_reset() {
    auto view = co_await here_.engine.find(who_, id_);
    if (view.has_error()) co_return false;
    std::string text = "{\"type\":\"reset\",\"execution\":";
    json_writer json(text);
    api::write_execution(json, view.value());
    text += "}";
    co_return co_await say(opcode::text, std::move(text));
}

task<bool> session::say(opcode what, std::string payload) {
    std::string frame;
    websocket::append_frame(frame, what, payload, websocket::role::server);
    co_return co_await send_bytes(std::move(frame));
}

// One write at a time: the pump's events and the reader's answers take turns.
task<bool> session::send_bytes(std::string bytes) {
    while (writing_) co_await written_.wait();
    if (abandoned_) co_return false;
    writing_ = true;
    const bool sent = co_await wire_.write(bytes, milliseconds(here_.config.limits.sse_stalled_ms));
    writing_ = false;
    written_.notify_all();
    if (!sent && wire_.expired()) here_.limit_reached("sse.stalled_s");
    if (!sent) abandon();
    co_return sent;
}

task<void> session::read_client(std::string early) {
    co_await take(early);
    std::string().swap(early);
    std::array<char, 4096> room;
    while (!pump_.is_done() && !abandoned_ && !closing_ && !draining_) {
        const auto count = co_await wire_.read_some(room.data(), room.size(), runtime::steady_time::never());
        if (pump_.is_done() || closing_ || draining_) break;
        if (count == 0) abandon();
        co_await take({room.data(), count});
    }
}

task<void> session::take(std::string_view bytes) {
    websocket::message said;
    while (!bytes.empty() && !abandoned_ && !closing_) {
        const auto read = frames_.read(bytes, said);
        if (read == websocket::frame_reader::state::needs_more) co_return;
        if (read == websocket::frame_reader::state::message) {
            co_await on_message(std::move(said));
            continue;
        }
        if (frames_.fault() == close_code::too_large) here_.limit_reached("attach.message_bytes_max");
        close_with(frames_.fault(), frames_.fault() == close_code::too_large
                                        ? "attach.message_bytes_max: " + std::to_string(message_bytes_max)
                                        : "a frame is malformed");
    }
}

task<void> session::on_message(websocket::message said) {
    here_.metrics.attach_messages.add();
    switch (said.what) {
        case opcode::binary: co_await type(said.payload); break;
        case opcode::text: obey(std::move(said.payload)); break;
        case opcode::ping: co_await say(opcode::pong, std::move(said.payload)); break;
        case opcode::close: close_with(said.why, {}); break;
        default: break;
    }
}

task<void> session::type(std::string_view bytes) {
    auto& input = with_.input();
    while (true) {
        bytes.remove_prefix(input.offer(bytes));
        if (bytes.empty() || abandoned_ || closing_ || draining_ || pump_.is_done()) co_return;
        co_await input.room().wait();
    }
}

void session::obey(std::string text) {
    command what;
    auto wrong = commands_.read(text, what);
    auto& input = with_.input();
    if (!wrong.empty()) return close_with(close_code::policy, std::move(wrong));
    switch (what.what) {
        case command::kind::resize:
            if (!input.how().terminal) return close_with(close_code::policy, "resize: the program has no terminal");
            return input.resize(what.size);
        case command::kind::signal: input.signal(what.signal); return;
        case command::kind::end: input.end(); return;
    }
}

}  // namespace http::attach
