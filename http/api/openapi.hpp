// http/openapi.json as it was when the binary was built.
#pragma once

#include <string_view>

namespace http::api {

std::string_view openapi_json();

}  // namespace http::api
