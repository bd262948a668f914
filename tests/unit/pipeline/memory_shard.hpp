// A shard's state on a log in memory, in a simulated world.
#pragma once

#include "pipeline/shard_state.hpp"
#include "runtime/simulation/world.hpp"
#include "storage/embedded/blobs/log_blobs.hpp"
#include "storage/simulated/archive.hpp"
#include "tests/unit/storage/memory_log.hpp"

namespace pipeline {

struct memory_shard {
    memory_shard(unsigned partition_bits, std::size_t keys_max)
        : state(home, log, *archive, blobs, partition_bits, keys_max) {}

    runtime::simulation::world world{2};
    runtime::simulation::simulated_shard& home = world.add_shard(0);
    runtime::shard::running here{home};
    tests::memory_log log;
    storage::simulated::archive_service documents{world};
    std::unique_ptr<storage::archive> archive = documents.open_shard(home);
    storage::embedded::log_blobs blobs{log, static_cast<std::uint16_t>(record_type::blob_piece)};
    shard_state state;
};

}  // namespace pipeline
