// What the server says of itself: the contract, and what each error code means.
#pragma once

#include "http/environment.hpp"
#include "http/message/response.hpp"
#include "http/request.hpp"
#include "runtime/task.hpp"

namespace http::api {

runtime::task<response> openapi(environment& here, const request& asked);
runtime::task<response> get_problem(environment& here, const request& asked);

}  // namespace http::api
