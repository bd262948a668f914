// The coordinator: who may run now. It owns the queue of a shard and its box seats; a seat is the right to run one box.
#pragma once

#include <memory>
#include <utility>

#include "pipeline/admission_queue.hpp"
#include "pipeline/execution.hpp"
#include "pipeline/execution_table.hpp"
#include "runtime/base/unique_function.hpp"

namespace stages::coordinator {

// Shard: its owner only. Limits: `seats` boxes at once (0: no limit, for an executor that takes none). How many may
// queue is asked before an execution is accepted (admission.queued_max). Who is in the queue has its place there and
// nothing else: no coroutine waits for a seat.
class coordinator {
  public:
    // Takes the execution whose turn has come, with a seat of its own. It is called from within the other functions:
    // it starts something, and returns.
    using seated_handler = runtime::unique_function<void(std::shared_ptr<pipeline::execution>)>;

    coordinator(pipeline::execution_table& table, std::size_t seats) : table_(table), seats_(seats) {}

    // Before the first enqueue(). Nothing, when whoever was told goes away.
    void on_seated(seated_handler tell) { tell_ = std::move(tell); }
    // Takes a place in the queue, and hands out seats if there are any.
    void enqueue(pipeline::execution& e);
    // Leaves the queue (cancelled before its turn). False if it was not there.
    bool leave(pipeline::execution& e);
    // Hands out no more seats: the rest of the queue is the next start's.
    void close() { closed_ = true; }

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

    [[nodiscard]] std::optional<std::uint64_t> position(const pipeline::execution& e) const;
    [[nodiscard]] std::size_t queued() const { return queue_.size(); }
    [[nodiscard]] std::size_t seated() const { return seated_; }
    [[nodiscard]] std::size_t seats() const { return seats_; }

  private:
    void hand_out();
    // Gives a seat back.
    void vacate(pipeline::execution& e);

    pipeline::execution_table& table_;
    seated_handler tell_;
    std::size_t seats_;
    std::size_t seated_ = 0;
    bool closed_ = false;
    pipeline::admission_queue queue_;
};

}  // namespace stages::coordinator
