#include "storage/embedded/archive/archive_database.hpp"

#include <rocksdb/cache.h>
#include <rocksdb/db.h>
#include <rocksdb/env.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/listener.h>
#include <rocksdb/options.h>
#include <rocksdb/slice_transform.h>
#include <rocksdb/table.h>
#include <rocksdb/write_batch.h>

#include <atomic>
#include <charconv>
#include <cstdarg>
#include <cstdio>
#include <filesystem>

#include "runtime/base/log.hpp"
#include "storage/embedded/archive/archive_keys.hpp"

namespace storage::embedded {
namespace {

using runtime::error_code;
using runtime::result;

// Values of this size and more lie in files of their own, so that a compaction does not copy them again and again.
constexpr std::uint64_t separate_value_bytes_min = 4096;

error_code code_of(const rocksdb::Status& status) {
    if (status.IsNoSpace()) return archive_errc::no_space;
    if (status.IsCorruption()) return archive_errc::corrupt;
    return archive_errc::failed;
}

rocksdb::Slice slice(std::string_view bytes) { return {bytes.data(), bytes.size()}; }

// Documents of one list come in the order of time: with this RocksDB remembers where the last one went in the memtable,
// which halves the price of the two index keys.
class index_prefixes final : public rocksdb::SliceTransform {
  public:
    const char* Name() const override { return "weir.index_prefixes"; }
    rocksdb::Slice Transform(const rocksdb::Slice& key) const override { return {key.data(), length_of(key)}; }
    bool InDomain(const rocksdb::Slice& key) const override { return length_of(key) != 0; }

  private:
    static std::size_t length_of(const rocksdb::Slice& key) {
        return archive_keys::index_prefix_length({key.data(), key.size()});
    }
};

// Brings what RocksDB's threads do to the observer. The observer is told of a flush after the manifest that names the
// new file was synced.
class flush_listener final : public rocksdb::EventListener {
  public:
    explicit flush_listener(archive_observer& observer) : observer_(observer) {}

    void OnFlushCompleted(rocksdb::DB*, const rocksdb::FlushJobInfo& info) override {
        observer_.flushed(info.largest_seqno);
    }
    void OnBackgroundError(rocksdb::BackgroundErrorReason, rocksdb::Status* status) override {
        why_ = code_of(*status) == archive_errc::no_space ? archive_errc::no_space : archive_errc::failed;
        stopped_ = true;
        observer_.failed(code_of(*status), status->ToString());
    }
    void OnErrorRecoveryCompleted(rocksdb::Status) override { resumed(); }

    void resumed() {
        stopped_ = false;
        observer_.recovered();
    }
    // After a failure in the background RocksDB takes orders to flush, and does nothing.
    [[nodiscard]] bool stopped() const { return stopped_; }
    [[nodiscard]] archive_errc why() const { return why_; }

  private:
    archive_observer& observer_;
    std::atomic<archive_errc> why_{archive_errc::failed};
    std::atomic<bool> stopped_{false};
};

// RocksDB's warnings become lines of ours. Its own log file is not used: Debian builds the library with assertions, and
// one of them aborts when a line is logged after a write to that file has failed, as on a full disk.
class log_bridge final : public rocksdb::Logger {
  public:
    log_bridge() : rocksdb::Logger(rocksdb::InfoLogLevel::WARN_LEVEL) {}

    using rocksdb::Logger::Logv;
    void Logv(const char* format, va_list arguments) override {
        Logv(rocksdb::InfoLogLevel::WARN_LEVEL, format, arguments);
    }
    void Logv(rocksdb::InfoLogLevel level, const char* format, va_list arguments) override {
        if (level < GetInfoLogLevel() || level == rocksdb::InfoLogLevel::HEADER_LEVEL) return;
        char text[runtime::log_value_bytes_max];
        if (std::vsnprintf(text, sizeof text, format, arguments) < 0) return;
        const bool is_error = level >= rocksdb::InfoLogLevel::ERROR_LEVEL;
        runtime::log(is_error ? runtime::log_level::error : runtime::log_level::warning, "rocksdb says",
                     {{"text", std::string_view(text)}});
    }

