// `weir bench`: the load harness.
#pragma once

#include <string>
#include <vector>

#include "bench/options.hpp"

namespace bench {

// Runs one command from its arguments (without the word "bench") to its exit code. Thread: the main one.
int run(std::vector<std::string> arguments, const command_defaults& defaults);

}  // namespace bench
