// POST /api/v1/execute
#pragma once

#include "http/environment.hpp"
#include "http/message/response.hpp"
#include "http/request.hpp"
#include "runtime/task.hpp"

namespace http::api {

runtime::task<response> execute(environment& here, const request& asked);

// What the headers of a post say; exposed for tests.
// Seconds of Prefer: wait=N; nothing without one, or with one that is no number.
std::optional<std::uint64_t> preferred_wait_s(const front_door::head_view& head);
// The key without its quotes; nothing if it is empty, too long, or not visible ASCII.
std::optional<std::string> idempotency_key_of(std::string_view value);
// Version 00 with non-zero ids, lower case (W3C Trace Context).
bool is_traceparent(std::string_view value);
bool is_json_type(std::string_view content_type);

}  // namespace http::api
