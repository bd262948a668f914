// GET /api/v1/events/executions/{id}: checks the question; http/sse answers it.
#pragma once

#include "http/environment.hpp"
#include "http/message/response.hpp"
#include "http/request.hpp"
#include "runtime/task.hpp"

namespace http::api {

runtime::task<response> stream_events(environment& here, const request& asked);

}  // namespace http::api
