// From what a broker reports to a verdict, and the environment that every program gets.
#pragma once

#include <string>
#include <vector>

#include "stages/worker/sandbox/protocol.hpp"
#include "stages/worker/worker.hpp"

namespace stages::worker::sandbox {

// What ended the tree is the verdict; else a limit that was hit, if the exit is not 0; else the exit itself.
verdict verdict_of(const ended_packet& end, const program_limits& limits);

// Made from nothing: no variable of the server is in it. The broker adds USER and LOGNAME.
std::vector<std::string> box_environment();

}  // namespace stages::worker::sandbox
