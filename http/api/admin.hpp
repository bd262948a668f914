// For operators: what an admin may ask of the whole node.
#pragma once

#include "http/environment.hpp"
#include "http/message/response.hpp"
#include "http/request.hpp"
#include "runtime/task.hpp"

namespace http::api {

// Unfinished executions with nothing to wait for, of all shards and users. There are none, or there is a bug.
runtime::task<response> get_stuck(environment& here, const request& asked);

}  // namespace http::api
