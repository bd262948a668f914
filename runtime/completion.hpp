// A suspended operation's continuation, to be stored and called later.
#pragma once

#include <boost/asio/any_completion_handler.hpp>
#include <boost/asio/associated_cancellation_slot.hpp>
#include <optional>
#include <utility>

namespace runtime {

// asio::any_completion_handler that may live in containers: Boost 1.81's move assignment of it recurses without end, so
// assignment destroys and constructs. Called at most once.
template <class Signature>
class completion;

template <class... Arguments>
class completion<void(Arguments...)> {
  public:
    completion() = default;
    template <class Handler>
        requires(!std::is_same_v<std::remove_cvref_t<Handler>, completion>)
    completion(Handler&& handler) : handler_(std::in_place, std::forward<Handler>(handler)) {}  // NOLINT: as its base
    completion(completion&& other) noexcept { take(other); }
    completion& operator=(completion&& other) noexcept {
        if (this != &other) {
            handler_.reset();
            take(other);
        }
        return *this;
    }
    completion(const completion&) = delete;
    completion& operator=(const completion&) = delete;
    ~completion() = default;

    void operator()(Arguments... arguments) {
        auto handler = std::move(*handler_);
        handler_.reset();
        std::move(handler)(std::forward<Arguments>(arguments)...);
    }
    // Through which the waiting task is cancelled.
    [[nodiscard]] boost::asio::cancellation_slot cancellation_slot() const {
        return boost::asio::get_associated_cancellation_slot(*handler_);
    }

  private:
    void take(completion& other) noexcept {
        if (!other.handler_) return;
        handler_.emplace(std::move(*other.handler_));
        other.handler_.reset();
    }
    std::optional<boost::asio::any_completion_handler<void(Arguments...)>> handler_;
};

}  // namespace runtime
