#include "http/api/events.hpp"

#include "http/api/executions.hpp"
#include "http/front_door/grammar.hpp"
#include "http/query.hpp"

namespace http::api {
namespace {

std::optional<std::uint32_t> event_number(std::string_view digits) {
    if (digits.empty() || digits.size() > 10 || !front_door::all(digits, front_door::is_digit_class))
        return std::nullopt;
    std::uint64_t value = 0;
    for (const char c : digits) value = value * 10 + static_cast<unsigned>(c - '0');
    return value <= UINT32_MAX ? std::optional(static_cast<std::uint32_t>(value)) : std::nullopt;
}

}  // namespace

std::optional<std::uint32_t> resume_after(const request& asked) {
    if (const auto last = asked.head.field("last-event-id")) return event_number(*last);
    const auto parameters = query::parse(asked.head.query());
    if (!parameters) return std::nullopt;
    const auto* const after = parameters->find("after");
    return after == nullptr ? 0 : event_number(*after);
}

runtime::task<response> stream_events(environment& here, const request& asked) {
    const auto id = pipeline::execution_id::parse(asked.parameters[0]);
    if (!id) co_return no_such_execution(asked);
    const auto after = resume_after(asked);
    if (!after) {
        const problem wrong("bad_event_number", "Last-Event-ID or after is not a number");
        co_return problem_response(wrong, asked.request_id);
    }
    if (here.draining) {
        const problem draining("draining", {});
        co_return problem_response(draining, asked.request_id);
    }
    response out;
    out.content_type = event_stream_type;
    out.stream.emplace();
    out.stream->id = *id;
    out.stream->after = *after;
    co_return out;
}

}  // namespace http::api
