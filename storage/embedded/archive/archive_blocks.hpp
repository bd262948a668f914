// The keys that name many documents: how documents come into these blocks, are found in them, and go. Private to this
// folder. None of it is for several threads.
#pragma once

#include <rocksdb/db.h>
#include <rocksdb/write_batch.h>

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "runtime/base/result.hpp"
#include "storage/embedded/archive/archive_keys.hpp"

namespace storage::embedded {

struct indexed_document {
    runtime::uuid tenant;
    runtime::uuid user;
    archive_keys::retention_entry entry;
};

// Puts documents into blocks of their own. `batches` is the next batch's number, before and after.
void add_blocks(rocksdb::WriteBatch& to, std::vector<indexed_document> documents, std::uint64_t& batches);

// A document and the batch that it was put with.
struct placed_document : indexed_document {
    std::uint64_t batch = 0;
};

// Takes documents out of the archive, with all their keys, and out of the blocks that name them.
class removal {
  public:
    // Both outlive it. What it does comes into `to` at once but for the blocks, which come with finish().
    removal(rocksdb::DB& db, rocksdb::WriteBatch& to) : db_(db), to_(to) {}

    // Where a document stands that ended then; null if no block that can be read names it. Until the next call.
    const placed_document* find(runtime::execution_id id, runtime::utc_time ended_at);
    // A block that does not name it, or cannot be read, is no reason to keep the rest: it counts as damage.
    void remove(const placed_document& what);
    void finish();
    [[nodiscard]] std::size_t damaged_blocks() const { return damaged_blocks_; }

  private:
    void remove_from_list(const std::string& prefix, const placed_document& what);
    void remove_from_order(const placed_document& what);

    rocksdb::DB& db_;
    rocksdb::WriteBatch& to_;
    std::map<std::string, std::vector<runtime::execution_id>> lists_;  // by key: what is left
    std::map<std::string, archive_keys::retention_block> order_;
    // What ended in the period that was looked at last: documents of one write mostly ended together.
    std::optional<std::uint64_t> period_;
    std::map<runtime::execution_id, placed_document> ended_;
    std::size_t damaged_blocks_ = 0;
};

// The order of retention, one period after the other.
class retention_order {
  public:
    // `from` is a period's key.
    retention_order(rocksdb::DB& db, std::string from);
    retention_order(const retention_order&) = delete;  // the iterator points into it
    retention_order& operator=(const retention_order&) = delete;

    // What ended in the next period in which anything did, in order; nothing at the end. A block that cannot be decoded
    // is passed over: it counts as damage.
    runtime::result<std::vector<placed_document>> next();
    [[nodiscard]] std::size_t damaged_blocks() const { return damaged_blocks_; }
    // The key of the period that next() has given.
    [[nodiscard]] const std::string& period() const { return period_; }
    // Of the one behind it.
    [[nodiscard]] std::string behind_period() const { return archive_keys::behind(period_); }

  private:
    std::string upper_;
    rocksdb::Slice upper_bound_;
    void read_period(std::vector<placed_document>& to);

    std::unique_ptr<rocksdb::Iterator> at_;
    std::string period_;
    std::size_t damaged_blocks_ = 0;
};

// One list, newest first.
class list_order {
  public:
    struct item {
        runtime::execution_id id;
        std::uint64_t batch = 0;
    };
    // Down from `before`, or the newest, to `lowest`.
    list_order(rocksdb::DB& db, std::string prefix, std::optional<runtime::execution_id> before,
               runtime::execution_id lowest);
    list_order(const list_order&) = delete;  // the iterator points into it
    list_order& operator=(const list_order&) = delete;

    // The next ones, at most so many, at least one unless there is none.
    runtime::result<std::vector<item>> next(std::size_t count_max);
    // Whether it is in the list at this moment.
    runtime::result<bool> still_names(const item& what);
    // Of the last failure, for people.
    [[nodiscard]] const std::string& diagnosis() const { return diagnosis_; }

  private:
    runtime::result<void> read_period();
    runtime::error_code fail(const rocksdb::Status& status);
    runtime::error_code damaged();

    rocksdb::DB& db_;
    const std::string prefix_;
    const std::optional<runtime::execution_id> before_;
    std::string lower_;
    std::string upper_;
    rocksdb::Slice lower_bound_;
    rocksdb::Slice upper_bound_;
    std::unique_ptr<rocksdb::Iterator> at_;
    std::vector<item> read_;  // of the last period, oldest first
    std::string diagnosis_;
};

}  // namespace storage::embedded
