// The conformance suite of storage::log: what every back-end promises. A back-end's test instantiates `log_conformance`
// with its rigs, and `log_crash_conformance` if they can be crashed.
#pragma once

#include <gtest/gtest.h>

#include "tests/unit/storage/log_ledger.hpp"
#include "tests/unit/storage/log_rig.hpp"

namespace tests {

class log_conformance : public testing::TestWithParam<rig_parameter> {
  protected:
    void SetUp() override { rig_ = GetParam().make(GetParam().seed); }

    // Opens these partitions on that shard; the ledger holds the replay against what was written. False if refused.
    bool open(std::size_t shard, std::vector<storage::partition_id> partitions);
    // Deals all partitions out to the shards and opens them; partition p belongs to shard p % shards.
    void open_all();
    [[nodiscard]] std::size_t owner(storage::partition_id id) const { return id.value % rig_->shards(); }
    ledger_listener& listener(std::size_t shard);
    void begin(std::size_t shards);
    void end();

    std::unique_ptr<log_rig> rig_;
    log_ledger ledger_;
    std::vector<std::unique_ptr<ledger_listener>> listeners_;
    boost::system::error_code last_error_;
};

class log_crash_conformance : public log_conformance {};

// Tasks for the bodies of tests; all run on the log's shard.
// Appends and waits until it is durable.
runtime::task<void> append_and_wait(storage::log& log, log_ledger& ledger, storage::partition_id id,
                                    std::string payload);
// Waits until everything of the partition is durable, or `give_up` has passed; true if it is.
runtime::task<bool> wait_committed(storage::log& log, log_ledger& ledger, storage::partition_id id,
                                   runtime::nanoseconds give_up = runtime::seconds(60));
// Reads [from, committed] in pieces and holds it against the ledger.
runtime::task<void> read_back(storage::log& log, log_ledger& ledger, storage::partition_id id, storage::offset from);

}  // namespace tests
