// The fold over everything that the log still holds, when a shard opens its partitions.
#include "pipeline/shard_state.hpp"

namespace pipeline {
namespace {

bool recover_accepted(shard_state& state, const storage::record_view& record) {
    auto e = execution::make(state.home, record);
    if (!e || !e->apply(record, false)) return false;
    if (e->spec.key) {
        key_entry key = *e->spec.key;
        key.execution = e->id;
        state.keys.insert(key, record.header.at);
    }
    state.table.insert(std::move(e));
    return true;
}

bool recover_keys(shard_state& state, const storage::record_view& record) {
    const auto keys = decode_keys(record.payload);
    if (!keys) return false;
    for (const auto& key : *keys) state.keys.insert(key, record.header.at);
    return true;
}

}  // namespace

bool recover(shard_state& state, const storage::record_view& record) {
    if (record.header.format != record_format) return false;
    switch (static_cast<record_type>(record.header.type)) {
        case record_type::blob_piece: return true;
        case record_type::accepted: return recover_accepted(state, record);
        case record_type::key_table: return recover_keys(state, record);
        case record_type::scheduled:
        case record_type::started:
        case record_type::output:
        case record_type::attempt_ended:
        case record_type::cancellation_requested:
        case record_type::concluded: break;
        default: return false;
    }
    const auto e = state.table.find(execution_id(record.header.entity));
    // The tail of an execution whose beginning was released: the archive has it.
    if (!e) return true;
    if (!e->apply(record, false)) return false;
    if (e->is_ended()) state.table.ended(*e);
    return true;
}

}  // namespace pipeline
