#include "pipeline/key_upkeep.hpp"

#include <algorithm>
#include <utility>

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
    const std::size_t parts = key_table::parts_of(bits);
    std::vector<key_entry> some;
    // What is bound meanwhile stands behind `from`, whether it is written here too or not.
    for (std::size_t part = 0; part < parts; ++part) {
        state_.keys.add_part(partition, bits, part, some);
        if (some.empty() || (some.size() < keys_per_record && part + 1 < parts)) continue;
        const auto appended = co_await append(partition, std::exchange(some, {}));
        // A full disk: a later round tries again; what was written twice folds to the same.
        if (!appended) co_return;
        if (part + 1 < parts) co_await runtime::yield();
    }
    const auto last = state_.journal.next_offset(partition) - 1;
    const auto written = co_await state_.journal.durable_patiently(partition, last);
    if (written) state_.journal.keys_are_behind(partition, from);
}

task<runtime::result<void>> key_upkeep::append(partition_id partition, std::vector<key_entry> keys) {
    storage::record_header header;
    header.type = static_cast<std::uint16_t>(record_type::key_table);
    header.format = record_format;
    header.entity_kind = entity_kind_partition;
    header.partition = partition;
    for (std::span<const key_entry> rest(keys); !rest.empty();) {
        const auto some = rest.first(std::min(rest.size(), keys_per_record));
        rest = rest.subspan(some.size());
        const std::string payload = encode(some);
        auto stored = state_.journal.append(header, payload);
        while (!stored && stored.error() == storage::log_errc::busy) {
            const auto room = co_await state_.journal.room();
            if (!room) co_return room.error();
            stored = state_.journal.append(header, payload);
        }
        if (!stored) co_return stored.error();
        rewritten_.add(some.size());
    }
    co_return runtime::result<void>();
}

}  // namespace pipeline
