#include "http/api/execute.hpp"

#include "http/api/render.hpp"
#include "http/front_door/grammar.hpp"
#include "runtime/base/sha256.hpp"

namespace http::api {
namespace {

using runtime::steady_time;
using runtime::task;

// While a client waits, we look this often whether it still does, and whether the server still runs.
constexpr runtime::nanoseconds look_interval = runtime::seconds(1);

std::optional<problem> wrong_headers(const request& asked) {
    const auto type = asked.head.field("content-type");
    if (!type || !is_json_type(*type) || asked.head.count("content-type") > 1)
        return problem("unsupported_media_type", "the body must be application/json");
    const auto coding = asked.head.field("content-encoding");
    if (coding && !front_door::same_ignoring_case(*coding, "identity"))
        return problem("unsupported_media_type", "the body must not have a content coding");
    return std::nullopt;
}

response accepted_response(const pipeline::accepted& accepted) {
    auto out = json_response(202, {});
    const auto id = accepted.id.to_string();
    json_writer json(out.body);
    json.begin_object().member("execution_id", id).member("status", pipeline::to_string(accepted.status)).end_object();
    out.add_field("Location", "/api/v1/executions/" + id);
    return out;
}

steady_time next_look(const environment& here, steady_time until) {
    return std::min(until, here.home.time().steady() + look_interval);
}

// The answer to Prefer: wait.
response finished_response(pipeline::result_view view) {
    const auto id = view.id.to_string();
    auto out = result_response(std::move(view));
    out.add_field("Preference-Applied", "wait");
    out.add_field("Location", "/api/v1/executions/" + id);
    return out;
}

// Nothing when the time was up, the client gone, the server on its way out or the result not to be had: then it is 202
// as without.
task<std::optional<response>> result_in_time(environment& here, const request& asked, pipeline::execution_id id,
                                             steady_time until) {
    while (here.home.time().steady() < until && !here.draining && !asked.link.gone()) {
        auto view = co_await here.engine.result_in_time(asked.who, id, next_look(here, until));
        if (view.has_error()) co_return std::nullopt;
        if (view.value()) co_return finished_response(std::move(*view.value()));
    }
    co_return std::nullopt;
}

}  // namespace

task<response> execute(environment& here, const request& asked) {
    if (here.draining) {
        const problem draining("draining", {});
        co_return problem_response(draining, asked.request_id);
    }
    if (const auto wrong = wrong_headers(asked)) co_return problem_response(*wrong, asked.request_id);

    std::optional<pipeline::idempotency> key;
    if (const auto value = asked.head.field("idempotency-key")) {
        auto text = idempotency_key_of(*value);
        if (!text || asked.head.count("idempotency-key") > 1) {
            const problem wrong("bad_header", "Idempotency-Key must be 1 to 255 visible ASCII characters, given once");
            co_return problem_response(wrong, asked.request_id);
        }
        key.emplace();
        key->key = std::move(*text);
        key->body_sha256 = runtime::sha256(asked.body);
    }
    pipeline::script_request what;
    if (const auto wrong = here.executes.read(asked.body, here.engine.limits(), what)) {
        if (!wrong->limit.empty()) here.limit_reached(wrong->limit);
        co_return problem_response(*wrong, asked.request_id);
    }
    if (const auto wrong = refused_network(here.engine.limits().network, asked.who, what))
        co_return problem_response(*wrong, asked.request_id);
    const auto trace = asked.head.field("traceparent");
    if (trace && is_traceparent(*trace)) what.traceparent = *trace;
    const auto wait_s = preferred_wait_s(asked.head);

    const bool waits = wait_s && *wait_s > 0;
    steady_time until = here.home.time().steady();
    if (waits) until = until + runtime::seconds(std::min(*wait_s, here.config.limits.wait_s_max));
    auto executing =
        waits ? here.engine.execute_and_wait(asked.who, std::move(what), std::move(key), next_look(here, until))
              : here.engine.execute(asked.who, std::move(what), std::move(key));
    auto accepted = co_await std::move(executing);
    if (accepted.has_error()) {
        const problem why(accepted.error());
        co_return problem_response(why, asked.request_id);
    }
    std::optional<response> out;
    if (accepted.value().result) {
        out = finished_response(std::move(*accepted.value().result));
    } else if (waits) {
        out = co_await result_in_time(here, asked, accepted.value().id, until);
    }
    if (!out) out = accepted_response(accepted.value());
    if (accepted.value().replayed) out->add_field("Idempotent-Replayed", "true");
    co_return std::move(*out);
}

std::optional<std::uint64_t> preferred_wait_s(const front_door::head_view& head) {
    std::optional<std::uint64_t> out;
    bool seen = false;
    head.each("prefer", [&](std::string_view list) {
        while (!list.empty()) {
            const auto comma = list.find(',');
            auto preference = front_door::trimmed(list.substr(0, comma));
            list.remove_prefix(comma == std::string_view::npos ? list.size() : comma + 1);
            preference = front_door::trimmed(preference.substr(0, preference.find(';')));
            const auto equals = preference.find('=');
            if (!front_door::same_ignoring_case(front_door::trimmed(preference.substr(0, equals)), "wait")) continue;
            // The first one counts (RFC 7240, section 2).
            if (std::exchange(seen, true) || equals == std::string_view::npos) continue;
            auto digits = front_door::trimmed(preference.substr(equals + 1));
            if (digits.size() >= 2 && digits.front() == '"' && digits.back() == '"')
                digits = digits.substr(1, digits.size() - 2);
            if (digits.empty() || !front_door::all(digits, front_door::is_digit_class)) continue;
            std::uint64_t value = 0;
            for (const char c : digits)
                value = std::min<std::uint64_t>(value * 10 + static_cast<unsigned>(c - '0'), 1'000'000);
            out = value;
        }
    });
    return out;
}

std::optional<std::string> idempotency_key_of(std::string_view value) {
    if (value.size() >= 2 && value.front() == '"' && value.back() == '"') value = value.substr(1, value.size() - 2);
    if (value.empty() || value.size() > 255) return std::nullopt;
    for (const char c : value)
        if (c <= 0x20 || c >= 0x7F) return std::nullopt;
    return std::string(value);
}

bool is_traceparent(std::string_view value) {
    if (value.size() != 55 || value.substr(0, 3) != "00-" || value[35] != '-' || value[52] != '-') return false;
    const auto trace = value.substr(3, 32);
    const auto parent = value.substr(36, 16);
    for (const auto part : {trace, parent, value.substr(53, 2)})
        for (const char c : part)
            if (!front_door::is(c, front_door::is_hex_class) || (c >= 'A' && c <= 'F')) return false;
    return trace.find_first_not_of('0') != std::string_view::npos &&
           parent.find_first_not_of('0') != std::string_view::npos;
}

bool is_json_type(std::string_view content_type) {
    return front_door::same_ignoring_case(front_door::trimmed(content_type.substr(0, content_type.find(';'))),
                                          json_type);
}

}  // namespace http::api
