#include "stages/saga/verdicts.hpp"

#include <algorithm>
#include <cstring>

namespace stages::saga {

using pipeline::error_type;
using pipeline::status;
using pipeline::verdict_view;
using worker::cause;

namespace {

// The worker's words are the contract's, number by number.
static_assert(static_cast<int>(worker::output_fault::unreadable) ==
              static_cast<int>(pipeline::artifact_fault::unreadable));
static_assert(static_cast<int>(worker::limits_by::rlimit) == static_cast<int>(pipeline::isolation_limits::rlimit));
static_assert(static_cast<int>(worker::box_start::parked) == static_cast<int>(pipeline::isolation_start::parked));

void name_end(verdict_view& out, const worker::verdict& seen) {
    const auto end = [&out](status s, error_type e) {
        out.status = s;
        out.error_type = e;
    };
    switch (seen.ended_by) {
        case cause::exited:
            if (seen.signal) return end(status::failed, error_type::signal);
            if (seen.exit_code.value_or(0) != 0) return end(status::failed, error_type::exit_code);
            return end(status::completed, error_type::none);
        case cause::cancelled: return end(status::cancelled, error_type::cancelled);
        case cause::timeout_wall: return end(status::timeout, error_type::timeout_wall);
        case cause::timeout_cpu: return end(status::timeout, error_type::timeout_cpu);
        case cause::out_of_memory: return end(status::failed, error_type::out_of_memory);
        case cause::output_limit: return end(status::failed, error_type::output_limit);
        case cause::process_limit: return end(status::failed, error_type::process_limit);
        case cause::disk_limit: return end(status::failed, error_type::disk_limit);
        case cause::compile_error: return end(status::failed, error_type::compile_error);
        case cause::compile_limit: return end(status::failed, error_type::compile_limit);
        case cause::infrastructure: return end(status::failed, error_type::infrastructure);
    }
}

// For people, where the worker had nothing to add.
std::string explain(const verdict_view& out) {
    switch (out.error_type) {
        case error_type::exit_code: return "the program exited with code " + std::to_string(out.exit_code.value_or(0));
        case error_type::signal: {
            const char* name = sigabbrev_np(out.signal.value_or(0));
            return "the program was ended by signal " +
                   (name != nullptr ? "SIG" + std::string(name) : std::to_string(out.signal.value_or(0)));
        }
        case error_type::out_of_memory: return "the program reached its memory limit";
        case error_type::output_limit: return "the program reached its output limit";
        case error_type::process_limit: return "the program reached its process limit";
        case error_type::disk_limit: return "the program reached its disk limit";
        case error_type::timeout_wall: return "the program reached its wall time limit";
        case error_type::timeout_cpu: return "the program reached its CPU time limit";
        case error_type::cancelled: return "cancelled";
        case error_type::infrastructure: return "the program could not be run, or its end is unknown";
        default: return {};
    }
}

verdict_view without_program(status s, error_type e, std::string message) {
    verdict_view out;
    out.status = s;
    out.error_type = e;
    out.error_message = std::move(message);
    return out;
}

}  // namespace

verdict_view to_view(const worker::verdict& seen) {
    verdict_view out;
    name_end(out, seen);
    out.exit_code = seen.exit_code;
    out.signal = seen.signal;
    out.error_message = seen.message.empty() ? explain(out) : seen.message;
    out.stdout_truncated = seen.stdout_truncated;
    out.stderr_truncated = seen.stderr_truncated;
    pipeline::usage used;
    used.wall_us = seen.usage.wall_us;
    used.cpu_us = seen.usage.cpu_us;
    used.peak_memory_bytes = seen.usage.peak_memory_bytes;
    used.peak_processes = seen.usage.peak_processes;
    used.output_bytes = seen.usage.output_bytes;
    out.resource_usage = used;
    if (seen.isolation)
        out.isolation = {static_cast<pipeline::isolation_limits>(seen.isolation->limits),
                         static_cast<pipeline::isolation_start>(seen.isolation->start)};
    out.network = seen.network;
    for (const auto& output : seen.outputs)
        out.artifacts.push_back(
            {output.path, output.bytes.size(), static_cast<pipeline::artifact_fault>(output.fault)});
    return out;
}

verdict_view lost_with_the_server(bool cancellation_requested) {
    if (cancellation_requested)
        return without_program(status::cancelled, error_type::cancelled, "cancelled; the server stopped meanwhile");
    return without_program(status::failed, error_type::infrastructure,
                           "the server stopped while this attempt was running");
}

verdict_view cancelled_before_start() {
    return without_program(status::cancelled, error_type::cancelled, "cancelled before it was started");
}

verdict_view could_not_start(std::string why) {
    return without_program(status::failed, error_type::infrastructure, std::move(why));
}

bool another_attempt_follows(const pipeline::execution& e, const verdict_view& outcome) {
    if (e.cancellation_requested || e.attempt >= e.spec.retry.attempts_max) return false;
    const auto& on = e.spec.retry.on;
    return std::find(on.begin(), on.end(), outcome.error_type) != on.end();
}

runtime::microseconds backoff_before_next(const pipeline::execution& e) {
    constexpr std::uint64_t longest_ms = 3'600'000;
    const std::uint64_t doubled = e.spec.retry.backoff_ms << std::min<std::uint32_t>(e.attempt - 1, 10);
    return runtime::milliseconds(std::min(doubled, longest_ms));
}

}  // namespace stages::saga
