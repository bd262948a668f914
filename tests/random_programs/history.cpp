#include "tests/random_programs/history.hpp"

#include <algorithm>

namespace random_programs {

using pipeline::event_type;

namespace {

struct span {
    std::optional<runtime::utc_time> scheduled;
    std::optional<runtime::utc_time> ended;
    std::optional<runtime::utc_time> cancelled;  // asked for
    const pipeline::event* end = nullptr;
};

std::map<std::uint32_t, span> spans_of(const player& mine) {
    std::map<std::uint32_t, span> out;
    for (const auto& [number, one] : mine.events) {
        auto& at = out[one->attempt];
        if (one->type == event_type::execution_scheduled) at.scheduled = one->time;
        if (one->type == event_type::execution_cancellation_requested) at.cancelled = one->time;
        if (one->type != event_type::execution_attempt_ended && !pipeline::is_terminal(one->type)) continue;
        at.ended = one->time;
        at.end = one.get();
    }
    return out;
}

class comparison {
  public:
    template <class Seen, class Wanted>
    void equal(const std::string& what, const Seen& seen, const Wanted& wanted) {
        if (seen == wanted) return;
        out_.push_back(what + ": wanted " + text(wanted) + ", got " + text(seen));
    }
    // A beginning is enough where the attempt was lost.
    void stream(const std::string& what, const std::string& seen, const std::string& wanted, bool only_begun) {
        if (seen == wanted || (only_begun && wanted.starts_with(seen))) return;
        out_.push_back(what + ": " + std::to_string(seen.size()) + " bytes that are not the " +
                       std::to_string(wanted.size()) + " wanted");
    }
    [[nodiscard]] std::vector<std::string> take() { return std::move(out_); }

  private:
    static std::string text(std::string_view value) { return '\'' + std::string(value) + '\''; }
    static std::string text(std::optional<int> value) { return value ? std::to_string(*value) : "null"; }
    template <std::integral Number>
    static std::string text(Number value) {
        return std::to_string(value);
    }

    std::vector<std::string> out_;
};

std::string output_of(const player& mine, pipeline::stream which) {
    std::string out;
    for (const auto& [number, one] : mine.events) {
        if (one->type == event_type::execution_attempt_ended) out.clear();
        if (one->type == event_type::execution_output && one->stream == which) out += one->bytes;
    }
    return out;
}

void compare_verdict(comparison& check, const pipeline::verdict_view& seen, const prediction& wanted,
                     const std::string& where) {
    check.equal("status" + where, pipeline::to_string(seen.status), wanted.status);
    check.equal("error_type" + where, pipeline::to_string(seen.error_type), wanted.error_type);
    check.equal("exit_code" + where, std::optional<int>(seen.exit_code), wanted.exit_code);
    check.equal("signal" + where, std::optional<int>(seen.signal), wanted.signal);
    if (wanted.last_was_lost) return;
    check.equal("stdout_truncated" + where, seen.stdout_truncated, wanted.stdout_truncated);
    check.equal("stderr_truncated" + where, seen.stderr_truncated, wanted.stderr_truncated);
    // Null where it was cancelled before it began.
    if (wanted.output_bytes && seen.resource_usage)
        check.equal("output_bytes" + where, seen.resource_usage->output_bytes, *wanted.output_bytes);
}

}  // namespace

std::set<std::uint32_t> lost_attempts(const player& mine, const std::vector<runtime::utc_time>& kills,
                                      const boxes& boxes) {
    std::set<std::uint32_t> out;
    for (const auto& [attempt, at] : spans_of(mine)) {
        if (boxes.broken.contains({mine.id, attempt})) out.insert(attempt);
        if (!at.scheduled || !at.ended) continue;
        const auto kill = std::find_if(kills.begin(), kills.end(),
                                       [&](auto when) { return *at.scheduled <= when && when < *at.ended; });
        if (kill == kills.end()) continue;
        // It had to go anyway: that is the cancellation's end. One that was asked for while the next life took up its
        // executions came in time or too late.
        const bool in_time = at.cancelled && *at.cancelled <= *kill;
        if (!in_time && !(at.cancelled && at.end->type == event_type::execution_cancelled)) out.insert(attempt);
    }
    return out;
}

std::vector<std::string> compare(const player& mine, const std::set<std::uint32_t>& lost) {
    comparison check;
    const auto wanted = predict(mine.what, lost);
    const auto& result = *mine.result;
    compare_verdict(check, result.verdict, wanted, "");
    check.equal("attempts", mine.attempt, wanted.attempts);
    if (mine.cancellation_acknowledged)
        check.equal("status after its cancellation", pipeline::to_string(result.verdict.status), "cancelled");
    check.stream("stdout", result.standard_output, wanted.standard_output, wanted.last_was_lost);
    check.stream("stderr", result.standard_error, wanted.standard_error, wanted.last_was_lost);
    check.stream("stdout in events", output_of(mine, pipeline::stream::standard_output), result.standard_output, false);
    check.stream("stderr in events", output_of(mine, pipeline::stream::standard_error), result.standard_error, false);
    const auto spans = spans_of(mine);
    check.equal("attempts in events", spans.size(), wanted.attempts);
    for (const auto& [attempt, at] : spans) {
        if (at.end == nullptr || !at.end->verdict) {
            check.equal("ends of attempt " + std::to_string(attempt), 0, 1);
            continue;
        }
        const auto one = predict_attempt(mine.what, lost.contains(attempt));
        compare_verdict(check, *at.end->verdict, one, " of attempt " + std::to_string(attempt));
    }
    return check.take();
}

}  // namespace random_programs
