// A gate counts the work in flight of a service, so that stop() can wait for it (as Seastar's). It is the last member
// of its owner; destroying it while held is a bug of ours and aborts.
#pragma once

#include <cstddef>
#include <utility>

#include "runtime/event.hpp"
#include "runtime/task.hpp"

namespace runtime {

// Shard: its owner only.
class gate {
  public:
    explicit gate(shard& home) : emptied_(home) {}
    gate(const gate&) = delete;
    gate& operator=(const gate&) = delete;
    ~gate();

    // Holds the gate open as long as it lives.
    class hold {
      public:
        explicit hold(gate& g) : gate_(&g) { ++g.count_; }
        hold(hold&& other) noexcept : gate_(std::exchange(other.gate_, nullptr)) {}
        hold& operator=(hold&&) = delete;
        hold(const hold&) = delete;
        hold& operator=(const hold&) = delete;
        ~hold() {
            if (gate_ != nullptr) gate_->leave();
        }

      private:
        gate* gate_;
    };

    [[nodiscard]] bool closed() const { return closed_; }
    [[nodiscard]] std::size_t count() const { return count_; }
    // Lets nothing more in, then waits for what is inside.
    task<void> close();

  private:
    void leave();

    event emptied_;
    std::size_t count_ = 0;
    bool closed_ = false;
};

}  // namespace runtime
