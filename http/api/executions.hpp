// What there is to read of executions, and their cancellation.
#pragma once

#include "http/environment.hpp"
#include "http/message/response.hpp"
#include "http/request.hpp"
#include "runtime/task.hpp"

namespace http::api {

runtime::task<response> get_execution(environment& here, const request& asked);
runtime::task<response> get_result(environment& here, const request& asked);
runtime::task<response> get_stdout(environment& here, const request& asked);
runtime::task<response> get_stderr(environment& here, const request& asked);
runtime::task<response> get_artifact(environment& here, const request& asked);
runtime::task<response> cancel_execution(environment& here, const request& asked);
runtime::task<response> list_executions(environment& here, const request& asked);  // list.cpp

// An id that nobody has.
response no_such_execution(const request& asked);

}  // namespace http::api
