// One simulated history, wholly decided by its seed: load and faults first, then everything heals and all that was
// acknowledged must finish.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace simulation_tests {

struct report {
    std::vector<std::string> broken;  // promises; empty is good
    std::string options;              // what the seed chose
    std::uint64_t steps = 0;
    std::uint64_t trace_hash = 0;
    std::uint64_t acknowledged = 0;
    std::uint64_t lives = 0;
    std::map<std::string, std::uint64_t> sometimes;
};

report run_scenario(std::uint64_t seed);

}  // namespace simulation_tests
