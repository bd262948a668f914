// What archive_database keeps, shared by its .cpp files. Private to this folder: it names RocksDB.
#pragma once

#include <rocksdb/db.h>
#include <rocksdb/listener.h>
#include <rocksdb/options.h>
#include <rocksdb/write_batch.h>

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "storage/embedded/archive/archive_blocks.hpp"
#include "storage/embedded/archive/archive_database.hpp"
#include "storage/embedded/archive/archive_keys.hpp"
#include "storage/embedded/archive/manifest_copy.hpp"
#include "storage/embedded/archive/unflushed_keys.hpp"

namespace storage::embedded {

runtime::error_code code_of(const rocksdb::Status& status);
inline rocksdb::Slice slice(std::string_view bytes) { return {bytes.data(), bytes.size()}; }

// Brings what RocksDB's threads do to the observer. The observer is told of a flush after the manifest that names the
// new file was synced.
class flush_listener final : public rocksdb::EventListener {
  public:
    flush_listener(archive_observer& observer, const std::string& directory) : observer_(observer), copy_(directory) {}

    void OnFlushCompleted(rocksdb::DB*, const rocksdb::FlushJobInfo& info) override {
        // First, so that the copy knows every file with confirmed documents.
        copy_.update();
        observer_.flushed(info.largest_seqno);
    }
    void OnCompactionCompleted(rocksdb::DB*, const rocksdb::CompactionJobInfo&) override { copy_.update(); }
    void copy_manifest() { copy_.update(); }
    void OnBackgroundError(rocksdb::BackgroundErrorReason, rocksdb::Status* status) override;
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
    manifest_copy copy_;
    std::atomic<archive_errc> why_{archive_errc::failed};
    std::atomic<bool> stopped_{false};
};

rocksdb::Options make_options(const archive_options& from, std::shared_ptr<flush_listener> listener);
rocksdb::WriteOptions write_options();
rocksdb::FlushOptions flush_options(bool wait);

// Opens it for reading, however much of it is damaged. Without a word in the server's log.
rocksdb::Status open_to_read(const std::string& directory, std::unique_ptr<rocksdb::DB>& out);

// Checks the format of a directory, writes it into a new one, or brings an older one up to date.
runtime::result<void> settle_format(rocksdb::DB& db, std::string& diagnosis);

struct archive_database::state {
    state(const archive_options& from, archive_observer& told)
        : observer(told),
          listener(std::make_shared<flush_listener>(told, from.directory)),
          options(make_options(from, listener)) {}

    runtime::error_code fail(const rocksdb::Status& status) {
        observer.failed(code_of(status), status.ToString());
        return code_of(status);
    }
    // A read that failed: what is damaged is said in the server's log, since the caller gets but a code.
    runtime::error_code fail_read(const rocksdb::Status& status);
    runtime::error_code damaged(const std::string& what);
    // What a read of a document's key came to; nothing if there is none.
    runtime::result<std::optional<document_summary>> summary_of(runtime::execution_id id, const rocksdb::Status& read,
                                                                std::string_view value);
    runtime::error_code undecodable(runtime::execution_id id);
    // Of a document whose chunks have keys of their own.
    runtime::result<std::vector<document::chunk>> chunks_from(runtime::execution_id id, std::uint32_t first_event,
                                                              std::size_t bytes_max);
    // The documents that a list has just named, but for those that retention has taken since.
    runtime::result<void> add_listed(list_order& list, const std::vector<list_order::item>& items,
                                     std::vector<document_summary>& to);
    // One of them that is missing.
    runtime::result<std::optional<document_summary>> find_listed(list_order& list, const list_order::item& what);
    runtime::error_code fail_list(const list_order& list, runtime::error_code why);
    // After opening: how much there is and where it begins.
    runtime::result<void> look(std::string& diagnosis);
    runtime::result<void> forget_earlier(rocksdb::WriteBatch& batch, removal& earlier, runtime::execution_id id,
                                         archive_keys::stored_totals& sum);
    void tell_damage(std::size_t blocks);
    void set_totals(const archive_keys::stored_totals& now);
    [[nodiscard]] runtime::execution_id lowest_id() const;
    // The smallest id of what arrives, and its first end.
    void lower_floors(runtime::execution_id id, runtime::utc_time ended_at);
    runtime::result<void> raise_lowest();
    runtime::result<retention_step> remove_some(const retention_limits& limits, runtime::utc_time now,
                                                std::size_t documents_max, archive_sequence durable_through);

    archive_observer& observer;
    std::shared_ptr<flush_listener> listener;
    rocksdb::Options options;
    std::unique_ptr<rocksdb::DB> db;
    bool settled = false;  // opened, and found good

    // Held by whoever changes documents, so that the totals are exact: RocksDB takes one batch at a time anyway.
    std::mutex changing;
    // These under `changing`. Nothing that retention could remove has a key before `retention_floor`, a period's:
    // without it each look would pass over everything that was ever removed and not yet compacted.
    archive_keys::stored_totals totals;
    std::string retention_floor;
    // What retention has to leave alone. No snapshot of RocksDB's does the same: with each that ends it writes every
    // file once more that has come to the last level since.
    unflushed_keys unflushed;
    // Since the last document; without `changing`, which a write may hold while it waits for a flush.
    std::atomic<bool> flush_begun{false};

    // No document has an id below it, for the same reason; read by lists.
    mutable std::mutex lowest_guard;
    runtime::execution_id lowest;
    std::atomic<std::uint64_t> documents{0};  // totals, for metrics
    std::atomic<std::uint64_t> bytes{0};
};

}  // namespace storage::embedded
