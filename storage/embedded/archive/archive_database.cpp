#include "storage/embedded/archive/archive_database.hpp"

#include <rocksdb/perf_level.h>
#include <rocksdb/utilities/checkpoint.h>

#include <algorithm>
#include <array>
#include <filesystem>

#include "storage/embedded/archive/archive_blocks.hpp"
#include "storage/embedded/archive/archive_check.hpp"
#include "storage/embedded/archive/archive_files.hpp"
#include "storage/embedded/archive/archive_keys.hpp"
#include "storage/embedded/archive/archive_state.hpp"

namespace storage::embedded {

using runtime::error_code;
using runtime::result;

namespace {

// A document and its chunks; not what names it.
void add_document(rocksdb::WriteBatch& batch, const document& what) {
    const auto key = archive_keys::document_key(what.id);
    const auto head = archive_keys::encode_document_head(what);
    const auto* const chunk = archive_keys::inline_chunk(what);
    const std::array key_parts{rocksdb::Slice(key)};
    const std::array value_parts{rocksdb::Slice(head),
                                 rocksdb::Slice(chunk != nullptr ? chunk->bytes : std::string_view()),
                                 rocksdb::Slice(what.summary)};
    batch.Put({key_parts.data(), static_cast<int>(key_parts.size())},
              {value_parts.data(), static_cast<int>(value_parts.size())});
    if (chunk != nullptr) return;
    for (const auto& each : what.chunks) batch.Put(archive_keys::chunk_key(what.id, each.first_event), each.bytes);
}

// By id, each once: the same one twice would be counted twice. They have the same content.
std::vector<const document*> once_each(std::vector<const document*> documents) {
    const auto id_of = [](const document* what) { return what->id; };
    std::ranges::sort(documents, {}, id_of);
    const auto again = std::ranges::unique(documents, {}, id_of);
    documents.erase(again.begin(), again.end());
    return documents;
}

}  // namespace

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
    const auto each = once_each(documents);
    const std::lock_guard hold(state_->changing);
    rocksdb::SetPerfLevel(rocksdb::PerfLevel::kDisable);  // this thread's counters, which nobody reads
    rocksdb::WriteBatch batch;
    removal earlier(*state_->db, batch);
    archive_keys::stored_totals sum = state_->totals;
    std::vector<indexed_document> indexed;
    indexed.reserve(each.size());
    for (const auto* what : each) {
        if (!what->is_new) {
            const auto forgotten = state_->forget_earlier(batch, earlier, what->id, sum);
            if (!forgotten) return forgotten.error();
        }
        add_document(batch, *what);
        auto& one = indexed.emplace_back(what->tenant, what->user, archive_keys::entry_of(*what));
        ++sum.documents;
        sum.bytes += one.entry.bytes;
    }
    earlier.finish();
    state_->tell_damage(earlier.damaged_blocks());
    std::string first_to_go;
    if (!each.empty()) {
        const auto order = [](const document* what) { return std::pair(what->ended_at, what->id); };
        const document& first = **std::ranges::min_element(each, {}, order);
        first_to_go = archive_keys::position_of(first.ended_at, first.id);
        state_->lower_floors(each.front()->id, first.ended_at);
    }
    add_blocks(batch, std::move(indexed), sum.batches);
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

error_code archive_database::state::undecodable(runtime::execution_id id) {
    return damaged("document " + id.to_string() + " cannot be decoded");
}

result<std::optional<document_summary>> archive_database::state::summary_of(runtime::execution_id id,
                                                                            const rocksdb::Status& read,
                                                                            std::string_view value) {
    if (read.IsNotFound()) return std::optional<document_summary>();
    if (!read.ok()) return fail_read(read);
    auto found = archive_keys::decode_document(id, value);
    if (!found) return undecodable(id);
    return std::optional<document_summary>(std::move(found->summary));
}

// Retention may take a document between a look into a list and one at the document, but never one without the other.
result<std::optional<document_summary>> archive_database::state::find_listed(list_order& list,
                                                                             const list_order::item& what) {
    const std::lock_guard hold(changing);
    std::string value;
    const auto status = db->Get(rocksdb::ReadOptions(), archive_keys::document_key(what.id), &value);
    if (!status.IsNotFound()) return summary_of(what.id, status, value);
    const auto named = list.still_names(what);
    if (!named) return fail_list(list, named.error());
    if (!*named) return std::optional<document_summary>();
    return damaged("document " + what.id.to_string() + " is missing");
}

error_code archive_database::state::fail_list(const list_order& list, error_code why) {
    return why == archive_errc::corrupt ? damaged(list.diagnosis()) : why;
}

result<std::vector<document::chunk>> archive_database::events(runtime::execution_id id, std::uint32_t first_event,
                                                              std::size_t bytes_max) {
    std::string value;
    const auto status = state_->db->Get(rocksdb::ReadOptions(), archive_keys::document_key(id), &value);
    if (status.IsNotFound()) return std::vector<document::chunk>();
    if (!status.ok()) return state_->fail_read(status);
    auto whole = archive_keys::decode_document(id, value);
    if (!whole) return state_->undecodable(id);
    if (!whole->chunk) return state_->chunks_from(id, first_event, bytes_max);
    std::vector<document::chunk> only;
    only.push_back({whole->chunk->first_event, std::string(whole->chunk->bytes)});
    return only;
}

result<std::vector<document::chunk>> archive_database::state::chunks_from(runtime::execution_id id,
                                                                          std::uint32_t first_event,
                                                                          std::size_t bytes_max) {
    const std::string lower = archive_keys::chunk_prefix(id);
    const std::string upper = archive_keys::behind(lower);
    const rocksdb::Slice lower_bound(lower);
    const rocksdb::Slice upper_bound(upper);
    rocksdb::ReadOptions reading;
    reading.iterate_lower_bound = &lower_bound;
    reading.iterate_upper_bound = &upper_bound;
    const std::unique_ptr<rocksdb::Iterator> at(db->NewIterator(reading));
    at->SeekForPrev(archive_keys::chunk_key(id, first_event));
    if (!at->Valid()) at->SeekToFirst();

    std::vector<document::chunk> chunks;
    std::size_t total = 0;
    for (; at->Valid() && (chunks.empty() || total < bytes_max); at->Next()) {
        const auto number = archive_keys::first_event_at_end(at->key().ToStringView());
        if (!number) return damaged("a chunk's key cannot be decoded");
        total += at->value().size();
        if (!chunks.empty() && total > bytes_max) break;
        chunks.push_back({*number, at->value().ToString()});
    }
    if (!at->status().ok()) return fail_read(at->status());
    return chunks;
}

result<std::vector<document_summary>> archive_database::list(runtime::uuid tenant, runtime::uuid user,
                                                             std::optional<runtime::execution_id> before,
                                                             std::size_t limit) {
    const std::string prefix =
        user.is_nil() ? archive_keys::tenant_prefix(tenant) : archive_keys::user_prefix(tenant, user);
    list_order list(*state_->db, prefix, before, state_->lowest_id());
    std::vector<document_summary> documents;
    // Again for what retention has taken since the list was read: a short page means that there is nothing below it.
    while (documents.size() < limit) {
        const auto items = list.next(limit - documents.size());
        if (!items) return state_->fail_list(list, items.error());
        if (items->empty()) break;
        const auto added = state_->add_listed(list, *items, documents);
        if (!added) return added.error();
    }
    return documents;
}

result<void> archive_database::state::add_listed(list_order& list, const std::vector<list_order::item>& items,
                                                 std::vector<document_summary>& to) {
    std::vector<std::string> keys;
    keys.reserve(items.size());
    for (const auto& item : items) keys.push_back(archive_keys::document_key(item.id));
    const std::vector<rocksdb::Slice> slices(keys.begin(), keys.end());
    std::vector<std::string> values;
    const auto statuses = db->MultiGet(rocksdb::ReadOptions(), slices, &values);
    to.reserve(to.size() + items.size());
    for (std::size_t i = 0; i < items.size(); ++i) {
        auto found =
            statuses[i].IsNotFound() ? find_listed(list, items[i]) : summary_of(items[i].id, statuses[i], values[i]);
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
