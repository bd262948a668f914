#include "bench/oracle.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <ctime>

#include "runtime/base/encoding.hpp"

namespace bench {
namespace {

constexpr std::array<std::string_view, 5> first_steps = {
    "execution_requested", "execution_accepted", "execution_queued", "execution_scheduled", "execution_started"};
constexpr std::size_t queued_step = 2;
constexpr std::array<std::string_view, 4> end_types = {"execution_completed", "execution_failed", "execution_timeout",
                                                       "execution_cancelled"};

bool is_end(std::string_view type) { return std::ranges::find(end_types, type) != end_types.end(); }

// The bytes of an output event.
std::optional<std::string> bytes_of(const json::value& body) {
    if (const auto* text = json::find(body, "text"); text != nullptr && text->is_string())
        return std::string(text->get_string());
    return runtime::base64_decode(json::text_of(body, "base64", "?"));
}

// FNV-1a over 64 bits: it finds changed bytes, and defends against nobody.
std::uint64_t digest_of(std::string_view bytes, std::uint64_t before) {
    for (const char one : bytes) before = (before ^ static_cast<unsigned char>(one)) * 0x100000001b3ULL;
    return before;
}

std::string shortened(std::string_view text) {
    constexpr std::size_t shown = 60;
    std::string out = json::quoted(text.substr(0, shown));
    return text.size() > shown ? out + "… (" + std::to_string(text.size()) + " bytes)" : out;
}

}  // namespace

std::int64_t parse_time_us(std::string_view text) {
    std::tm parts{};
    int consumed = 0;
    const std::string copy(text.substr(0, 40));
    if (std::sscanf(copy.c_str(), "%4d-%2d-%2dT%2d:%2d:%2d%n", &parts.tm_year, &parts.tm_mon, &parts.tm_mday,
                    &parts.tm_hour, &parts.tm_min, &parts.tm_sec, &consumed) != 6)
        return 0;
    parts.tm_year -= 1900;
    parts.tm_mon -= 1;
    std::int64_t micros = 0;
    auto rest = std::string_view(copy).substr(static_cast<std::size_t>(consumed));
    if (rest.starts_with('.')) {
        std::int64_t place = 100'000;
        for (rest.remove_prefix(1); !rest.empty() && rest.front() >= '0' && rest.front() <= '9';
             rest.remove_prefix(1)) {
            micros += place * (rest.front() - '0');
            place /= 10;
        }
    }
    if (rest != "Z") return 0;
    return static_cast<std::int64_t>(timegm(&parts)) * 1'000'000 + micros;
}

void findings::add(finding what) {
    ++counts_[what.kind];
    ++total_;
    if (examples_.size() < examples_max) examples_.push_back(what.kind + ": " + what.text);
}

void findings::merge(const findings& other) {
    for (const auto& [kind, count] : other.counts_) counts_[kind] += count;
    total_ += other.total_;
    for (const auto& one : other.examples_)
        if (examples_.size() < examples_max) examples_.push_back(one);
}

void findings::restore(std::map<std::string, std::uint64_t> counts, std::vector<std::string> examples) {
    counts_ = std::move(counts);
    examples_ = std::move(examples);
    total_ = 0;
    for (const auto& [kind, count] : counts_) total_ += count;
}

void event_checker::report(std::string kind, std::string what) {
    findings_.add(finding(std::move(kind), "execution " + id_ + ": " + std::move(what)));
}

void event_checker::check_number(std::uint64_t number) {
    if (number == last_ + 1 || was_reset_) {
        last_ = number;
        return;
    }
    if (number <= last_) {
        report("event_twice", "event " + std::to_string(number) + " came again behind " + std::to_string(last_));
        return;
    }
    report("event_gap", "event " + std::to_string(number) + " came behind " + std::to_string(last_));
    last_ = number;
}

void event_checker::take(const http::client::server_event& event) {
    if (event.type == "drain") return;
    if (event.type == "reset") {
        was_reset_ = true;
        return;
    }
    const auto parsed = json::parse(event.data);
    const std::uint64_t number = parsed ? json::count_of(*parsed, "seq") : 0;
    if (number == 0) return report("event_malformed", "an event without a number: " + shortened(event.data));
    if (event.id != std::to_string(number))
        report("event_malformed",
               "the event with id " + shortened(event.id) + " calls itself " + std::to_string(number));
    if (json::text_of(*parsed, "execution_id") != id_)
        report("event_foreign", "event " + std::to_string(number) + " names execution " +
                                    shortened(json::text_of(*parsed, "execution_id")));
    // Said once already as event_twice; what it tells is known.
    const bool again = number <= last_ && !was_reset_;
    check_number(number);
    if (again) return;
    if (ended_) {
        report(is_end(event.type) ? "ended_twice" : "event_behind_end",
               "event " + std::to_string(number) + " (" + event.type + ") came behind the end");
        return;
    }
    digest_ = digest_of(event.data, digest_);
    if (number == marked_) marked_digest_ = digest_;
    check_order(event.type, *parsed);
    if (event.type == "execution_output") take_output(*parsed);
    if (is_end(event.type)) take_end(event.type, *parsed);
}

void event_checker::check_order(std::string_view type, const json::value& body) {
    const std::int64_t at = parse_time_us(json::text_of(body, "timestamp"));
    const bool ordered = std::ranges::find(first_steps, type) != first_steps.end();
    if (ordered && !was_reset_) {
        if (step_ >= first_steps.size() || first_steps[step_] != type) {
            report("event_order", std::string(type) + " where " +
                                      std::string(step_ < first_steps.size() ? first_steps[step_] : "an output") +
                                      " was due");
            step_ = static_cast<std::size_t>(std::ranges::find(first_steps, type) - first_steps.begin());
        }
        ++step_;
    }
    if (type == "execution_requested") times_.requested = at;
    if (type == "execution_queued" && times_.queued == 0) times_.queued = at;
    if (type == "execution_started") {
        times_.last_started = at;
        if (times_.started == 0) times_.started = at;
    }
    if (json::count_of(body, "attempt", attempt_) < attempt_)
        report("event_order", "the attempt number fell back from " + std::to_string(attempt_));
    attempt_ = json::count_of(body, "attempt", attempt_);
    if (type == "execution_attempt_ended") {
        // Another attempt begins with its queue, and its output at 0.
        step_ = queued_step;
        output_ = std::string();
        output_next_ = error_next_ = 0;
        attempt_ += 1;
    }
}

void event_checker::take_output(const json::value& body) {
    const bool is_output = json::text_of(body, "stream") == "stdout";
    auto& next = is_output ? output_next_ : error_next_;
    const auto bytes = bytes_of(body);
    if (!bytes) return report("event_malformed", "an output event without its bytes");
    const std::uint64_t offset = json::count_of(body, "offset");
    if (offset != next && !was_reset_)
        report("output_hole", (is_output ? "stdout" : "stderr") + std::string(" goes on at byte ") +
                                  std::to_string(offset) + " instead of " + std::to_string(next));
    next = offset + bytes->size();
    if (!is_output || !output_) return;
    if (output_->size() + bytes->size() > output_bytes_max) {
        output_.reset();
    } else {
        *output_ += *bytes;
    }
}

void event_checker::take_end(std::string_view type, const json::value& body) {
    ended_ = true;
    status_ = json::text_of(body, "status");
    times_.ended = parse_time_us(json::text_of(body, "timestamp"));
    if ("execution_" + status_ != type)
        report("event_malformed", std::string(type) + " carries the status " + shortened(status_));
    if (json::flag_of(body, "stdout_truncated")) output_.reset();
}

std::optional<result_answer> parse_result(std::string_view body) {
    const auto parsed = json::parse(body);
    if (!parsed || json::find(*parsed, "exit_code") == nullptr) return std::nullopt;
    result_answer out;
    out.id = json::text_of(*parsed, "execution_id");
    out.status = json::text_of(*parsed, "status");
    if (!json::flag_of(*parsed, "stdout_truncated") && json::text_of(*parsed, "stdout_encoding", "utf-8") == "utf-8")
        out.standard_output = json::text_of(*parsed, "stdout");
    return out;
}

void check_result(const result_answer& got, std::string_view id, std::uint64_t number, const workload& expected,
                  const event_checker* events, findings& into) {
    const std::string who = "execution " + std::string(id) + " (number " + std::to_string(number) + ")";
    if (got.id != id) into.add(finding("result_foreign", who + ": its result names " + shortened(got.id)));
    if (got.status != expected.expected_status())
        into.add(finding("result_wrong", who + ": ended as " + shortened(got.status) + ", expected " +
                                             shortened(expected.expected_status())));
    const auto output = expected.output_of(number);
    if (output && got.status == "completed" && got.standard_output != output)
        into.add(finding("result_wrong", who + ": printed " + shortened(got.standard_output.value_or("(no text)")) +
                                             ", expected " + shortened(*output)));
    if (events == nullptr || events->was_reset()) return;
    if (events->status() != got.status)
        into.add(finding("result_differs", who + ": its event says " + shortened(events->status()) + ", its result " +
                                               shortened(got.status)));
    if (events->standard_output() && got.standard_output && *events->standard_output() != *got.standard_output)
        into.add(finding("result_differs", who + ": its events carry " + shortened(*events->standard_output()) +
                                               ", its result " + shortened(*got.standard_output)));
}

bool known_ids::add(const runtime::execution_id& id) {
    if (old_.contains(id) || !young_.insert(id).second) return false;
    if (young_.size() >= generation_max) {
        old_ = std::move(young_);
        young_.clear();
    }
    return true;
}

}  // namespace bench
