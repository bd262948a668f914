// Sees every letter that a shard of the simulated node takes, and reads those that mean nothing.
#pragma once

#include <memory>
#include <vector>

#include "pipeline/letters/letter_office.hpp"
#include "tests/simulation/outside_world.hpp"

namespace simulation_tests {

// Made after everybody who reads letters; what it stands before outlives it.
class letter_watch {
  public:
    letter_watch(pipeline::letters::letter_office& office, outside_world& outside, unsigned partition_bits);

  private:
    using letter_kind = pipeline::letters::letter_kind;
    class reader;
    std::vector<std::unique_ptr<pipeline::letters::letter_reader>> readers_;
};

}  // namespace simulation_tests
