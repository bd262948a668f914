// The contract's names of statuses, priorities, ends, streams and events.
#include <array>

#include "pipeline/engine.hpp"
#include "runtime/base/assert.hpp"

namespace pipeline {
namespace {

constexpr std::array<std::string_view, 7> status_names = {"queued", "scheduled", "running",  "completed",
                                                          "failed", "timeout",   "cancelled"};
constexpr std::array<std::string_view, 5> priority_names = {"critical", "high", "normal", "low", "background"};
constexpr std::array<std::string_view, 14> error_names = {
    "",           "exit_code",     "signal",        "out_of_memory",  "output_limit", "process_limit",
    "disk_limit", "compile_error", "compile_limit", "infrastructure", "timeout_wall", "timeout_cpu",
    "stale",      "cancelled"};
constexpr std::array<std::string_view, 2> stream_names = {"stdout", "stderr"};
constexpr std::array<std::string_view, 12> event_names = {
    "execution_requested", "execution_accepted", "execution_queued",        "execution_scheduled",
    "execution_started",   "execution_output",   "execution_attempt_ended", "execution_cancellation_requested",
    "execution_completed", "execution_failed",   "execution_timeout",       "execution_cancelled"};

template <class E, std::size_t N>
std::string_view name_of(const std::array<std::string_view, N>& names, E value) {
    const auto i = static_cast<std::size_t>(value);
    WEIR_ASSERT(i < N);
    return names[i];
}

template <class E, std::size_t N>
std::optional<E> value_of(const std::array<std::string_view, N>& names, std::string_view name) {
    for (std::size_t i = 0; i < N; ++i)
        if (!name.empty() && names[i] == name) return static_cast<E>(i);
    return std::nullopt;
}

}  // namespace

std::string_view to_string(status value) { return name_of(status_names, value); }
std::string_view to_string(priority value) { return name_of(priority_names, value); }
std::string_view to_string(error_type value) { return name_of(error_names, value); }
std::string_view to_string(stream value) { return name_of(stream_names, value); }
std::string_view to_string(event_type value) { return name_of(event_names, value); }
std::optional<status> parse_status(std::string_view name) { return value_of<status>(status_names, name); }
std::optional<priority> parse_priority(std::string_view name) { return value_of<priority>(priority_names, name); }
std::optional<error_type> parse_error_type(std::string_view name) { return value_of<error_type>(error_names, name); }

std::string_view to_string(artifact_fault value) {
    switch (value) {
        case artifact_fault::none: return "";
        case artifact_fault::not_found: return "not_found";
        case artifact_fault::not_regular: return "not_regular";
        case artifact_fault::too_large: return "too_large";
        case artifact_fault::too_large_together: return "too_large_together";
        case artifact_fault::unreadable: return "unreadable";
    }
    return "";
}

std::string_view to_string(isolation_limits value) {
    switch (value) {
        case isolation_limits::cgroup2: return "cgroup2";
        case isolation_limits::cgroup1: return "cgroup1";
        case isolation_limits::rlimit: return "rlimit";
    }
    return "";
}

std::string_view to_string(isolation_start value) {
    switch (value) {
        case isolation_start::cold: return "cold";
        case isolation_start::zygote: return "zygote";
        case isolation_start::parked: return "parked";
    }
    return "";
}

}  // namespace pipeline
