// Holds what became of a program against its prediction.
#pragma once

#include <vector>

#include "tests/random_programs/player.hpp"
#include "tests/random_programs/program_worker.hpp"

namespace random_programs {

// The attempts that must have ended as `infrastructure`: a kill came between their launch and their end, or their box
// broke. From the history's times and what the outside world knows, not from how they ended.
std::set<std::uint32_t> lost_attempts(const player& mine, const std::vector<runtime::utc_time>& kills,
                                      const boxes& boxes);

// Every difference, in words; empty is good. `lost` as above.
std::vector<std::string> compare(const player& mine, const std::set<std::uint32_t>& lost);

}  // namespace random_programs
