// The launcher as the server has it: an executable file inside of its own.
#pragma once

#include <string_view>

namespace stages::worker::sandbox {

// The whole file; launcher/main.cpp is its main().
std::string_view launcher_image();

}  // namespace stages::worker::sandbox
