// The embedded archive: one RocksDB instance per process, shared by the shards.
//
// For app/: before the shards start (open() blocks)
//     std::string diagnosis;
//     auto store = archive_store::open(options, diagnosis);     // result<std::unique_ptr<archive_store>>
// then, for each shard
//     std::unique_ptr<storage::archive> front = store->open_shard(shard);
// At the end stop() each front on its shard, destroy it there or after the shards' threads have ended, and destroy the
// store last.
//
// RocksDB's write-ahead log is off: put() fills the memtable, and a flush makes durable what it holds. A flush begins
// when the memtable is full or `flush_after` has passed since the first unconfirmed document, whichever comes first.
// The log keeps what the archive has not confirmed, so nothing is lost with the memtable.
//
// A full disk heals by itself: it is tried again every `retry_after`. After any other failed write nothing more is
// confirmed before a restart, since nobody knows what the disk has kept; reads go on.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

#include "runtime/base/result.hpp"
#include "runtime/base/time.hpp"
#include "runtime/shard.hpp"
#include "storage/api/archive.hpp"

namespace storage::embedded {

struct archive_options {
    std::string directory;                                    // made if it is not there
    std::size_t memtable_bytes = 64U << 20;                   // a flush begins at this size
    std::size_t memtables_max = 3;                            // beyond them, writes wait for the disk
    runtime::nanoseconds flush_after = runtime::seconds(10);  // after a shard's first unconfirmed document
    runtime::nanoseconds retry_after = runtime::seconds(1);   // after a failure, before the disk is tried again
    std::size_t block_cache_bytes = 64U << 20;
    int background_threads = 2;  // RocksDB's own, for flushes and compactions
    int open_files_max = 512;
    // Per shard. A single call may exceed the bytes when nothing else waits.
    std::size_t waiting_bytes_max = 64U << 20;    // documents not yet in the memtable
    std::size_t group_bytes_max = 8U << 20;       // documents that go to a helper thread at once
    std::size_t unconfirmed_puts_max = 1U << 20;  // calls of put() that wait for a flush
};

// Read by metrics from any thread; each counts since the start.
struct archive_counters {
    std::atomic<std::uint64_t> documents{0};       // taken into the memtable
    std::atomic<std::uint64_t> groups{0};          // writes that took them
    std::atomic<std::uint64_t> flushes{0};         // completed
    std::atomic<std::uint64_t> confirmed_puts{0};  // on_durable calls
    std::atomic<std::uint64_t> refused_busy{0};    // a limit of archive_options was reached
    std::atomic<std::uint64_t> failures{0};        // writes and flushes that failed
    std::atomic<std::uint64_t> damaged_reads{0};   // that met something which cannot be read
};

class archive_database;

// Lifetime: outlives its fronts. Threads: open() and the destructor where blocking is allowed; the rest from any.
class archive_store {
  public:
    // Blocks for as long as RocksDB needs to open. On failure `diagnosis` says for people what is wrong; the codes are
    // archive_errc's: newer_format, in_use, corrupt, no_space, failed.
    static runtime::result<std::unique_ptr<archive_store>> open(archive_options options, std::string& diagnosis);
    // Blocks: what is in memory is flushed.
    ~archive_store();
    archive_store(const archive_store&) = delete;
    archive_store& operator=(const archive_store&) = delete;

    // The shard's own archive. It is used, and stopped, on that shard alone.
    std::unique_ptr<archive> open_shard(runtime::shard& home);

    // Blocks. Makes `folder`, which must not exist, with the archive as it is now, flushed; files are shared with the
    // archive where the file system is the same, so that it takes next to no space.
    runtime::result<void> checkpoint(const std::string& folder, std::string& diagnosis);

    [[nodiscard]] const archive_options& options() const { return options_; }
    [[nodiscard]] const archive_counters& counters() const { return counters_; }
    // For /readyz?verbose: where it is, and the last failure if the newest write or flush failed,
    // and the last damage that a read has met.
    [[nodiscard]] std::string describe() const;

  private:
    friend class shard_archive;
    class fronts;

    explicit archive_store(archive_options options);

    archive_options options_;
    archive_counters counters_;
    std::unique_ptr<fronts> fronts_;
    std::unique_ptr<archive_database> database_;
};

}  // namespace storage::embedded
