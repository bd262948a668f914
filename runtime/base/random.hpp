// Randomness behind a seam: every shard owns one generator, seeded from the machine or from a simulation's seed.
#pragma once

#include <array>
#include <cstdint>
#include <limits>

namespace runtime {

// xoshiro256++ 1.0 (Blackman, Vigna): fast and the same on every compiler. Not for secrets.
class random_source {
  public:
    using result_type = std::uint64_t;

    explicit random_source(std::uint64_t seed);

    std::uint64_t operator()() { return next(); }
    std::uint64_t next();
    // Uniform in [0, bound); bound above 0.
    std::uint64_t below(std::uint64_t bound);
    // True with the given probability in parts per million.
    bool chance(std::uint32_t parts_per_million) { return below(1'000'000) < parts_per_million; }
    // An independent generator, for a part that must not disturb this one's sequence.
    random_source split() { return random_source(next()); }

    static constexpr std::uint64_t min() { return 0; }
    static constexpr std::uint64_t max() { return std::numeric_limits<std::uint64_t>::max(); }

  private:
    std::array<std::uint64_t, 4> state_;
};

// A seed from the kernel (getrandom).
std::uint64_t machine_seed();

}  // namespace runtime
