// What the operator allows, and a script to try in each language.
#pragma once

#include "http/environment.hpp"
#include "http/message/response.hpp"
#include "http/request.hpp"
#include "runtime/task.hpp"

namespace http::api {

runtime::task<response> get_limits(environment& here, const request& asked);
runtime::task<response> get_example_scripts(environment& here, const request& asked);

}  // namespace http::api
