// Idempotency keys as time goes by: a key whose time has come is forgotten, and living ones are written again at the
// log's end, so that the log can let go of the records that bound them.
//
// To write a partition's keys again costs what the partition has of them. It is done when the log holds four times as
// much for their sake, so that a key is written again about once for each four times its size that is appended: what a
// post costs does not grow with the keys that are remembered. The log holds that much more, and a start reads it.
#pragma once

#include <vector>

#include "pipeline/shard_state.hpp"
#include "pipeline/snapshots.hpp"

namespace pipeline {

// Shard: its owner only.
class key_upkeep {
  public:
    // How many records may be held for keys alone, whatever their number.
    static constexpr storage::offset held_records_max = 1024;
    static constexpr std::uint64_t held_for_each = 4;
    static constexpr std::uint64_t key_bytes = 72;  // about what one takes in the log
    static constexpr std::size_t keys_per_record = 4096;

    key_upkeep(shard_state& state, const snapshot_options& limits);

    // One round. Between two looks at the ready list it forgets some hundred keys, or writes a 256th of all, which is
    // some thousand of a million.
    runtime::task<void> run(const std::vector<runtime::partition_id>& partitions);

    [[nodiscard]] bool holds_too_much(runtime::partition_id partition) const;
    [[nodiscard]] std::uint64_t rewritten() const { return rewritten_.value(); }

  private:
    runtime::task<void> forget_expired();
    runtime::task<void> rewrite(runtime::partition_id partition);
    // Waits until the disk has taken what waits for it.
    runtime::task<runtime::result<void>> append(runtime::partition_id partition, std::vector<key_entry> keys);

    shard_state& state_;
    snapshot_options limits_;
    runtime::counter& rewritten_;
};

}  // namespace pipeline
