// A worker whose programs are decided by the execution's script and the world's seed.
#pragma once

#include "runtime/simulation/world.hpp"
#include "stages/worker/worker.hpp"
#include "tests/simulation/outside_world.hpp"

namespace simulation_tests {

class fake_worker final : public stages::worker::worker {
  public:
    fake_worker(runtime::simulation::world& world, outside_world& outside) : world_(world), outside_(outside) {}

    runtime::task<stages::worker::verdict> run(stages::worker::launch_request request, stages::worker::observer& watch,
                                               std::stop_token stop) override;

    // From now on programs end at once and nothing breaks: the healing phase.
    void heal() { healed_ = true; }

  private:
    runtime::simulation::world& world_;
    outside_world& outside_;
    bool healed_ = false;
};

}  // namespace simulation_tests
