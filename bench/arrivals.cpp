#include "bench/arrivals.hpp"

#include <cmath>

namespace bench {

double exponential(runtime::random_source& random) {
    // 53 random bits, moved by half of one so that the logarithm never meets zero.
    const double uniform = (static_cast<double>(random.next() >> 11) + 0.5) * 0x1.0p-53;
    return -std::log(uniform);
}

arrivals::arrivals(arrival_kind kind, double rate_per_second, runtime::nanoseconds ramp, std::uint64_t seed,
                   load_part part)
    : kind_(kind),
      rate_(rate_per_second),
      ramp_s_(static_cast<double>(ramp.count()) * 1e-9),
      step_(part.count),
      arrived_(kind == arrival_kind::fixed ? part.index : 0),
      random_(seed ^ (0x9e3779b97f4a7c15ULL * (part.index + 1))) {}

double arrivals::seconds_of(double arrived) const {
    // The ramp's area is half of what the whole rate gives in the same time.
    const double in_ramp = rate_ * ramp_s_ / 2;
    if (arrived < in_ramp) return std::sqrt(2 * arrived * ramp_s_ / rate_);
    return ramp_s_ + (arrived - in_ramp) / rate_;
}

runtime::nanoseconds arrivals::next() {
    if (kind_ == arrival_kind::poisson) arrived_ += step_ * exponential(random_);
    const double at = seconds_of(arrived_);
    if (kind_ == arrival_kind::fixed) arrived_ += step_;
    return runtime::nanoseconds(static_cast<std::int64_t>(at * 1e9));
}

}  // namespace bench
