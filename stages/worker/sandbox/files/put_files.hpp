// Files into a box before anything runs in it.
#pragma once

#include <span>
#include <vector>

#include "stages/worker/sandbox/channel/protocol.hpp"

namespace stages::worker::sandbox {

// Called by pid 1 of a box, before any program of a user is there, with the work directory mounted on /box: each file's
// bytes come from the descriptor of its source. Null when all went well, else what failed, with errno as it was.
const char* put_files(const std::vector<box_file>& files, std::span<const int> sources);

}  // namespace stages::worker::sandbox
