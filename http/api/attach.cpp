#include "http/api/attach.hpp"

#include "http/api/events.hpp"
#include "http/api/executions.hpp"
#include "http/websocket/handshake.hpp"

namespace http::api {
namespace {

// Browsers open WebSockets to any site and name the page's own in Origin; what else connects sends none.
bool is_foreign(const front_door::head_view& head) {
    const auto origin = head.field("origin");
    if (!origin) return false;
    const auto host = head.field("host");
    const auto scheme = origin->find("://");
    return !host || scheme == std::string_view::npos || origin->substr(scheme + 3) != *host;
}

bool asks_for_websocket(const front_door::head_view& head) {
    bool upgrade = false;
    bool connection = false;
    head.each("upgrade", [&](std::string_view list) { upgrade |= websocket::has_token(list, "websocket"); });
    head.each("connection", [&](std::string_view list) { connection |= websocket::has_token(list, "upgrade"); });
    const auto version = head.field("sec-websocket-version");
    return upgrade && connection && !head.head().http_1_0 && version == std::string_view("13");
}

response upgrade_required(const request& asked) {
    auto out = problem_response(problem("upgrade_required", {}), asked.request_id);
    out.add_field("Upgrade", "websocket");
    out.add_field("Sec-WebSocket-Version", "13");
    return out;
}

response refused(std::string_view code, std::string detail, const request& asked) {
    return problem_response(problem(code, std::move(detail)), asked.request_id);
}

}  // namespace

runtime::task<response> attach_execution(environment& here, const request& asked) {
    const auto id = pipeline::execution_id::parse(asked.parameters[0]);
    if (!id) co_return no_such_execution(asked);
    if (is_foreign(asked.head)) co_return refused("origin_not_allowed", "Origin names another site than Host", asked);
    if (!asks_for_websocket(asked.head)) co_return upgrade_required(asked);
    const auto key = asked.head.field("sec-websocket-key");
    if (!key || asked.head.count("sec-websocket-key") != 1 || !websocket::is_key(*key))
        co_return refused("bad_header", "Sec-WebSocket-Key must be 16 bytes in base64, given once", asked);
    const auto after = resume_after(asked);
    if (!after) co_return refused("bad_event_number", "Last-Event-ID or after is not a number", asked);
    if (here.draining) co_return refused("draining", {}, asked);
    response out;
    out.status = 101;
    out.stream.emplace();
    out.stream->id = *id;
    out.stream->after = *after;
    out.stream->websocket_accept = websocket::accept_of(*key);
    co_return out;
}

}  // namespace http::api
