// Who waits for a seat: strictly by priority, first in first out within one.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "pipeline/engine.hpp"

namespace pipeline {

// Shard: its owner only. Every operation is logarithmic.
class admission_queue {
  public:
    admission_queue();
    ~admission_queue();
    admission_queue(const admission_queue&) = delete;
    admission_queue& operator=(const admission_queue&) = delete;

    // Where something stands in the queue; good until it is taken or removed.
    struct ticket {
        enum priority priority = priority::normal;
        std::uint64_t number = 0;
    };
    ticket push(enum priority level, execution_id id);
    // The one to go next.
    std::optional<execution_id> pop();
    // False if it was taken before.
    bool remove(const ticket& which);
    // 1 is next; nothing if it is not here.
    [[nodiscard]] std::optional<std::uint64_t> position(const ticket& which) const;
    [[nodiscard]] std::size_t size() const;

  private:
    struct levels;
    std::unique_ptr<levels> levels_;
    std::uint64_t next_number_ = 1;
};

}  // namespace pipeline
