// One simulated world in which a few dozen random programs run, on a server that is killed now and then.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace random_programs {

struct run_report {
    std::vector<std::string> broken;  // empty is good
    std::uint64_t programs = 0;
    std::uint64_t kills = 0;
    std::uint64_t attempts = 0;
    std::uint64_t lost = 0;  // attempts
    std::uint64_t steps = 0;
    std::uint64_t trace_hash = 0;
    std::map<std::string, std::uint64_t> ends;       // executions by error_type, "none" for completed
    std::map<std::string, std::uint64_t> commands;   // by kind
    std::map<std::string, std::uint64_t> sometimes;  // rare things that were reached
};

// The world's seed decides everything; its programs are those of seeds `world_seed * 100` and the following.
run_report run_world(std::uint64_t world_seed);

}  // namespace random_programs
