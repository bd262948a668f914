// A log-linear histogram of whole numbers (microseconds everywhere in the harness), after the idea of HdrHistogram:
// values below 2,048 are kept exactly, larger ones to within a thousandth, up to 50 days. Merging loses nothing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace bench {

// Shard: its owner only. Memory grows with the largest value seen, to 260 KiB at most.
class histogram {
  public:
    static constexpr std::uint64_t exact_below = 2048;
    static constexpr std::uint64_t value_max = (std::uint64_t{1} << 42) - 1;

    // Larger values count as value_max.
    void record(std::uint64_t value, std::uint64_t times = 1);
    void merge(const histogram& other);
    void clear();

    [[nodiscard]] std::uint64_t count() const { return count_; }
    [[nodiscard]] bool empty() const { return count_ == 0; }
    [[nodiscard]] std::uint64_t min() const { return count_ == 0 ? 0 : min_; }
    [[nodiscard]] std::uint64_t max() const { return max_; }
    [[nodiscard]] std::uint64_t sum() const { return sum_; }
    [[nodiscard]] double mean() const;
    // The smallest value that at least this share (0 to 1) of all values does not exceed, rounded up to the end of its
    // bucket; 0 when empty. Never above max().
    [[nodiscard]] std::uint64_t quantile(double share) const;

    // Buckets are numbered without holes; each covers lower_of() to upper_of(), both included.
    static std::size_t bucket_of(std::uint64_t value);
    static std::uint64_t lower_of(std::size_t bucket);
    static std::uint64_t upper_of(std::size_t bucket);
    static constexpr std::size_t buckets_max = 2048 + 31 * 1024;
    [[nodiscard]] const std::vector<std::uint64_t>& buckets() const { return buckets_; }

    // What buckets() and the rest said, put back. False when they contradict each other.
    bool restore(std::vector<std::uint64_t> buckets, std::uint64_t min, std::uint64_t max, std::uint64_t sum);

    friend bool operator==(const histogram&, const histogram&) = default;

  private:
    std::vector<std::uint64_t> buckets_;  // never ends in a zero
    std::uint64_t count_ = 0;
    std::uint64_t sum_ = 0;
    std::uint64_t min_ = UINT64_MAX;
    std::uint64_t max_ = 0;
};

}  // namespace bench
