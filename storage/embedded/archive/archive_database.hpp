// RocksDB behind blocking calls; its headers stay in archive_database.cpp. Private to this folder.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "runtime/base/result.hpp"
#include "storage/api/archive.hpp"
#include "storage/embedded/archive/archive_store.hpp"

namespace storage::embedded {

// Rises with every document; a flush makes durable whatever is at or below its own.
using archive_sequence = std::uint64_t;

// Told from RocksDB's threads.
class archive_observer {
  public:
    virtual ~archive_observer() = default;
    virtual void flushed(archive_sequence through) = 0;
    virtual void failed(runtime::error_code why, const std::string& diagnosis) = 0;
    virtual void recovered() = 0;
    // A read met it; writes go on.
    virtual void damaged(const std::string& what) = 0;
};

// Threads: any helper thread, several at once; never a shard's.
class archive_database {
  public:
    static runtime::result<std::unique_ptr<archive_database>> open(const archive_options& options,
                                                                   archive_observer& observer, std::string& diagnosis);
    ~archive_database();
    archive_database(const archive_database&) = delete;
    archive_database& operator=(const archive_database&) = delete;

    // All of them or none, in memory and later on disk.
    runtime::result<archive_sequence> write(const std::vector<const document*>& documents);
    // Begins to flush everything written so far, and returns before that is done. After a failure of RocksDB's own
    // threads this is what makes it try again. While too many flushes are under way RocksDB begins no other: then it
    // answers busy, or flushes and waits for it.
    enum class when_crowded : bool { refuse, wait };
    runtime::result<archive_sequence> start_flush(when_crowded otherwise);

    runtime::result<std::optional<document_summary>> find(runtime::execution_id id);
    runtime::result<std::vector<document::chunk>> events(runtime::execution_id id, std::uint32_t first_event,
                                                         std::size_t bytes_max);
    runtime::result<std::vector<document_summary>> list(runtime::uuid tenant, runtime::uuid user,
                                                        std::optional<runtime::execution_id> before, std::size_t limit);
    // See archive::remove_oldest; nothing that was written after `durable_through` goes.
    runtime::result<retention_step> remove_oldest(const retention_limits& limits, runtime::utc_time now,
                                                  std::size_t documents_max, archive_sequence durable_through);
    [[nodiscard]] archive_totals totals() const;
    // See archive_store::checkpoint.
    runtime::result<void> checkpoint(const std::string& folder, std::string& diagnosis);
    // Of the last document that was written.
    [[nodiscard]] archive_sequence latest() const;

  private:
    struct state;
    explicit archive_database(std::unique_ptr<state> opened);
    std::unique_ptr<state> state_;
};

}  // namespace storage::embedded
