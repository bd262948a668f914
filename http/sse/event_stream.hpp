// Sends an execution's events to one subscriber, as text/event-stream.
#pragma once

#include <memory>
#include <string>

#include "http/event_pump.hpp"
#include "http/message/response.hpp"
#include "http/wire.hpp"

namespace http::sse {

// Shard: the execution's home. Ends when the events have, the client goes, the client takes nothing for too long, or
// the server drains.
class event_stream final : private event_pump::client {
  public:
    event_stream(environment& here, wire& to, pipeline::principal who, runtime::execution_id id, bool chunked);

    // Writes `head`, then events until the end. True if the stream was ended in its form, so that the client can tell.
    runtime::task<bool> run(runtime::gate& owner, std::unique_ptr<pipeline::subscription> from, std::string head);
    // Lets it end with a drain event, soon.
    void drain();
    // Ends it without a word.
    void abandon();

  private:
    runtime::task<bool> send(pipeline::subscription::batch batch) override;
    [[nodiscard]] bool wants_events() const override { return !draining_ && !abandoned_; }
    // The stream ends; the client comes again and resumes.
    void events_failed(const std::string& /*why*/) override {}
    void pump_ended() override { wire_.cancel(); }

    runtime::task<bool> send_events(const burst_cache::events& events);
    runtime::task<bool> send_reset();
    runtime::task<bool> flush();
    runtime::task<bool> send_drain();
    runtime::task<void> watch_client();

    environment& here_;
    wire& wire_;
    pipeline::principal who_;
    runtime::execution_id id_;
    bool chunked_;
    std::string frames_;
    std::string wire_bytes_;
    bool draining_ = false;
    bool abandoned_ = false;  // the client has gone, or was given up
    bool whole_ = false;
    event_pump pump_;
};

}  // namespace http::sse
