// Brings an execution's events to one client, whatever the form in which it gets them.
#pragma once

#include <boost/asio/cancellation_signal.hpp>
#include <memory>

#include "http/environment.hpp"
#include "runtime/event.hpp"
#include "runtime/gate.hpp"
#include "runtime/task.hpp"

namespace http {

// Shard: the execution's home. It holds a cursor, not a queue: nothing is read from the engine while its client is
// being sent something. Lifetime: its client's; start() and then ended() have returned before it goes.
class event_pump {
  public:
    class client {
      public:
        virtual ~client() = default;
        // False: nothing more. An empty batch that is not the end is a silence of the heartbeat's length.
        virtual runtime::task<bool> send(pipeline::subscription::batch batch) = 0;
        // Asked before and behind each wait.
        [[nodiscard]] virtual bool wants_events() const = 0;
        // They cannot be read now; a client that comes again resumes.
        virtual void events_failed(const std::string& why) = 0;
        // There is nothing to wait for any more; whoever reads from the client may stop.
        virtual void pump_ended() = 0;
    };

    event_pump(environment& here, runtime::execution_id id, client& to)
        : here_(here), id_(id), to_(to), ended_(here.home) {}

    // False: the server stops, and nothing was begun.
    bool start(runtime::gate& owner, std::unique_ptr<pipeline::subscription> from);
    // Lets it look whether its client still wants events. Only a wait for events is cut: a frame half written could not
    // be followed by anything.
    void look_again();
    [[nodiscard]] bool is_done() const { return doing_ == doing::done; }
    runtime::task<void> ended();

  private:
    enum class doing : unsigned char { waiting, sending, done };

    runtime::task<void> run();

    environment& here_;
    runtime::execution_id id_;
    client& to_;
    std::unique_ptr<pipeline::subscription> from_;
    boost::asio::cancellation_signal stop_waiting_;
    doing doing_ = doing::sending;
    runtime::event ended_;
};

}  // namespace http
