// Probes: /livez says that the process runs, /readyz that it takes work.
#pragma once

#include "http/environment.hpp"
#include "http/message/response.hpp"
#include "http/request.hpp"
#include "runtime/task.hpp"

namespace http::api {

runtime::task<response> livez(environment& here, const request& asked);
runtime::task<response> readyz(environment& here, const request& asked);

}  // namespace http::api
