// The launcher as the server has it: an executable file inside of its own.
#pragma once

#include <string_view>

namespace stages::worker::sandbox {

// The numbers of its sockets begin here: its reports, and then the shards' channels.
inline constexpr int first_launcher_fd = 3;
// Until it has probed the machine: one under load, or one that still takes an earlier life apart.
inline constexpr int launcher_patience_ms = 60'000;

// The whole file; launcher_main.cpp is its main().
std::string_view launcher_image();

}  // namespace stages::worker::sandbox
