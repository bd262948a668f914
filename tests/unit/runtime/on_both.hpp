// Runs one body on a shard of the machine and on a shard of the simulated world: what tests of tasks are written for.
#pragma once

#include "tests/support/two_shards.hpp"

namespace runtime {

template <class Body>
void on_both(Body body) {
    {
        SCOPED_TRACE("machine");
        tests::machine_shards shards;
        for (std::size_t i = 0; i < 2; ++i) shards.run(i, [&] { return body(); });
    }
    for (std::uint64_t seed = 1; seed <= 5; ++seed) {
        SCOPED_TRACE("simulated, seed " + std::to_string(seed));
        tests::simulated_shards shards(seed);
        for (std::size_t i = 0; i < 2; ++i) shards.run(i, [&] { return body(); });
    }
}

inline steady_time in(nanoseconds duration) { return shard::here().time().steady() + duration; }

}  // namespace runtime
