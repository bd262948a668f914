// How RocksDB is set up: options, its messages, what its threads tell us.
#include <rocksdb/cache.h>
#include <rocksdb/env.h>
#include <rocksdb/file_checksum.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/slice_transform.h>
#include <rocksdb/sst_partitioner.h>
#include <rocksdb/table.h>
#include <rocksdb/utilities/table_properties_collectors.h>

#include <cstdarg>
#include <cstdio>

#include "runtime/base/log.hpp"
#include "storage/embedded/archive/archive_keys.hpp"
#include "storage/embedded/archive/archive_state.hpp"

namespace storage::embedded {

using runtime::error_code;

namespace {

// Values of this size and more lie in files of their own, so that a compaction does not copy them again and again.
constexpr std::uint64_t separate_value_bytes_min = 4096;

// Keys of one kind, and of one list, come about in the order of time: with this RocksDB remembers where the last one
// went in the memtable, which halves the price of the next.
class run_prefixes final : public rocksdb::SliceTransform {
  public:
    const char* Name() const override { return "weir.run_prefixes"; }
    rocksdb::Slice Transform(const rocksdb::Slice& key) const override { return {key.data(), length_of(key)}; }
    bool InDomain(const rocksdb::Slice& key) const override { return length_of(key) != 0; }

  private:
    static std::size_t length_of(const rocksdb::Slice& key) {
        return archive_keys::run_prefix_length({key.data(), key.size()});
    }
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

// A file in which so many of so many neighbouring keys are deletions is compacted.
constexpr std::size_t deletion_window = 4096;
constexpr std::size_t deletion_trigger = 2048;

constexpr std::size_t manifest_bytes_max = 1U << 20;

constexpr std::uint64_t first_level_bytes = 8U << 20;

}  // namespace

error_code code_of(const rocksdb::Status& status) {
    if (status.IsNoSpace()) return archive_errc::no_space;
    if (status.IsCorruption() || status.IsPathNotFound()) return archive_errc::corrupt;
    return archive_errc::failed;
}

error_code archive_database::state::fail_read(const rocksdb::Status& status) {
    if (code_of(status) == archive_errc::corrupt) return damaged(status.ToString());
    return code_of(status);
}

error_code archive_database::state::damaged(const std::string& what) {
    runtime::log(runtime::log_level::error, "the archive is damaged",
                 {{"what", what}, {"help", "weir archive verify, weir archive repair"}});
    observer.damaged(what);
    return archive_errc::corrupt;
}

void flush_listener::OnBackgroundError(rocksdb::BackgroundErrorReason, rocksdb::Status* status) {
    why_ = code_of(*status) == archive_errc::no_space ? archive_errc::no_space : archive_errc::failed;
    stopped_ = true;
    observer_.failed(code_of(*status), status->ToString());
}

rocksdb::Options make_options(const archive_options& from, std::shared_ptr<flush_listener> listener) {
    rocksdb::Options to;
    to.create_if_missing = true;
    to.write_buffer_size = from.memtable_bytes;
    to.max_write_buffer_number = static_cast<int>(from.memtables_max);
    to.max_background_jobs = from.background_threads;
    to.max_open_files = from.open_files_max;
    // Keys of one kind come about in the order of time. Where no file holds two kinds, what is new lies behind all that
    // is old, and moves down the levels without being written again. Only what comes from memory is merged with the
    // first level, which is therefore small.
    to.sst_partitioner_factory = rocksdb::NewSstPartitionerFixedPrefixFactory(archive_keys::kind_bytes);
    to.max_bytes_for_level_base = first_level_bytes;
    // The threads that RocksDB opens its files with cost a start more than the few files of a node do.
    to.max_file_opening_threads = 1;
    to.bytes_per_sync = 1U << 20;
    to.compression = rocksdb::kLZ4Compression;
    to.enable_blob_files = true;
    to.min_blob_size = separate_value_bytes_min;
    to.blob_compression_type = rocksdb::kLZ4Compression;
    to.enable_blob_garbage_collection = true;
    to.memtable_insert_with_hint_prefix_extractor = std::make_shared<run_prefixes>();
    to.allow_concurrent_memtable_write = false;  // with it RocksDB ignores the hints
    to.listeners.push_back(std::move(listener));
    // A checksum of every whole file, for `weir archive verify` and backups.
    to.file_checksum_gen_factory = rocksdb::GetFileChecksumGenCrc32cFactory();
    // What retention has removed leaves the disk with the next compactions, not when chance rewrites it.
    to.table_properties_collector_factories.push_back(
        rocksdb::NewCompactOnDeletionCollectorFactory(deletion_window, deletion_trigger));
    // It is copied whole after each change, so it is kept small: RocksDB begins a new one.
    to.max_manifest_file_size = manifest_bytes_max;
    to.info_log = std::make_shared<log_bridge>();
    to.info_log_level = rocksdb::InfoLogLevel::WARN_LEVEL;

    rocksdb::BlockBasedTableOptions table;
    // A file of some 64 MiB has a filter of more than a mebibyte. In one of the 64 parts that the cache has by default
    // it finds no room, and would be read again for every single look-up.
    table.block_cache = rocksdb::NewLRUCache(from.block_cache_bytes, 2);
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

}  // namespace storage::embedded