  private:
    rocksdb::Status CloseImpl() override { return rocksdb::Status::OK(); }
};

rocksdb::Options make_options(const archive_options& from, std::shared_ptr<flush_listener> listener) {
    rocksdb::Options to;
    to.create_if_missing = true;
    to.write_buffer_size = from.memtable_bytes;
    to.max_write_buffer_number = static_cast<int>(from.memtables_max);
    to.max_background_jobs = from.background_threads;
    to.max_open_files = from.open_files_max;
    to.bytes_per_sync = 1U << 20;
    to.compression = rocksdb::kLZ4Compression;
    to.enable_blob_files = true;
    to.min_blob_size = separate_value_bytes_min;
    to.blob_compression_type = rocksdb::kLZ4Compression;
    to.enable_blob_garbage_collection = true;
    to.memtable_insert_with_hint_prefix_extractor = std::make_shared<index_prefixes>();
    to.allow_concurrent_memtable_write = false;  // with it RocksDB ignores the hints
    to.listeners.push_back(std::move(listener));
    to.info_log = std::make_shared<log_bridge>();
    to.info_log_level = rocksdb::InfoLogLevel::WARN_LEVEL;

    rocksdb::BlockBasedTableOptions table;
    table.block_cache = rocksdb::NewLRUCache(from.block_cache_bytes);
    table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10));
    table.cache_index_and_filter_blocks = true;
    table.block_size = 16U << 10;
    to.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
    return to;
}

rocksdb::WriteOptions write_options() {
    rocksdb::WriteOptions options;
    options.disableWAL = true;
    return options;
}

rocksdb::FlushOptions flush_options(bool wait) {
    rocksdb::FlushOptions options;
    options.wait = wait;
    options.allow_write_stall = true;
    return options;
}

void add(rocksdb::WriteBatch& batch, const document& what) {
    batch.Put(archive_keys::document_key(what.id), archive_keys::encode_document(what));
    batch.Put(archive_keys::index_key(archive_keys::tenant_prefix(what.tenant), what.id), rocksdb::Slice());
    batch.Put(archive_keys::index_key(archive_keys::user_prefix(what.tenant, what.user), what.id), rocksdb::Slice());
    for (const auto& chunk : what.chunks) batch.Put(archive_keys::chunk_key(what.id, chunk.first_event), chunk.bytes);
}

// Checks the format of a directory, or writes it into a new one.
result<void> settle_format(rocksdb::DB& db, std::string& diagnosis) {
    std::string text;
    const auto found = db.Get(rocksdb::ReadOptions(), slice(archive_keys::format_key), &text);
    if (found.ok()) {
        std::uint32_t version = 0;
        const auto parsed = std::from_chars(text.data(), text.data() + text.size(), version);
        if (parsed.ec != std::errc() || parsed.ptr != text.data() + text.size()) {
            diagnosis = "its format version cannot be read";
            return archive_errc::corrupt;
        }
        if (version > archive_keys::format_version) {
            diagnosis = "it was written by a later version (format " + text + ", this version knows " +
                        std::to_string(archive_keys::format_version) + ")";
            return archive_errc::newer_format;
        }
        return {};
    }
    auto why = found;
    if (found.IsNotFound()) {
        const std::unique_ptr<rocksdb::Iterator> any(db.NewIterator(rocksdb::ReadOptions()));
        any->SeekToFirst();
        if (any->Valid()) {
            diagnosis = "it holds keys but no format version";
            return archive_errc::corrupt;
        }
        why = db.Put(write_options(), slice(archive_keys::format_key), std::to_string(archive_keys::format_version));
        if (why.ok()) why = db.Flush(flush_options(true));
        if (why.ok()) return {};
    }
    diagnosis = why.ToString();
    return code_of(why);
}

}  // namespace

struct archive_database::state {
    state(const archive_options& from, archive_observer& told)
        : observer(told), listener(std::make_shared<flush_listener>(told)), options(make_options(from, listener)) {}

    archive_observer& observer;
    std::shared_ptr<flush_listener> listener;
    rocksdb::Options options;
    std::unique_ptr<rocksdb::DB> db;

    error_code fail(const rocksdb::Status& status) {
        observer.failed(code_of(status), status.ToString());
        return code_of(status);
    }
};

archive_database::archive_database(std::unique_ptr<state> opened) : state_(std::move(opened)) {}

archive_database::~archive_database() {
    // Flushes what is in memory, as far as the disk lets it; what is not confirmed is still in the log.
    if (state_->db) state_->db->Close().PermitUncheckedError();
}

