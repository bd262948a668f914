#include "tests/random_programs/prediction.hpp"

#include <algorithm>

#include "runtime/base/encoding.hpp"

namespace random_programs {
namespace {

std::string repeated(const command& c) {
    std::string out;
    for (std::uint64_t i = 0; i < c.number; ++i) out += c.word;
    return out + '\n';
}

void write_outputs(const program& what, prediction& out) {
    std::size_t read = 0;
    std::string late;
    bool exits = true;
    auto& to = out.standard_output;
    for (const auto& c : what.commands) {
        switch (c.kind) {
            case kind::print:
            case kind::fork_print:
            case kind::write_and_read: to += repeated(c); break;
            case kind::complain: out.standard_error += repeated(c); break;
            case kind::print_binary:
                for (std::uint64_t i = 0; i < c.number; ++i) to += std::string("\xff\x00\xfe", 3);
                break;
            case kind::print_big: to.append(c.number, 'x'); break;
            case kind::split_character: to += "\xe2\x82\xac"; break;
            case kind::torn_character: to += "\xe2\x82"; break;
            case kind::read_input: {
                const auto piece = what.input.substr(std::min(read, what.input.size()), c.number);
                read += piece.size();
                to += piece;
                break;
            }
            case kind::echo_argument: to += what.args[c.number] + '\n'; break;
            case kind::at_exit: late = repeated(c); break;
            case kind::overflow: to.append(c.number, 'o'); [[fallthrough]];
            case kind::raise:
            case kind::hang:
            case kind::burn_on:
            case kind::eat_memory: exits = false; break;
            default: break;
        }
    }
    if (exits) to += late;
}

void name_end(const program& what, prediction& out) {
    const command last = what.commands.empty() ? command{} : what.commands.back();
    const auto end = [&out](std::string_view status, std::string_view error_type) {
        out.status = status;
        out.error_type = error_type;
    };
    switch (last.kind) {
        case kind::raise: out.signal = static_cast<int>(last.number); return end("failed", "signal");
        case kind::hang: return what.is_cancelled() ? end("cancelled", "cancelled") : end("timeout", "timeout_wall");
        case kind::burn_on: return end("timeout", "timeout_cpu");
        case kind::eat_memory: return end("failed", "out_of_memory");
        case kind::overflow: return end("failed", "output_limit");
        case kind::fork_on: out.exit_code = 9; return end("failed", "process_limit");
        case kind::fill_disk: out.exit_code = 5; return end("failed", "disk_limit");
        default: break;
    }
    out.exit_code = last.kind == kind::exit_with ? static_cast<int>(last.number) : 0;
    if (*out.exit_code == 0) return end("completed", "");
    end("failed", "exit_code");
}

// A stream keeps its first bytes; if it was text so far the cut steps back to a whole character.
bool cut(std::string& stream, std::uint64_t bytes_max) {
    if (bytes_max == 0 || stream.size() <= bytes_max) return false;
    stream.resize(bytes_max);
    const std::string whole = stream.substr(0, stream.size() - runtime::utf8_incomplete_tail(stream));
    if (runtime::is_utf8(whole)) stream = whole;
    return true;
}

prediction own_end(const program& what) {
    prediction out;
    write_outputs(what, out);
    name_end(what, out);
    if (out.error_type != "output_limit") out.output_bytes = out.standard_output.size() + out.standard_error.size();
    out.stdout_truncated = cut(out.standard_output, what.limits.output_bytes);
    out.stderr_truncated = cut(out.standard_error, what.limits.output_bytes);
    return out;
}

prediction lost_attempt(const prediction& own) {
    prediction out;
    out.status = "failed";
    out.error_type = "infrastructure";
    out.last_was_lost = true;
    out.standard_output = own.standard_output;
    out.standard_error = own.standard_error;
    return out;
}

}  // namespace

prediction predict_attempt(const program& what, bool is_lost) {
    const prediction own = own_end(what);
    return is_lost ? lost_attempt(own) : own;
}

prediction predict(const program& what, const std::set<std::uint32_t>& lost) {
    const prediction own = own_end(what);
    const retry fallback{3, {"infrastructure"}, 0};
    const retry& policy = what.retry ? *what.retry : fallback;
    for (std::uint32_t attempt = 1;; ++attempt) {
        prediction out = lost.contains(attempt) ? lost_attempt(own) : own;
        out.attempts = attempt;
        const bool named = std::find(policy.on.begin(), policy.on.end(), out.error_type) != policy.on.end();
        if (!named || attempt >= policy.attempts_max) return out;
    }
}

std::size_t visible(const std::string& stream, bool truncated) {
    return stream.size() - (truncated ? 0 : runtime::utf8_incomplete_tail(stream));
}

}  // namespace random_programs
