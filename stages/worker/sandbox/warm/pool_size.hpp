// How many of something are kept ready: no more than have been asked for of late.
#pragma once

#include <cstddef>
#include <cstdint>

namespace stages::worker::sandbox {

// Grows by one with every one that was asked for when there was none; what stood unused for a whole interval is given
// up when that ends. So without demand a pool is back at its resting size after two intervals. Times in nanoseconds of
// any steady clock.
class pool_size {
  public:
    static constexpr std::int64_t interval_ns = 4'000'000'000;

    // `resting`: from the first one that was asked for on. 0 <= resting <= most.
    pool_size(std::size_t resting, std::size_t most) : resting_(resting), most_(most) {}

    // One was asked for while `ready` were there.
    void asked(std::size_t ready, std::int64_t now_ns);
    // To be called when it is due, and at any other time.
    void look(std::size_t ready, std::int64_t now_ns);
    // How many there shall be.
    [[nodiscard]] std::size_t wanted() const { return wanted_; }
    // When look() has something to do; INT64_MAX: not before somebody asks.
    [[nodiscard]] std::int64_t due_ns() const;

  private:
    std::size_t resting_;
    std::size_t most_;
    std::size_t wanted_ = 0;
    std::size_t fewest_ = 0;  // that were ready since the interval began
    bool idle_ = true;        // nobody has asked since then
    std::int64_t interval_end_ns_ = 0;
};

}  // namespace stages::worker::sandbox
