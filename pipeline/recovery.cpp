// The fold over everything that the log still holds, when a shard opens its partitions.
#include "pipeline/shard_state.hpp"
#include "runtime/base/marks.hpp"
#include "runtime/base/planted_bug.hpp"

namespace pipeline {
namespace {

void bind_key(shard_state& state, const execution& e, storage::offset at) {
    if (!e.spec.key || runtime::planted(runtime::planted_bug::key_forgotten)) return;
    key_entry key = *e.spec.key;
    key.execution = e.id;
    state.keys.insert(key, at);
}

bool recover_accepted(shard_state& state, const storage::record_view& record) {
    auto e = execution::make(state.home, record);
    if (!e || !e->apply(record, false)) return false;
    bind_key(state, *e, record.header.at);
    e->kept_from = state.journal.appended_bytes();
    state.table.insert(std::move(e));
    return true;
}

bool recover_keys(shard_state& state, const storage::record_view& record) {
    const auto keys = decode_keys(record.payload);
    if (!keys) return false;
    for (const auto& key : *keys) state.keys.insert(key, record.header.at);
    return true;
}

// A snapshot that is not whole changes nothing: without its last part the older records are still there, and what they
// fold to stays.
bool recover_part(shard_state& state, const storage::record_view& record) {
    const execution_id id(record.header.entity);
    if (record.header.step == 0) {
        snapshot_fold fold;
        fold.e = execution::make_from_part(state.home, record);
        if (!fold.e) return false;
        fold.e->kept_from = state.journal.appended_bytes();
        state.snapshots[id] = std::move(fold);
    } else {
        const auto found = state.snapshots.find(id);
        // The parts before it were released, or its snapshot was given up for a newer one.
        if (found == state.snapshots.end() || found->second.parts != record.header.step) {
            WEIR_SOMETIMES(true, "a part of a snapshot without its beginning was passed over");
            return true;
        }
        if (!found->second.e->apply_part(record)) return false;
    }
    const auto found = state.snapshots.find(id);
    ++found->second.parts;
    if ((record.header.flags & snapshot_is_whole) == 0) return true;
    auto whole = std::move(found->second);
    WEIR_SOMETIMES(whole.parts > 1, "a snapshot of several parts was read");
    WEIR_SOMETIMES(!whole.later.empty(), "records between the parts of a snapshot were folded behind it");
    WEIR_SOMETIMES(state.table.find(id) == nullptr, "a snapshot was all that was left of an execution");
    state.snapshots.erase(found);
    for (const auto& later : whole.later)
        if (!whole.e->apply({later.header, later.payload}, false)) return false;
    bind_key(state, *whole.e, record.header.at);
    state.table.replace(std::move(whole.e));
    return true;
}

// What was appended while the parts of a snapshot were being written follows its last part.
void remember_later(shard_state& state, const storage::record_view& record) {
    const auto found = state.snapshots.find(execution_id(record.header.entity));
    if (found == state.snapshots.end()) return;
    storage::record later{record.header, {}};
    // What a program wrote changes no state, and may be much.
    if (record.header.type != static_cast<std::uint16_t>(record_type::output)) later.payload = record.payload;
    found->second.later.push_back(std::move(later));
}

}  // namespace

bool recover(shard_state& state, const storage::record_view& record) {
    if (record.header.format != record_format) return false;
    state.journal.count_bytes(record.payload.size());
    switch (static_cast<record_type>(record.header.type)) {
        case record_type::blob_piece: return true;
        case record_type::accepted: return recover_accepted(state, record);
        case record_type::key_table: return recover_keys(state, record);
        case record_type::snapshot_part: return recover_part(state, record);
        case record_type::letter_sent:
        case record_type::letter_received:
        case record_type::letters_delivered:
        case record_type::letter_lanes: return state.letters.recover(record);
        case record_type::scheduled:
        case record_type::started:
        case record_type::output:
        case record_type::attempt_ended:
        case record_type::cancellation_requested:
        case record_type::concluded: break;
        default: return false;
    }
    if (!state.snapshots.empty()) remember_later(state, record);
    const auto e = state.table.find(execution_id(record.header.entity));
    // The tail of an execution whose beginning was released: the archive has it.
    if (!e) {
        WEIR_SOMETIMES(true, "a record whose execution's beginning was released was passed over");
        return true;
    }
    if (!e->apply(record, false)) return false;
    if (e->is_ended()) state.table.ended(*e);
    return true;
}

}  // namespace pipeline
