// A WebSocket between one client and one program: what it types goes in, the execution's events come out.
#pragma once

#include <string>

#include "http/attach/commands.hpp"
#include "http/event_pump.hpp"
#include "http/websocket/frames.hpp"
#include "http/wire.hpp"
#include "pipeline/live_input.hpp"
#include "runtime/event.hpp"
#include "runtime/task.hpp"

namespace http::attach {

inline constexpr std::size_t message_bytes_max = 64 * 1024;  // of a client

// Shard: the execution's home. While the program's input is full nothing is read from the client, so that it is slowed
// down by its own socket. Ends when the events have, the client goes, the client takes nothing for too long, says
// something wrong, or the server drains.
class session final : private event_pump::client {
  public:
    session(environment& here, wire& to, pipeline::principal who, runtime::execution_id id, pipeline::attachment with);

    // Writes `head`, then messages until the end. True if it was closed in its form.
    runtime::task<bool> run(runtime::gate& owner, std::string head, std::string early);
    // Lets it end with a drain message, soon.
    void drain();
    // Ends it without a word.
    void abandon();

  private:
    runtime::task<bool> send(pipeline::subscription::batch batch) override;
    [[nodiscard]] bool wants_events() const override { return !draining_ && !abandoned_ && !closing_; }
    void events_failed(const std::string& why) override;
    void pump_ended() override { wake(); }

    runtime::task<bool> send_reset();
    runtime::task<void> read_client(std::string early);
    runtime::task<void> take(std::string_view bytes);
    runtime::task<void> on_message(websocket::message said);
    runtime::task<void> type(std::string_view bytes);
    void obey(std::string text);
    runtime::task<bool> say(websocket::opcode what, std::string payload);
    runtime::task<bool> send_bytes(std::string bytes);
    void close_with(websocket::close_code why, std::string reason);
    void wake();
    [[nodiscard]] std::string hello() const;

    environment& here_;
    wire& wire_;
    pipeline::principal who_;
    runtime::execution_id id_;
    pipeline::attachment with_;
    websocket::frame_reader frames_;
    command_reader commands_;
    bool draining_ = false;
    bool abandoned_ = false;  // the client has gone, or was given up
    bool closing_ = false;    // a close frame is to be sent
    websocket::close_code close_code_ = websocket::close_code::none;
    std::string close_reason_;
    bool writing_ = false;
    runtime::event written_;
    event_pump pump_;
};

}  // namespace http::attach
