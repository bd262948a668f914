// What a shard owns of the pipeline: everything that is folded from its partitions' records.
#pragma once

#include "pipeline/execution_table.hpp"
#include "pipeline/history.hpp"
#include "pipeline/journal.hpp"
#include "pipeline/key_table.hpp"
#include "pipeline/transitions.hpp"

namespace pipeline {

// Shard: its owner only. The back-ends outlive it.
struct shard_state {
    shard_state(runtime::shard& shard, storage::log& log, storage::archive& documents, storage::blobs& large,
                unsigned partition_bits, std::size_t keys_max)
        : home(shard),
          archive(documents),
          blobs(large),
          journal(shard, log, partition_bits),
          keys(keys_max),
          history(journal, documents),
          transitions(shard, journal, large, table) {}

    runtime::shard& home;
    storage::archive& archive;
    storage::blobs& blobs;
    class journal journal;
    execution_table table;
    key_table keys;
    class history history;
    class transitions transitions;
};

// Folds a record that the log still holds. False for one that a later version wrote, or that cannot follow.
bool recover(shard_state& state, const storage::record_view& record);

}  // namespace pipeline
