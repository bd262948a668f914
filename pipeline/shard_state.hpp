// What a shard owns of the pipeline: everything that is folded from its partitions' records.
#pragma once

#include <unordered_map>

#include "pipeline/execution_table.hpp"
#include "pipeline/history.hpp"
#include "pipeline/journal.hpp"
#include "pipeline/key_table.hpp"
#include "pipeline/letters/letter_office.hpp"
#include "pipeline/transitions.hpp"

namespace pipeline {

// A snapshot whose last part has not been found yet, while partitions are opened.
struct snapshot_fold {
    std::shared_ptr<execution> e;  // after the parts so far
    std::uint32_t parts = 0;
    std::vector<storage::record> later;  // of the execution, appended between the parts
};

// Shard: its owner only. The back-ends outlive it.
struct shard_state {
    shard_state(runtime::shard& shard, storage::log& log, storage::archive& documents, storage::blobs& large,
                unsigned partition_bits, std::size_t keys_max, letters::letter_limits letter_limits = {})
        : home(shard),
          archive(documents),
          blobs(large),
          journal(shard, log, partition_bits),
          keys(keys_max),
          history(journal, documents, blobs),
          transitions(shard, journal, large, table),
          letters(shard, journal, letter_limits) {}

    runtime::shard& home;
    storage::archive& archive;
    storage::blobs& blobs;
    class journal journal;
    execution_table table;
    key_table keys;
    std::unordered_map<execution_id, snapshot_fold> snapshots;  // empty once the partitions are open
    class history history;
    class transitions transitions;
    letters::letter_office letters;
};

// Folds a record that the log still holds. False for one that a later version wrote, or that cannot follow.
bool recover(shard_state& state, const storage::record_view& record);

}  // namespace pipeline
