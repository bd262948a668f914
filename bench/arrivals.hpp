// When the open model sends: a schedule that is fixed before the run, so that a slow server cannot slow the clock.
#pragma once

#include <cstdint>

#include "runtime/base/random.hpp"
#include "runtime/base/time.hpp"

namespace bench {

enum class arrival_kind : std::uint8_t { fixed, poisson };

// One of several generators that share a rate: of shards, and of processes.
struct load_part {
    std::uint32_t index = 0;
    std::uint32_t count = 1;
};

// Moments since the start, never decreasing. All parts together give the whole rate: with `fixed` every moment is a
// multiple of 1/rate, with `poisson` each part is an independent Poisson process (their union is one too). During the
// ramp the rate grows from zero in a straight line. The same seed and part give the same moments.
class arrivals {
  public:
    arrivals(arrival_kind kind, double rate_per_second, runtime::nanoseconds ramp, std::uint64_t seed, load_part part);

    runtime::nanoseconds next();

  private:
    // The moment at which a server that gets everything on time has got so many.
    [[nodiscard]] double seconds_of(double arrived) const;

    arrival_kind kind_;
    double rate_;
    double ramp_s_;
    double step_;
    double arrived_;
    runtime::random_source random_;
};

// Of an exponential distribution with mean 1.
double exponential(runtime::random_source& random);

}  // namespace bench
