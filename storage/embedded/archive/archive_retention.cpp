// archive_database: what keeps the archive within its bounds.
#include "runtime/base/assert.hpp"
#include "storage/embedded/archive/archive_keys.hpp"
#include "storage/embedded/archive/archive_state.hpp"

namespace storage::embedded {

using runtime::result;

namespace {

// The first limit that the oldest document exceeds; null for none.
std::uint64_t* exceeded(retention_step& step, const retention_limits& limits, const archive_totals& totals,
                        runtime::utc_time ended_at, runtime::utc_time now) {
    const auto age_max_us = std::chrono::duration_cast<runtime::microseconds>(limits.age_max).count();
    const auto age_us = now.microseconds_since_epoch - ended_at.microseconds_since_epoch;
    if (age_max_us > 0 && age_us > age_max_us) return &step.by_age;
    if (limits.documents_max > 0 && totals.documents > limits.documents_max) return &step.by_count;
    if (limits.bytes_max > 0 && totals.bytes > limits.bytes_max) return &step.by_bytes;
    return nullptr;
}

}  // namespace

void remove_document(rocksdb::WriteBatch& batch, runtime::execution_id id, runtime::utc_time ended_at,
                     const archive_keys::retention_entry& entry) {
    batch.Delete(archive_keys::document_key(id));
    batch.Delete(archive_keys::index_key(archive_keys::tenant_prefix(entry.tenant), id));
    batch.Delete(archive_keys::index_key(archive_keys::user_prefix(entry.tenant, entry.user), id));
    for (const auto first : entry.chunks) batch.Delete(archive_keys::chunk_key(id, first));
    batch.Delete(archive_keys::retention_key(ended_at, id));
}

result<void> archive_database::state::look(std::string& diagnosis) {
    std::string value;
    const auto status = db->Get(rocksdb::ReadOptions(), slice(archive_keys::totals_key), &value);
    const auto found = archive_keys::decode_totals(value);
    if (!status.ok() || !found) {
        diagnosis = "its totals cannot be read: " + (status.ok() ? "they are damaged" : status.ToString());
        return status.ok() || status.IsNotFound() ? make_error_code(archive_errc::corrupt) : code_of(status);
    }
    set_totals(*found);
    retention_floor = archive_keys::retention_prefix;
    const auto raised = raise_lowest();
    if (!raised) diagnosis = "its documents cannot be read: " + raised.error().message();
    return raised;
}

// A document that is put again replaces what it left: nothing is counted twice, and no key of it is forgotten.
result<void> archive_database::state::forget_earlier(rocksdb::WriteBatch& batch, const document& newer,
                                                     archive_totals& sum) {
    std::string value;
    auto status = db->Get(rocksdb::ReadOptions(), archive_keys::document_key(newer.id), &value);
    if (status.IsNotFound()) return {};
    if (!status.ok()) return fail(status);
    const auto earlier = archive_keys::decode_document(newer.id, value);
    if (!earlier) return make_error_code(archive_errc::corrupt);
    const auto key = archive_keys::retention_key(earlier->ended_at, newer.id);
    status = db->Get(rocksdb::ReadOptions(), key, &value);
    if (!status.ok() && !status.IsNotFound()) return fail(status);
    const auto entry = archive_keys::decode_entry(value);
    if (!status.ok() || !entry) return make_error_code(archive_errc::corrupt);
    remove_document(batch, newer.id, earlier->ended_at, *entry);
    --sum.documents;
    sum.bytes -= entry->bytes;
    return {};
}

void archive_database::state::set_totals(const archive_totals& now) {
    totals = now;
    documents = now.documents;
    bytes = now.bytes;
}

void archive_database::state::lower_floors(runtime::execution_id id, const std::string& retention_key) {
    if (retention_key < retention_floor) retention_floor = retention_key;
    const std::lock_guard hold(lowest_guard);
    if (id < lowest) lowest = id;
}

runtime::execution_id archive_database::state::lowest_id() const {
    const std::lock_guard hold(lowest_guard);
    return lowest;
}

// Nobody puts a document meanwhile.
result<void> archive_database::state::raise_lowest() {
    const std::string lowest_key = archive_keys::document_key(lowest_id());
    const std::string upper = archive_keys::behind(lowest_key.substr(0, 1));
    const rocksdb::Slice lower_bound(lowest_key);
    const rocksdb::Slice upper_bound(upper);
    rocksdb::ReadOptions reading;
    reading.iterate_lower_bound = &lower_bound;
    reading.iterate_upper_bound = &upper_bound;
    const std::unique_ptr<rocksdb::Iterator> at(db->NewIterator(reading));
    at->SeekToFirst();
    if (!at->status().ok()) return code_of(at->status());
    if (!at->Valid()) return {};
    const auto first = archive_keys::id_at_end(at->key().ToStringView());
    if (!first) return make_error_code(archive_errc::corrupt);
    const std::lock_guard hold(lowest_guard);
    lowest = *first;
    return {};
}

result<retention_step> archive_database::remove_oldest(const retention_limits& limits, runtime::utc_time now,
                                                       std::size_t documents_max, archive_sequence durable_through) {
    const std::lock_guard hold(state_->changing);
    return state_->remove_some(limits, now, documents_max, durable_through);
}

result<retention_step> archive_database::state::remove_some(const retention_limits& limits, runtime::utc_time now,
                                                            std::size_t documents_max,
                                                            archive_sequence durable_through) {
    const std::string lowest_key = retention_floor;
    const std::string upper =
        unflushed.smallest(durable_through).value_or(archive_keys::behind(std::string(archive_keys::retention_prefix)));
    if (upper <= lowest_key) return retention_step{};
    const rocksdb::Slice lower_bound(lowest_key);
    const rocksdb::Slice upper_bound(upper);
    rocksdb::ReadOptions reading;
    reading.iterate_lower_bound = &lower_bound;
    reading.iterate_upper_bound = &upper_bound;
    const std::unique_ptr<rocksdb::Iterator> at(db->NewIterator(reading));
    retention_step step;
    archive_totals sum = totals;
    rocksdb::WriteBatch batch;
    std::string floor = retention_floor;
    for (at->SeekToFirst(); at->Valid(); at->Next()) {
        const auto key = at->key().ToStringView();
        const auto id = archive_keys::id_at_end(key);
        const auto ended_at = archive_keys::end_of_retention_key(key);
        const auto entry = archive_keys::decode_entry(at->value().ToStringView());
        if (!id || !ended_at || !entry) return archive_errc::corrupt;
        std::uint64_t* const why = exceeded(step, limits, sum, *ended_at, now);
        if (why == nullptr) break;
        if (step.documents() == documents_max) {
            step.more = true;
            break;
        }
        floor = key;
        floor.push_back('\0');
        remove_document(batch, *id, *ended_at, *entry);
        ++*why;
        step.bytes += entry->bytes;
        --sum.documents;
        sum.bytes -= entry->bytes;
    }
    if (!at->status().ok()) return code_of(at->status());
    if (step.documents() == 0) return step;
    batch.Put(slice(archive_keys::totals_key), archive_keys::encode_totals(sum));
    const auto written = db->Write(write_options(), &batch);
    if (!written.ok()) return fail(written);
    retention_floor = std::move(floor);
    set_totals(sum);
    const auto raised = raise_lowest();
    if (!raised) return raised.error();
    return step;
}

archive_totals archive_database::totals() const { return {state_->documents, state_->bytes}; }

}  // namespace storage::embedded
