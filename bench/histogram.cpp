#include "bench/histogram.hpp"

#include <algorithm>
#include <bit>
#include <cmath>

namespace bench {
namespace {

// Eleven bits of each value are kept: the leading one and ten behind it.
constexpr unsigned kept_bits = 11;
constexpr std::size_t half = histogram::exact_below / 2;

}  // namespace

std::size_t histogram::bucket_of(std::uint64_t value) {
    value = std::min(value, value_max);
    if (value < exact_below) return value;
    const unsigned shift = static_cast<unsigned>(std::bit_width(value)) - kept_bits;
    const std::uint64_t leading = value >> shift;  // half to exact_below - 1
    return exact_below + (shift - 1) * half + (leading - half);
}

std::uint64_t histogram::lower_of(std::size_t bucket) {
    if (bucket < exact_below) return bucket;
    const std::size_t behind = bucket - exact_below;
    return (half + behind % half) << (behind / half + 1);
}

std::uint64_t histogram::upper_of(std::size_t bucket) {
    if (bucket < exact_below) return bucket;
    return lower_of(bucket) + (std::uint64_t{1} << ((bucket - exact_below) / half + 1)) - 1;
}

void histogram::record(std::uint64_t value, std::uint64_t times) {
    if (times == 0) return;
    value = std::min(value, value_max);
    const std::size_t bucket = bucket_of(value);
    if (bucket >= buckets_.size()) buckets_.resize(bucket + 1);
    buckets_[bucket] += times;
    count_ += times;
    sum_ += value * times;
    min_ = std::min(min_, value);
    max_ = std::max(max_, value);
}

void histogram::merge(const histogram& other) {
    if (other.buckets_.size() > buckets_.size()) buckets_.resize(other.buckets_.size());
    for (std::size_t i = 0; i < other.buckets_.size(); ++i) buckets_[i] += other.buckets_[i];
    count_ += other.count_;
    sum_ += other.sum_;
    min_ = std::min(min_, other.min_);
    max_ = std::max(max_, other.max_);
}

void histogram::clear() {
    // The memory is kept: a histogram that is cleared is about to be filled again.
    buckets_.clear();
    count_ = sum_ = max_ = 0;
    min_ = UINT64_MAX;
}

double histogram::mean() const { return count_ == 0 ? 0 : static_cast<double>(sum_) / static_cast<double>(count_); }

std::uint64_t histogram::quantile(double share) const {
    if (count_ == 0) return 0;
    const double asked = std::ceil(std::clamp(share, 0.0, 1.0) * static_cast<double>(count_));
    const auto wanted = std::max<std::uint64_t>(1, static_cast<std::uint64_t>(asked));
    std::uint64_t passed = 0;
    for (std::size_t i = 0; i < buckets_.size(); ++i) {
        passed += buckets_[i];
        if (passed >= wanted) return std::min(upper_of(i), max_);
    }
    return max_;
}

bool histogram::restore(std::vector<std::uint64_t> buckets, std::uint64_t min, std::uint64_t max, std::uint64_t sum) {
    if (buckets.size() > buckets_max) return false;
    while (!buckets.empty() && buckets.back() == 0) buckets.pop_back();
    histogram made;
    for (const auto count : buckets) made.count_ += count;
    if (made.count_ > 0) {
        if (min > max || max > value_max) return false;
        const auto first = std::ranges::find_if(buckets, [](std::uint64_t count) { return count > 0; });
        if (bucket_of(min) != static_cast<std::size_t>(first - buckets.begin())) return false;
        if (bucket_of(max) + 1 != buckets.size()) return false;
        made.min_ = min;
        made.max_ = max;
        made.sum_ = sum;
    }
    made.buckets_ = std::move(buckets);
    *this = std::move(made);
    return true;
}

}  // namespace bench
