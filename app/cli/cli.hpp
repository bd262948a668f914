// The client commands of the `weir` binary.
#pragma once

#include <string>
#include <vector>

namespace app::cli {

// Runs one command from its arguments (without the program's name) to its exit code. Thread: the main one.
int run_command_line(std::vector<std::string> arguments);

}  // namespace app::cli
