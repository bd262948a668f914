// The bytes of the library that is preloaded into interpreters which boot ahead (warm_process.cpp).
#pragma once

#include <string_view>

namespace stages::worker::sandbox {

std::string_view warm_library();

}  // namespace stages::worker::sandbox
