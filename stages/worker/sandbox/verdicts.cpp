#include "stages/worker/sandbox/verdicts.hpp"

namespace stages::worker::sandbox {
namespace {

cause cause_of(kill_reason why) {
    switch (why) {
        case kill_reason::cancelled: return cause::cancelled;
        case kill_reason::wall: return cause::timeout_wall;
        case kill_reason::cpu: return cause::timeout_cpu;
        case kill_reason::memory: return cause::out_of_memory;
        case kill_reason::output: return cause::output_limit;
        case kill_reason::none: break;
    }
    return cause::infrastructure;
}

std::string message_of(cause why, const program_limits& limits) {
    switch (why) {
        case cause::timeout_wall: return "ran longer than wall_ms: " + std::to_string(limits.wall_ms);
        case cause::timeout_cpu: return "used more CPU time than cpu_ms: " + std::to_string(limits.cpu_ms);
        case cause::out_of_memory:
            return "needed more memory than memory_bytes: " + std::to_string(limits.memory_bytes);
        case cause::output_limit:
            return "wrote more to a stream than output_bytes: " + std::to_string(limits.output_bytes);
        case cause::process_limit: return "was refused a process beyond processes: " + std::to_string(limits.processes);
        case cause::disk_limit: return "filled its disk of disk_bytes: " + std::to_string(limits.disk_bytes);
        default: return {};
    }
}

}  // namespace

verdict verdict_of(const ended_packet& end, const program_limits& limits) {
    verdict out;
    out.usage.wall_us = end.wall_us;
    out.usage.cpu_us = end.cpu_us;
    out.usage.peak_memory_bytes = end.peak_memory_bytes;
    if (end.peak_processes) out.usage.peak_processes = static_cast<std::uint32_t>(*end.peak_processes);
    out.message = end.message;
    if (end.how == box_end::failed) return out;
    if (end.how == box_end::killed) {
        out.ended_by = cause_of(end.killed_for);
    } else {
        out.ended_by = cause::exited;
        if (end.how == box_end::exited) out.exit_code = end.code;
        if (end.how == box_end::signaled) out.signal = end.code;
        const bool went_wrong = end.how == box_end::signaled || end.code != 0;
        if (went_wrong && end.process_limit_hit)
            out.ended_by = cause::process_limit;
        else if (went_wrong && end.disk_limit_hit)
            out.ended_by = cause::disk_limit;
    }
    if (out.message.empty()) out.message = message_of(out.ended_by, limits);
    return out;
}

}  // namespace stages::worker::sandbox
