// archive_database: what keeps the archive within its bounds.
#include "storage/embedded/archive/archive_blocks.hpp"
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
result<void> archive_database::state::forget_earlier(rocksdb::WriteBatch& batch, removal& earlier,
                                                     runtime::execution_id id, archive_keys::stored_totals& sum) {
    std::string value;
    const auto status = db->Get(rocksdb::ReadOptions(), archive_keys::document_key(id), &value);
    if (status.IsNotFound()) return {};
    if (!status.ok()) return fail(status);
    const auto there = archive_keys::decode_document(id, value);
    if (!there) return make_error_code(archive_errc::corrupt);
    if (const auto* const placed = earlier.find(id, there->ended_at)) {
        sum.bytes -= placed->entry.bytes;
        earlier.remove(*placed);
    } else {
        // What names it is damaged. Its new content has other places; how much the old one counted for is not known.
        damaged("document " + id.to_string() + " is not in the order of retention");
        batch.Delete(archive_keys::document_key(id));
    }
    --sum.documents;
    return {};
}

void archive_database::state::tell_damage(std::size_t blocks) {
    if (blocks > 0) damaged(std::to_string(blocks) + " blocks that name documents are not whole");
}

void archive_database::state::set_totals(const archive_keys::stored_totals& now) {
    totals = now;
    documents = now.documents;
    bytes = now.bytes;
}

void archive_database::state::lower_floors(runtime::execution_id id, runtime::utc_time ended_at) {
    auto period = archive_keys::with_period(archive_keys::retention_prefix, archive_keys::end_period(ended_at));
    if (period < retention_floor) retention_floor = std::move(period);
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
    const auto first = archive_keys::id_of_document_key(at->key().ToStringView());
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
    // Nothing from the first document on that no flush has made durable.
    const auto end = unflushed.smallest(durable_through);
    retention_order order(*db, retention_floor);
    rocksdb::WriteBatch batch;
    removal gone(*db, batch);
    retention_step step;
    archive_keys::stored_totals sum = totals;
    std::string floor = retention_floor;
    // The limit for which it goes; null if it stays.
    const auto reason_to_go = [&](const placed_document& oldest) -> std::uint64_t* {
        if (end && archive_keys::position_of(oldest.entry) >= *end) return nullptr;
        std::uint64_t* const why = exceeded(step, limits, sum, oldest.entry.ended_at, now);
        step.more = why != nullptr && step.documents() == documents_max;
        return step.more ? nullptr : why;
    };
    for (bool going = true; going;) {
        const auto ended = order.next();
        if (!ended) return ended.error();
        if (ended->empty()) break;
        for (const auto& oldest : *ended) {
            std::uint64_t* const why = reason_to_go(oldest);
            going = why != nullptr;
            if (!going) break;
            gone.remove(oldest);
            ++*why;
            step.bytes += oldest.entry.bytes;
            --sum.documents;
            sum.bytes -= oldest.entry.bytes;
        }
        floor = going ? order.behind_period() : order.period();
    }
    tell_damage(order.damaged_blocks() + gone.damaged_blocks());
    if (step.documents() == 0) return step;
    gone.finish();
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
