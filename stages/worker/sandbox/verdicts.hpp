// From what a broker reports to a verdict.
#pragma once

#include "stages/worker/sandbox/channel/protocol.hpp"
#include "stages/worker/worker.hpp"

namespace stages::worker::sandbox {

// What ended the tree is the verdict; else a limit that was hit, if the exit is not 0; else the exit itself.
verdict verdict_of(const ended_packet& end, const program_limits& limits);

}  // namespace stages::worker::sandbox
