// The pauses of a client whose connection breaks: they grow, differ between clients, and end some time.
#pragma once

#include "http/client/message.hpp"
#include "runtime/base/time.hpp"
#include "runtime/shard.hpp"
#include "runtime/task.hpp"

namespace http::client {

struct backoff_options {
    runtime::milliseconds first{100};  // doubled for each failure in a row, with a random part
    runtime::milliseconds max{5'000};
    runtime::milliseconds give_up_after{60'000};  // since the first failure in a row
};

// Shard: the one it was made for.
class backoff {
  public:
    backoff(runtime::shard& home, backoff_options options) : home_(home), options_(options) {}

    // A connection broke, or could not be made.
    void failed();
    // The server is there.
    void went_well() { failures_ = 0; }
    [[nodiscard]] bool is_failing() const { return failures_ > 0; }
    [[nodiscard]] bool is_exhausted() const;
    // What the server asked for, before the next pause ends.
    void ask(runtime::milliseconds least) { asked_ = std::max(asked_, least); }
    // Sleeps, for no longer than give_up_after.
    runtime::task<void> pause();

  private:
    runtime::shard& home_;
    backoff_options options_;
    unsigned failures_ = 0;
    runtime::steady_time failing_since_;
    runtime::milliseconds asked_{0};
};

// Whole seconds of a Retry-After, or zero; dates are not understood.
runtime::milliseconds retry_after(const response_head& head);

}  // namespace http::client
