// Prometheus text.
#pragma once

#include "http/environment.hpp"
#include "http/message/response.hpp"
#include "http/request.hpp"
#include "runtime/task.hpp"

namespace http::api {

runtime::task<response> metrics(environment& here, const request& asked);

}  // namespace http::api
