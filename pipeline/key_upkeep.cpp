#include "pipeline/key_upkeep.hpp"

#include <algorithm>

#include "runtime/base/planted_bug.hpp"

namespace pipeline {

using runtime::partition_id;
using runtime::task;

key_upkeep::key_upkeep(shard_state& state, const snapshot_options& limits)
    : state_(state),
      limits_(limits),
      rewritten_(state.home.metrics().make_counter(
          "weir_idempotency_keys_rewritten_total",
          "Idempotency keys that were written again, so that the log could let go of older records.")) {}

task<void> key_upkeep::run(const std::vector<partition_id>& partitions) {
    co_await forget_expired();
    for (const auto partition : partitions) {
        if (holds_too_much(partition)) co_await rewrite(partition);
    }
}

task<void> key_upkeep::forget_expired() {
    const auto is_open = [this](execution_id id) {
        const auto e = state_.table.find(id);
        return e && !e->is_ended();
    };
    auto now = state_.home.time().utc();
    if (runtime::planted(runtime::planted_bug::keys_expire_at_once)) now.microseconds_since_epoch *= 2;
    while (state_.keys.expire(now, is_open)) co_await runtime::yield();
}

bool key_upkeep::holds_too_much(partition_id partition) const {
    const auto held = state_.journal.held_for_keys(partition);
    if (held.records == 0) return false;
    const auto keys = state_.keys.count_of(partition, state_.journal.partition_bits());
    const auto bytes_max = std::max(limits_.behind_bytes_max, held_for_each * key_bytes * state_.keys.size());
    return held.records > std::max<std::uint64_t>(held_records_max, held_for_each * keys) ||
           held.bytes_behind > bytes_max || held.age > limits_.age_max;
}

task<void> key_upkeep::rewrite(partition_id partition) {
    const auto from = state_.journal.next_offset(partition);
    const unsigned bits = state_.journal.partition_bits();
    std::vector<key_entry> some;
    // What is bound meanwhile stands behind `from`, whether it is written here too or not.
    for (std::size_t part = 0; part < key_table::parts_of(bits); ++part) {
        state_.keys.add_part(partition, bits, part, some);
        if (some.size() < keys_per_record) continue;
        // Without room now, the next round tries again; what was written twice folds to the same.
        if (!append(partition, some)) co_return;
        some.clear();
        co_await runtime::yield();
    }
    if (!append(partition, some)) co_return;
    const auto last = state_.journal.next_offset(partition) - 1;
    const auto written = co_await state_.journal.durable_patiently(partition, last);
    if (written) state_.journal.keys_are_behind(partition, from);
}

runtime::result<void> key_upkeep::append(partition_id partition, const std::vector<key_entry>& keys) {
    storage::record_header header;
    header.type = static_cast<std::uint16_t>(record_type::key_table);
    header.format = record_format;
    header.entity_kind = entity_kind_partition;
    header.partition = partition;
    for (std::size_t i = 0; i < keys.size(); i += keys_per_record) {
        const auto end = std::min(keys.size(), i + keys_per_record);
        const std::vector<key_entry> some(keys.begin() + static_cast<std::ptrdiff_t>(i),
                                          keys.begin() + static_cast<std::ptrdiff_t>(end));
        const std::string payload = encode(some);
        const auto stored = state_.journal.append(header, payload);
        if (!stored) return stored.error();
        rewritten_.add(some.size());
    }
    return {};
}

}  // namespace pipeline
