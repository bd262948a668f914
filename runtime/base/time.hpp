// Points in time and the seam for clocks. Wall time is microseconds since the Unix epoch in UTC; it may jump.
// Steady time is nanoseconds since an arbitrary start; it never goes back. Durations in the API carry their unit.
#pragma once

#include <chrono>
#include <compare>
#include <cstdint>
#include <string>

namespace runtime {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::nanoseconds;
using std::chrono::seconds;

// UTC, microseconds since 1970.
struct utc_time {
    std::int64_t microseconds_since_epoch = 0;
    friend auto operator<=>(const utc_time&, const utc_time&) = default;
};

// Steady time, nanoseconds; comparable only within one process life.
struct steady_time {
    std::int64_t nanoseconds_since_start = 0;

    friend auto operator<=>(const steady_time&, const steady_time&) = default;
    friend steady_time operator+(steady_time t, nanoseconds d) { return {t.nanoseconds_since_start + d.count()}; }
    friend nanoseconds operator-(steady_time a, steady_time b) {
        return nanoseconds{a.nanoseconds_since_start - b.nanoseconds_since_start};
    }
    static constexpr steady_time never() { return {INT64_MAX}; }
};

// The only source of time for everything above runtime/. The machine's clock or the simulated world's.
class clock {
  public:
    virtual ~clock() = default;
    [[nodiscard]] virtual utc_time utc() const = 0;
    [[nodiscard]] virtual steady_time steady() const = 0;
};

// The machine's clock; the one place that names the standard library's clocks.
const clock& system_clock();

// RFC 3339 in UTC with six fraction digits: 2026-11-21T03:04:05.000006Z
std::string to_rfc3339(utc_time time);

}  // namespace runtime
