// GET /api/v1/events/executions/{id}: checks the question; http/sse answers it.
#pragma once

#include <cstdint>
#include <optional>

#include "http/environment.hpp"
#include "http/message/response.hpp"
#include "http/request.hpp"
#include "runtime/task.hpp"

namespace http::api {

runtime::task<response> stream_events(environment& here, const request& asked);

// Where to resume: Last-Event-ID, else ?after=, else from the beginning. Nothing if that is not a number.
std::optional<std::uint32_t> resume_after(const request& asked);

}  // namespace http::api