result<std::unique_ptr<archive_database>> archive_database::open(const archive_options& options,
                                                                 archive_observer& observer, std::string& diagnosis) {
    std::error_code made;
    std::filesystem::create_directories(options.directory, made);
    if (made) {
        diagnosis = "archive " + options.directory + ": " + made.message();
        return archive_errc::failed;
    }
    auto opened = std::make_unique<state>(options, observer);
    rocksdb::DB* db = nullptr;
    const auto status = rocksdb::DB::Open(opened->options, options.directory, &db);
    opened->db.reset(db);
    if (!status.ok()) {
        diagnosis = "archive " + options.directory + ": " + status.ToString();
        const bool locked = status.IsIOError() && diagnosis.find("lock") != std::string::npos;
        if (locked) return archive_errc::in_use;
        return code_of(status);
    }
    std::string why;
    const auto format = settle_format(*opened->db, why);
    if (!format) {
        diagnosis = "archive " + options.directory + ": " + why;
        return format.error();
    }
    return std::unique_ptr<archive_database>(new archive_database(std::move(opened)));
}

result<archive_sequence> archive_database::write(const std::vector<const document*>& documents) {
    rocksdb::WriteBatch batch;
    for (const auto* each : documents) add(batch, *each);
    const auto status = state_->db->Write(write_options(), &batch);
    if (!status.ok()) return state_->fail(status);
    return latest();
}

result<archive_sequence> archive_database::start_flush() {
    const archive_sequence through = latest();
    rocksdb::Status status;
    if (state_->listener->stopped()) {
        // Tries the work that failed once more, and flushes.
        status = state_->db->Resume();
        if (status.IsBusy()) return state_->listener->why();  // RocksDB is trying by itself
        if (status.ok()) state_->listener->resumed();
    }
    if (status.ok()) status = state_->db->Flush(flush_options(false));
    if (!status.ok()) return state_->fail(status);
    return through;
}

result<std::optional<document_summary>> archive_database::find(runtime::execution_id id) {
    std::string value;
    const auto status = state_->db->Get(rocksdb::ReadOptions(), archive_keys::document_key(id), &value);
    if (status.IsNotFound()) return std::optional<document_summary>();
    if (!status.ok()) return code_of(status);
    auto found = archive_keys::decode_document(id, value);
    if (!found) return archive_errc::corrupt;
    return found;
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
        if (!number) return archive_errc::corrupt;
        bytes += at->value().size();
        if (!chunks.empty() && bytes > bytes_max) break;
        chunks.push_back({*number, at->value().ToString()});
    }
    if (!at->status().ok()) return code_of(at->status());
    return chunks;
}

result<std::vector<document_summary>> archive_database::list(runtime::uuid tenant, runtime::uuid user,
                                                             std::optional<runtime::execution_id> before,
                                                             std::size_t limit) {
    const std::string prefix =
        user.is_nil() ? archive_keys::tenant_prefix(tenant) : archive_keys::user_prefix(tenant, user);
    const std::string upper = before ? archive_keys::index_key(prefix, *before) : archive_keys::behind(prefix);
    const rocksdb::Slice lower_bound(prefix);
    const rocksdb::Slice upper_bound(upper);
    rocksdb::ReadOptions options;
    options.iterate_lower_bound = &lower_bound;
    options.iterate_upper_bound = &upper_bound;

    std::vector<runtime::execution_id> ids;
    const std::unique_ptr<rocksdb::Iterator> at(state_->db->NewIterator(options));
    for (at->SeekToLast(); at->Valid() && ids.size() < limit; at->Prev()) {
        const auto id = archive_keys::id_at_end(at->key().ToStringView());
        if (!id) return archive_errc::corrupt;
        ids.push_back(*id);
    }
    if (!at->status().ok()) return code_of(at->status());

    std::vector<std::string> keys;
    keys.reserve(ids.size());
    for (const auto& id : ids) keys.push_back(archive_keys::document_key(id));
    const std::vector<rocksdb::Slice> slices(keys.begin(), keys.end());
    std::vector<std::string> values;
    const auto statuses = state_->db->MultiGet(rocksdb::ReadOptions(), slices, &values);
    std::vector<document_summary> documents;
    documents.reserve(ids.size());
    for (std::size_t i = 0; i < ids.size(); ++i) {
        // An index key and its document are written together: one without the other is damage.
        if (statuses[i].IsNotFound()) return archive_errc::corrupt;
        if (!statuses[i].ok()) return code_of(statuses[i]);
        auto found = archive_keys::decode_document(ids[i], values[i]);
        if (!found) return archive_errc::corrupt;
        documents.push_back(std::move(*found));
    }
    return documents;
}

archive_sequence archive_database::latest() const { return state_->db->GetLatestSequenceNumber(); }

}  // namespace storage::embedded
