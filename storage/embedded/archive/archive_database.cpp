#include "storage/embedded/archive/archive_database.hpp"

#include <rocksdb/perf_level.h>
#include <rocksdb/utilities/checkpoint.h>

#include <filesystem>
#include <map>

#include "storage/embedded/archive/archive_check.hpp"
#include "storage/embedded/archive/archive_files.hpp"
#include "storage/embedded/archive/archive_keys.hpp"
#include "storage/embedded/archive/archive_state.hpp"

namespace storage::embedded {

using runtime::result;

void add_document(rocksdb::WriteBatch& batch, const document& what) {
    batch.Put(archive_keys::document_key(what.id), archive_keys::encode_document(what));
    batch.Put(archive_keys::index_key(archive_keys::tenant_prefix(what.tenant), what.id), rocksdb::Slice());
    batch.Put(archive_keys::index_key(archive_keys::user_prefix(what.tenant, what.user), what.id), rocksdb::Slice());
    for (const auto& chunk : what.chunks) batch.Put(archive_keys::chunk_key(what.id, chunk.first_event), chunk.bytes);
    const auto entry = archive_keys::entry_of(what);
    batch.Put(archive_keys::retention_key(what.ended_at, what.id), archive_keys::encode_entry(entry));
}

archive_database::archive_database(std::unique_ptr<state> opened) : state_(std::move(opened)) {}

archive_database::~archive_database() {
    // Flushes what is in memory, as far as the disk lets it; what is not confirmed is still in the log.
    if (!state_->db) return;
    state_->db->Close().PermitUncheckedError();
    // RocksDB tells nobody what it does while it closes.
    if (!state_->settled) return;
    state_->listener->copy_manifest();
}

result<std::unique_ptr<archive_database>> archive_database::open(const archive_options& options,
                                                                 archive_observer& observer, std::string& diagnosis) {
    std::error_code made;
    std::filesystem::create_directories(options.directory, made);
    if (made) {
        diagnosis = "archive " + options.directory + ": " + made.message();
        return archive_errc::failed;
    }
    const auto damaged = [&](const std::string& what) {
        diagnosis = "archive " + options.directory + ": " + what +
                    "; `weir archive verify` looks at all of it, `weir archive repair` saves what is whole";
        return make_error_code(archive_errc::corrupt);
    };
    // What RocksDB would take for whole, or for new.
    const auto metadata = find_metadata_damage(options.directory);
    if (!metadata.empty()) return damaged(metadata);
    auto opened = std::make_unique<state>(options, observer);
    rocksdb::DB* db = nullptr;
    const auto status = rocksdb::DB::Open(opened->options, options.directory, &db);
    opened->db.reset(db);
    if (!status.ok()) {
        diagnosis = "archive " + options.directory + ": " + status.ToString();
        const bool locked = status.IsIOError() && diagnosis.find("lock") != std::string::npos;
        if (locked) return archive_errc::in_use;
        if (code_of(status) == archive_errc::corrupt) {
            // RocksDB's own words do not name the file that is missing.
            const auto missing = find_missing_files(options.directory);
            return damaged(missing.empty() ? status.ToString() : missing.front());
        }
        return code_of(status);
    }
    const auto missing = find_missing_files(*opened->db, options.directory);
    if (!missing.empty()) return damaged(missing.front());
    std::string why;
    auto usable = settle_format(*opened->db, why);
    if (usable) usable = opened->look(why);
    if (!usable) {
        if (usable.error() == archive_errc::corrupt) return damaged(why);
        diagnosis = "archive " + options.directory + ": " + why;
        return usable.error();
    }
    opened->settled = true;
    opened->listener->copy_manifest();
    return std::unique_ptr<archive_database>(new archive_database(std::move(opened)));
}

result<archive_sequence> archive_database::write(const std::vector<const document*>& documents) {
    // The same one twice in a batch would be counted twice.
    std::map<runtime::execution_id, const document*> each;
    for (const auto* one : documents) each[one->id] = one;
    const std::lock_guard hold(state_->changing);
    rocksdb::SetPerfLevel(rocksdb::PerfLevel::kDisable);  // this thread's counters, which nobody reads
    rocksdb::WriteBatch batch;
    archive_totals sum = state_->totals;
    std::string first_to_go;
    for (const auto& [id, what] : each) {
        if (!what->is_new) {
            const auto earlier = state_->forget_earlier(batch, *what, sum);
            if (!earlier) return earlier.error();
        }
        add_document(batch, *what);
        ++sum.documents;
        sum.bytes += archive_keys::entry_of(*what).bytes;
        auto key = archive_keys::retention_key(what->ended_at, what->id);
        if (first_to_go.empty() || key < first_to_go) first_to_go = std::move(key);
    }
    if (!each.empty()) state_->lower_floors(each.begin()->first, first_to_go);
    batch.Put(slice(archive_keys::totals_key), archive_keys::encode_totals(sum));
    const auto status = state_->db->Write(write_options(), &batch);
    if (!status.ok()) return state_->fail(status);
    state_->set_totals(sum);
    const archive_sequence written = latest();
    if (state_->flush_begun.exchange(false)) state_->unflushed.close_group();
    if (!each.empty()) state_->unflushed.put(written, std::move(first_to_go));
    return written;
}

result<archive_sequence> archive_database::start_flush(when_crowded otherwise) {
    const archive_sequence through = latest();
    state_->flush_begun = true;
    rocksdb::Status status;
    if (state_->listener->stopped()) {
        // Tries the work that failed once more, and flushes.
        status = state_->db->Resume();
        if (status.IsBusy()) return state_->listener->why();  // RocksDB is trying by itself
        if (status.ok()) state_->listener->resumed();
    }
    if (status.ok()) status = state_->db->Flush(flush_options(false));
    if (status.IsTryAgain()) {
        if (otherwise == when_crowded::refuse) return archive_errc::busy;
        status = state_->db->Flush(flush_options(true));
    }
    if (!status.ok()) return state_->fail(status);
    return through;
}

result<std::optional<document_summary>> archive_database::find(runtime::execution_id id) {
    std::string value;
    const auto status = state_->db->Get(rocksdb::ReadOptions(), archive_keys::document_key(id), &value);
    return state_->summary_of(id, status, value);
}

result<std::optional<document_summary>> archive_database::state::summary_of(runtime::execution_id id,
                                                                            const rocksdb::Status& read,
                                                                            std::string_view value) {
    if (read.IsNotFound()) return std::optional<document_summary>();
    if (!read.ok()) return fail_read(read);
    auto found = archive_keys::decode_document(id, value);
    if (!found) return damaged("document " + id.to_string() + " cannot be decoded");
    return std::optional<document_summary>(std::move(found->summary));
}

// Retention may take a document between a look into an index and one at the document, but never one without the other.
result<std::optional<document_summary>> archive_database::state::find_listed(const std::string& index_key,
                                                                             runtime::execution_id id) {
    const std::lock_guard hold(changing);
    std::string value;
    auto status = db->Get(rocksdb::ReadOptions(), archive_keys::document_key(id), &value);
    if (!status.IsNotFound()) return summary_of(id, status, value);
    status = db->Get(rocksdb::ReadOptions(), index_key, &value);
    if (status.IsNotFound()) return std::optional<document_summary>();
    if (!status.ok()) return fail_read(status);
    return damaged("document " + id.to_string() + " is missing");
}

result<std::vector<document::chunk>> archive_database::events(runtime::execution_id id, std::uint32_t first_event,
                                                              std::size_t bytes_max) {
    const std::string lower = archive_keys::chunk_prefix(id);
    const std::string upper = archive_keys::behind(lower);
    const rocksdb::Slice lower_bound(lower);
    const rocksdb::Slice upper_bound(upper);
    rocksdb::ReadOptions options;
    options.iterate_lower_bound = &lower_bound;
    options.iterate_upper_bound = &upper_bound;
    const std::unique_ptr<rocksdb::Iterator> at(state_->db->NewIterator(options));
    at->SeekForPrev(archive_keys::chunk_key(id, first_event));
    if (!at->Valid()) at->SeekToFirst();

    std::vector<document::chunk> chunks;
    std::size_t bytes = 0;
    for (; at->Valid() && (chunks.empty() || bytes < bytes_max); at->Next()) {
        const auto number = archive_keys::first_event_at_end(at->key().ToStringView());
        if (!number) return state_->damaged("a chunk's key cannot be decoded");
        bytes += at->value().size();
        if (!chunks.empty() && bytes > bytes_max) break;
        chunks.push_back({*number, at->value().ToString()});
    }
    if (!at->status().ok()) return state_->fail_read(at->status());
    return chunks;
}

result<std::vector<document_summary>> archive_database::list(runtime::uuid tenant, runtime::uuid user,
                                                             std::optional<runtime::execution_id> before,
                                                             std::size_t limit) {
    const std::string prefix =
        user.is_nil() ? archive_keys::tenant_prefix(tenant) : archive_keys::user_prefix(tenant, user);
    const std::string upper = before ? archive_keys::index_key(prefix, *before) : archive_keys::behind(prefix);
    const std::string lower = archive_keys::index_key(prefix, state_->lowest_id());
    if (upper <= lower) return std::vector<document_summary>();
    const rocksdb::Slice lower_bound(lower);
    const rocksdb::Slice upper_bound(upper);
    rocksdb::ReadOptions options;
    options.iterate_lower_bound = &lower_bound;
    options.iterate_upper_bound = &upper_bound;

    const std::unique_ptr<rocksdb::Iterator> at(state_->db->NewIterator(options));
    at->SeekToLast();
    std::vector<document_summary> documents;
    // Again for what retention has taken since the iterator began: a short page means that there is nothing below it.
    while (documents.size() < limit && at->Valid()) {
        std::vector<runtime::execution_id> ids;
        for (; at->Valid() && documents.size() + ids.size() < limit; at->Prev()) {
            const auto id = archive_keys::id_at_end(at->key().ToStringView());
            if (!id) return state_->damaged("an index's key cannot be decoded");
            ids.push_back(*id);
        }
        const auto added = state_->add_listed(prefix, ids, documents);
        if (!added) return added.error();
    }
    if (!at->status().ok()) return state_->fail_read(at->status());
    return documents;
}

result<void> archive_database::state::add_listed(const std::string& prefix,
                                                 const std::vector<runtime::execution_id>& ids,
                                                 std::vector<document_summary>& to) {
    std::vector<std::string> keys;
    keys.reserve(ids.size());
    for (const auto& id : ids) keys.push_back(archive_keys::document_key(id));
    const std::vector<rocksdb::Slice> slices(keys.begin(), keys.end());
    std::vector<std::string> values;
    const auto statuses = db->MultiGet(rocksdb::ReadOptions(), slices, &values);
    to.reserve(to.size() + ids.size());
    for (std::size_t i = 0; i < ids.size(); ++i) {
        auto found = statuses[i].IsNotFound() ? find_listed(archive_keys::index_key(prefix, ids[i]), ids[i])
                                              : summary_of(ids[i], statuses[i], values[i]);
        if (!found) return found.error();
        if (*found) to.push_back(std::move(**found));
    }
    return {};
}

result<void> archive_database::checkpoint(const std::string& folder, std::string& diagnosis) {
    rocksdb::Checkpoint* raw = nullptr;
    auto status = rocksdb::Checkpoint::Create(state_->db.get(), &raw);
    const std::unique_ptr<rocksdb::Checkpoint> checkpoint(raw);
    // 0: what is in memory is flushed first, since no other log has it.
    if (status.ok()) status = checkpoint->CreateCheckpoint(folder, 0);
    if (status.ok()) return {};
    diagnosis = status.ToString();
    return code_of(status);
}

archive_sequence archive_database::latest() const { return state_->db->GetLatestSequenceNumber(); }

}  // namespace storage::embedded
