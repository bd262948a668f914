// What moves an execution on. Implemented in stages/; the pipeline only starts it.
#pragma once

#include <memory>

#include "pipeline/execution.hpp"

namespace pipeline {

// Shard: its owner only.
class saga {
  public:
    virtual ~saga() = default;
    // Takes over an execution: one just accepted, or one that recovery found, wherever its state says it is. It gets
    // its place in the queue at once; the rest happens later, from the ready list.
    virtual void begin(std::shared_ptr<execution> e) = 0;
    // A cancellation was written down: what waits for its turn ends now, what runs is told by `cancel_program`.
    virtual void cancelled(std::shared_ptr<execution> e) = 0;
    // Takes over an execution that has ended but may not be in the archive.
    virtual void hand_over(std::shared_ptr<execution> e) = 0;
    // Position in the queue, 1 is next; nothing if it is not queued.
    [[nodiscard]] virtual std::optional<std::uint64_t> queue_position(const execution& e) const = 0;
    // Waiting for a seat now.
    [[nodiscard]] virtual std::size_t queued() const = 0;
};

}  // namespace pipeline
