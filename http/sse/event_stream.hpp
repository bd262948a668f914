// Sends an execution's events to one subscriber, as text/event-stream.
#pragma once

#include <boost/asio/cancellation_signal.hpp>
#include <memory>
#include <string>

#include "http/environment.hpp"
#include "http/message/response.hpp"
#include "http/wire.hpp"
#include "runtime/event.hpp"
#include "runtime/gate.hpp"
#include "runtime/task.hpp"

namespace http::sse {

// Shard: the execution's home. A subscriber holds a cursor, not a queue: nothing is read from the engine while a write
// is in flight. Ends when the events have, the client goes, the client takes nothing for too long, or the server
// drains.
class event_stream {
  public:
    event_stream(environment& here, wire& to, pipeline::principal who, runtime::execution_id id, bool chunked);

    // Writes `head`, then events until the end. True if the stream was ended in its form, so that the client can tell.
    runtime::task<bool> run(runtime::gate& owner, std::unique_ptr<pipeline::subscription> from, std::string head);
    // Lets it end with a drain event, soon.
    void drain();
    // Ends it without a word.
    void abandon();

  private:
    enum class doing : unsigned char { waiting, writing, done };

    runtime::task<void> pump();
    runtime::task<bool> send_batch(pipeline::subscription::batch batch);
    runtime::task<bool> send_reset();
    runtime::task<bool> flush();
    runtime::task<bool> send_drain();
    runtime::task<void> watch_client();
    void stop_waiting();

    environment& here_;
    wire& wire_;
    pipeline::principal who_;
    runtime::execution_id id_;
    bool chunked_;
    std::unique_ptr<pipeline::subscription> from_;
    std::string frames_;
    std::string wire_bytes_;
    boost::asio::cancellation_signal stop_waiting_;
    doing doing_ = doing::writing;
    bool draining_ = false;
    bool abandoned_ = false;  // the client has gone, or was given up
    bool whole_ = false;
    runtime::event pump_ended_;
};

}  // namespace http::sse
