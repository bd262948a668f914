#include "http/event_pump.hpp"

#include <exception>

#include "runtime/base/log.hpp"
#include "runtime/spawn.hpp"

namespace http {

using runtime::task;

bool event_pump::start(runtime::gate& owner, std::unique_ptr<pipeline::subscription> from) {
    from_ = std::move(from);
    return runtime::spawn(owner, here_.home, run(), stop_waiting_.slot());
}

void event_pump::look_again() {
    if (doing_ == doing::waiting) stop_waiting_.emit(boost::asio::cancellation_type::terminal);
}

task<void> event_pump::ended() {
    while (doing_ != doing::done) co_await ended_.wait();
}

task<void> event_pump::run() {
    const auto& limits = here_.config.limits;
    const auto silence = runtime::milliseconds(limits.sse_heartbeat_ms);
    bool go_on = true;
    while (go_on && to_.wants_events()) {
        std::optional<pipeline::outcome<pipeline::subscription::batch>> batch;
        doing_ = doing::waiting;
        try {
            batch.emplace(co_await from_->next(limits.sse_write_bytes_max, here_.home.time().steady() + silence));
        } catch (const std::exception& why) {
            if (to_.wants_events()) {
                runtime::log(runtime::log_level::error, "a subscription failed",
                             {{"execution_id", id_}, {"why", why.what()}});
                to_.events_failed("the events cannot be read now");
            }
            break;
        }
        // Cancelled too late to be noticed within next(); the next await would throw.
        if (!to_.wants_events()) break;
        doing_ = doing::sending;
        if (batch->has_error()) to_.events_failed(batch->error().detail);
        go_on = batch->has_value() && co_await to_.send(std::move(batch->value()));
    }
    from_.reset();
    doing_ = doing::done;
    ended_.notify_all();
    to_.pump_ended();
}

}  // namespace http
