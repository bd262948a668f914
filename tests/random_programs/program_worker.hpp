// The worker of the simulated engine: runs the program that a script holds, as a box would.
#pragma once

#include <set>

#include "runtime/simulation/world.hpp"
#include "stages/worker/worker.hpp"
#include "tests/random_programs/program.hpp"
#include "tests/simulation/outside_world.hpp"

namespace random_programs {

// What boxes of all lives did, as the world outside saw it.
struct boxes {
    std::set<std::pair<runtime::execution_id, std::uint32_t>> broken;  // attempts that never began
    std::uint64_t started = 0;
    std::uint32_t break_chance = 0;  // in parts per million
};

// Shard: each shard has its own.
class program_worker final : public stages::worker::worker {
  public:
    program_worker(runtime::simulation::world& world, simulation_tests::outside_world& outside, boxes& boxes)
        : world_(world), outside_(outside), boxes_(boxes) {}

    runtime::task<stages::worker::verdict> run(stages::worker::launch_request request, stages::worker::observer& watch,
                                               std::stop_token stop) override;

  private:
    struct box;
    static runtime::task<void> run_command(box& mine, command what);
    static runtime::task<void> run_end(box& mine, command what);
    static runtime::task<void> write(box& mine, stages::worker::output_stream stream, std::string bytes);
    static runtime::task<void> pass(box& mine, runtime::nanoseconds time);

    runtime::simulation::world& world_;
    simulation_tests::outside_world& outside_;
    boxes& boxes_;
};

}  // namespace random_programs
