// The coordinator: who may run now. It owns the queue of a shard and its box seats; a seat is the right to run one box.
#pragma once

#include <memory>

#include "pipeline/admission_queue.hpp"
#include "pipeline/execution.hpp"
#include "pipeline/execution_table.hpp"

namespace stages::coordinator {

// Shard: its owner only. Limits: `seats` boxes at once (0: no limit, for an executor that takes none). How many may
// queue is asked before an execution is accepted (admission.queued_max).
class coordinator {
  public:
    coordinator(pipeline::execution_table& table, std::size_t seats) : table_(table), seats_(seats) {}

    // Takes a place in the queue, and hands out seats if there are any.
    void enqueue(pipeline::execution& e);
    // Leaves the queue (cancelled before its turn). Does nothing if it was not there.
    void leave(pipeline::execution& e);
    // Gives a seat back.
    void vacate(pipeline::execution& e);

    // Holds a seat as long as it lives.
    class seat {
      public:
        seat(coordinator& from, std::shared_ptr<pipeline::execution> e) : from_(&from), execution_(std::move(e)) {}
        seat(seat&& other) noexcept
            : from_(std::exchange(other.from_, nullptr)), execution_(std::move(other.execution_)) {}
        seat& operator=(seat&&) = delete;
        seat(const seat&) = delete;
        seat& operator=(const seat&) = delete;
        ~seat() {
            if (from_ != nullptr) from_->vacate(*execution_);
        }

      private:
        coordinator* from_;
        std::shared_ptr<pipeline::execution> execution_;
    };
    // Waits for the execution's turn; nothing when it was cancelled, or `stop` was asked for, before that.
    runtime::task<std::optional<seat>> seat_for(std::shared_ptr<pipeline::execution> e, std::stop_token stop);

    [[nodiscard]] std::optional<std::uint64_t> position(const pipeline::execution& e) const;
    [[nodiscard]] std::size_t queued() const { return queue_.size(); }
    [[nodiscard]] std::size_t seated() const { return seated_; }
    [[nodiscard]] std::size_t seats() const { return seats_; }

  private:
    void hand_out();

    pipeline::execution_table& table_;
    std::size_t seats_;
    std::size_t seated_ = 0;
    pipeline::admission_queue queue_;
};

}  // namespace stages::coordinator
