// GET /api/v1/executions/{id}/attach: checks the question; http/attach speaks WebSocket then.
#pragma once

#include "http/environment.hpp"
#include "http/message/response.hpp"
#include "http/request.hpp"
#include "runtime/task.hpp"

namespace http::api {

runtime::task<response> attach_execution(environment& here, const request& asked);

}  // namespace http::api
