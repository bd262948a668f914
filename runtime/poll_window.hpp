// How long a shard polls before it sleeps, learnt from its waits, as KVM's halt polling learns it (Linux,
// Documentation/virt/kvm/halt-polling.rst).
#pragma once

#include <algorithm>

#include "runtime/base/time.hpp"

namespace runtime {

// Polling pays where what is waited for comes within the window; anywhere else it only burns the CPU.
class poll_window {
  public:
    static constexpr nanoseconds least{5'000};  // but for none at all

    // No wait of `most` or longer is worth polling for.
    explicit poll_window(nanoseconds most) : most_(most) {}

    [[nodiscard]] nanoseconds length() const { return length_; }

    // A wait for work in sight has ended.
    void waited(nanoseconds how_long) {
        if (how_long >= most_) {
            length_ = nanoseconds(0);
        } else if (how_long > length_) {
            length_ = std::min(most_, std::max(least, 2 * length_));
        }
    }

  private:
    nanoseconds most_;
    nanoseconds length_{0};
};

}  // namespace runtime
