// What one shard, process or whole run has measured. Merging loses nothing, so that several become one.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "bench/histogram.hpp"
#include "bench/json.hpp"
#include "bench/oracle.hpp"

namespace bench {

// docs/bench.md says between which two moments each stands. A "corrected" one begins when the call was due instead of
// when it was sent: what a client would have felt whose call the harness, or the server through it, held up.
enum class clock_name : std::uint8_t {
    accepted,
    accepted_corrected,
    queued,
    ran,
    seen,
    whole,
    whole_corrected,
    result,
    lateness,
    connection_wait
};
constexpr std::array<std::string_view, 10> clock_names = {
    "accepted", "accepted_corrected", "queued", "ran",      "seen",
    "whole",    "whole_corrected",    "result", "lateness", "connection_wait"};

// Bounds of (server's clock − client's clock): a request is stamped between its sending and its answer.
struct clock_difference {
    std::int64_t low_us = INT64_MIN;
    std::int64_t high_us = INT64_MAX;

    void observe(std::int64_t sent_us, std::int64_t stamped_us, std::int64_t answered_us);
    void merge(const clock_difference& other);
    [[nodiscard]] bool known() const { return low_us != INT64_MIN && high_us != INT64_MAX && low_us <= high_us; }
    // 0 where the clocks may well be the same; else the middle of the bounds.
    [[nodiscard]] std::int64_t best_us() const;
};

struct counters {
    std::uint64_t planned = 0;     // arrivals that were due, or turns of users
    std::uint64_t sent = 0;        // posts written, without repetitions
    std::uint64_t accepted = 0;    // distinct executions
    std::uint64_t ended = 0;       // whose end was seen
    std::uint64_t errors = 0;      // calls that did not get what they should
    std::uint64_t dropped = 0;     // arrivals that were not sent: load.open_max
    std::uint64_t repeated = 0;    // posts sent again on purpose, with the same key
    std::uint64_t reconnects = 0;  // streams broken off on purpose and resumed
    std::uint64_t resumed = 0;     // streams that broke and were resumed
    std::uint64_t events = 0;
    std::uint64_t checked = 0;  // executions whose every event the oracle has read
    std::uint64_t audited = 0;  // of them, those read behind the load

    void merge(const counters& other);
};

struct recorder {
    std::array<histogram, clock_names.size()> clocks;
    counters counts;
    std::map<std::string, std::uint64_t> errors;   // by kind, at most error_kinds_max
    std::map<std::string, std::uint64_t> retries;  // what broke and was tried again, likewise
    std::map<std::string, std::uint64_t> ends;     // by status
    std::map<std::string, std::uint64_t> actions;  // of the monkey
    findings wrong;
    clock_difference difference;

    static constexpr std::size_t error_kinds_max = 100;

    histogram& of(clock_name which) { return clocks[static_cast<std::size_t>(which)]; }
    [[nodiscard]] const histogram& of(clock_name which) const { return clocks[static_cast<std::size_t>(which)]; }
    // Negative durations (clocks that disagree) count as 0.
    void record(clock_name which, std::int64_t microseconds);
    // A call that did not get what it should, for good.
    void error(const std::string& kind);
    // One that is made again, as clients do.
    void retry(const std::string& kind, std::uint64_t times = 1);
    void merge(const recorder& other);
};

json::value to_json(const histogram& from);
std::optional<histogram> histogram_from_json(const json::value& from);
json::object to_json(const counters& from);
counters counters_from_json(const json::value& from);

}  // namespace bench
