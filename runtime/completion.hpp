// A suspended operation's continuation, to be stored and called later.
#pragma once

#include <boost/asio/associated_cancellation_slot.hpp>
#include <utility>

#include "runtime/base/unique_function.hpp"

namespace runtime {

// Called at most once, on the shard of the task that waits: no executor is asked. Not asio::any_completion_handler,
// which allocates for every operation, and whose move assignment of Boost 1.81 recurses without end.
template <class Signature>
class completion;

template <class... Arguments>
class completion<void(Arguments...)> {
  public:
    completion() = default;
    template <class Handler>
        requires(!std::is_same_v<std::remove_cvref_t<Handler>, completion>)
    completion(Handler&& handler)  // NOLINT(google-explicit-constructor): as std::function
        : slot_(boost::asio::get_associated_cancellation_slot(handler)), handler_(std::forward<Handler>(handler)) {}

    void operator()(Arguments... arguments) {
        auto handler = std::move(handler_);
        handler(std::forward<Arguments>(arguments)...);
    }
    // Through which the waiting task is cancelled.
    [[nodiscard]] boost::asio::cancellation_slot cancellation_slot() const { return slot_; }

  private:
    boost::asio::cancellation_slot slot_;
    unique_function<void(Arguments...), 2 * sizeof(void*)> handler_;  // the frame, and where the result goes
};

}  // namespace runtime
