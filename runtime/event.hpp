// A condition that tasks of one shard wait for. There is no memory: notify_all() wakes those who wait now, so wait in
// a loop around the condition itself.
#pragma once

#include <cstdint>
#include <list>

#include "runtime/base/result.hpp"
#include "runtime/base/time.hpp"
#include "runtime/completion.hpp"
#include "runtime/task.hpp"

namespace runtime {

class shard;

// Shard: its owner only. Destroying it while tasks wait abandons them (their frames are destroyed), which only
// happens when a whole shard goes.
class event {
  public:
    explicit event(shard& home) : home_(home) {}
    event(const event&) = delete;
    event& operator=(const event&) = delete;

    // Resumes after the next notify_all(); throws operation_aborted when the waiting task is cancelled.
    [[nodiscard]] auto wait() {
        return operation<void(error_code)>([this](auto resume) { enlist(std::move(resume)); });
    }
    // The same, but returns false when the deadline comes first.
    task<bool> wait_until(steady_time deadline);
    // Waiters are resumed by way of the ready list, in the order in which they came; never inside this call.
    void notify_all();
    [[nodiscard]] std::size_t waiting() const { return waiters_.size(); }

  private:
    using handler = completion<void(error_code)>;
    struct waiter {
        std::uint64_t number;
        handler resume;
    };
    void enlist(handler resume);
    void resume_one(std::uint64_t number, error_code why);

    shard& home_;
    std::list<waiter> waiters_;
    std::uint64_t next_number_ = 0;
};

}  // namespace runtime
