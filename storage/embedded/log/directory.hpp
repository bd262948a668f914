// The data directory of the embedded log: who may use it (LOCK), how often it was opened (META), which segments there
// are and when one may go. One per process; the logs of all shards share it.
//
//   LOCK                              held while open
//   META                              epoch, partition bits, whether the last stop was clean
//   <epoch>-<shard>-<number>.segment  a segment of the log (epoch, shard)
//   <n>.spare                         zero-filled or used before; the next segment overwrites it
//   <name>.new                        being made; removed at the next opening
//   reserve                           space held back; see reserve.hpp
//
// A segment may go when every partition in it has been released beyond its last offset there, and what it alone says
// about where partitions stand is repeated in a newer one.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "runtime/gate.hpp"
#include "runtime/shard.hpp"
#include "storage/api/disk.hpp"
#include "storage/api/log.hpp"
#include "storage/embedded/log/format.hpp"
#include "storage/embedded/log/meta.hpp"
#include "storage/embedded/log/reserve.hpp"
#include "storage/embedded/log/scan.hpp"

namespace storage::embedded {

struct directory_options {
    std::string path = "data/log";
    unsigned partition_bits = runtime::partition_bits_default;
    std::uint64_t segment_bytes = 64ULL << 20;
    // A log's first segment, and one that is needed before the next large one is ready.
    std::uint64_t small_segment_bytes = 4ULL << 20;
    std::size_t spare_segments_max = 8;
    // Held back in a file for the day on which the disk is full (log.reserve_bytes); 0 for none.
    std::uint64_t reserve_bytes = 0;
    // Where it is missing it is made so long after the start, with which it would compete for the disk.
    std::uint64_t reserve_after_ms = 0;
    std::uint64_t lock_wait_ms = 2000;
};

struct cut_tail {
    std::string path;
    std::uint64_t position = 0;
    std::uint64_t bytes = 0;
};

// What open() found. Kept for /readyz?verbose, the start's log lines and the command line.
struct recovery_report {
    std::uint64_t epoch = 0;  // of this opening
    bool was_clean = false;
    std::uint64_t segments = 0;
    std::uint64_t batches = 0;
    std::uint64_t records = 0;
    std::vector<cut_tail> cut;
    std::string diagnosis;  // why open() failed
};

// Where a partition stands.
struct partition_start {
    partition_id partition;
    offset released = 1;  // nothing below is there any more
    offset next = 1;
    runtime::utc_time last_time;
};

// A segment, or what is there of one, that holds records of partitions being opened.
struct replay_segment {
    segment_header header;
    std::string path;
    std::uint64_t end = 0;
    std::vector<table_entry> ranges;  // low and high: which offsets count
};

struct opening {
    epoch writer = 0;
    std::vector<partition_start> partitions;
    std::vector<replay_segment> segments;
};

// Shard: home(), except for those members that say "any". Lifetime: the logs stop first, then stop() is awaited, then
// it may be destroyed. The disk belongs to home() and outlives it.
class log_directory {
  public:
    log_directory(runtime::shard& home, disk& on, directory_options options);
    ~log_directory();

    // Takes the lock (waiting up to lock_wait_ms; resource_unavailable_try_again then), scans what is there, starts a
    // new epoch. On failure recovered().diagnosis says why. Not cancellable.
    task<result<void>> open();
    // Instead of open(), for `weir log verify`: looks at everything as open() does, and changes nothing but LOCK's
    // being there. The number of partitions is the directory's own.
    task<result<void>> verify();
    // After verify(): gives every record that counts to `visit`, in the order of each partition, those that were
    // released and are still there included. A segment at a time, in the order of segments().
    [[nodiscard]] std::vector<segment_key> segments() const;
    task<result<void>> read_segment(segment_key which, runtime::unique_function<void(const record_view&)> visit);
    // Marks the directory clean if every log said so, and gives the lock back.
    task<void> stop();

    // Any shard, once open() has returned.
    [[nodiscard]] runtime::shard& home() const { return home_; }
    [[nodiscard]] const directory_options& options() const { return options_; }
    [[nodiscard]] std::uint64_t epoch() const { return report_.epoch; }
    [[nodiscard]] const recovery_report& recovered() const { return report_; }
    [[nodiscard]] const reserve_file& reserve() const { return reserve_; }

    // For a backup: until let_go() no segment is removed or used again. Holds are counted.
    void hold();
    void let_go();
    // The files that hold this node's log as far as each log of this life has come by `ends`, and how much of each
    // counts. META is one of them.
    struct file_part {
        std::string name;
        std::uint64_t bytes = 0;
    };
    [[nodiscard]] std::vector<file_part> files_until(const std::map<log_id, log_position>& ends) const;

    // For the command line, metrics and tests.
    struct counters {
        std::uint64_t segments = 0;  // that hold records
        std::uint64_t spares = 0;
        std::uint64_t recycled_total = 0;  // spares handed out
        std::uint64_t freed_total = 0;     // segments that were released
    };
    [[nodiscard]] counters count() const;

    // From here on: for embedded_log only.
    task<bool> release_reserve() { return reserve_.release(); }
    // `log_failed` runs here, on home(), when another log of this directory has failed, until log_stopped().
    log_id begin_log(runtime::shard_id shard, std::function<void()> log_failed);
    // Its disk is every log's: none goes on.
    void log_failed(log_id which);
    result<opening> begin_opening(const std::vector<partition_id>& partitions);
    void abandon_opening(const std::vector<partition_id>& partitions);
    void close_partitions(const std::vector<partition_start>& partitions);
    // A file to overwrite, of segment_bytes; nothing when there is none.
    std::optional<std::string> take_spare();
    void segment_began(const segment_header& header, std::string path);
    // It was made ready and never written to.
    void segment_unused(const segment_key& key);
    // Ranges of all that is durable in it up to `end`.
    void segment_grew(const segment_key& key, std::uint64_t end, std::vector<table_entry> ranges);
    void segment_sealed(const segment_key& key, std::uint64_t end, std::vector<table_entry> ranges);
    // These entries are durable in that segment.
    void released(const segment_key& key, const std::vector<table_entry>& entries);
    void log_stopped(log_id which, bool clean);

  private:
    struct segment {
        segment_header header;
        std::string path;
        std::uint64_t end = segment_header_bytes;
        std::map<partition_id, table_entry> ranges;
        std::uint64_t carried = 0;  // partitions whose newest release entry is here
        bool in_use = false;        // a log of this life may still write to it
        bool of_this_life = false;
        partition_id pinned_by;  // where the last look at it ended
    };
    struct partition {
        offset released = 1;
        offset next = 1;
        runtime::utc_time last_time;
        segment_key carried_in;
        offset opened_at = 0;  // of the newest release entry
        bool open = false;
    };
    // The first offset that an epoch claimed, by record or by opening the partition there.
    using claims = std::map<partition_id, std::map<std::uint64_t, offset>>;

    task<result<void>> take_lock();
    task<result<void>> read_names(std::vector<segment_key>& segments);
    task<result<void>> scan_all(const std::vector<segment_key>& keys);
    task<result<void>> scan_one(segment_key key, claims& claimed, std::vector<scan_report>& reports);
    result<void> note_batch(segment& into, const batch_header& header, std::span<const std::byte> whole,
                            claims& claimed);
    result<void> judge_ends(const std::vector<segment_key>& keys, const std::vector<scan_report>& reports);
    void drop_void_records(const claims& claimed);
    result<void> find_gaps();
    result<void> fail(runtime::error_code why, std::string diagnosis);
    bool may_go(segment& which);
    void free_what_may_go();
    task<void> remove_segment(segment gone);
    task<void> remove_file(std::string path);
    void carry(partition_id which, const segment_key& where);
    std::string path_of(const std::string& name) const { return options_.path + "/" + name; }

    runtime::shard& home_;
    disk& disk_;
    directory_options options_;
    std::unique_ptr<disk_lock> lock_;
    meta meta_;
    recovery_report report_;
    std::map<segment_key, segment> segments_;
    std::vector<partition> partitions_;
    std::vector<std::string> spares_;
    std::uint64_t next_spare_ = 1;
    std::uint64_t openings_ = 0;
    std::uint64_t logs_begun_ = 0;
    std::uint64_t logs_clean_ = 0;
    counters counters_;
    reserve_file reserve_;
    std::uint64_t holds_ = 0;
    std::map<std::uint64_t, std::function<void()>> logs_;  // those that write; by log id
    bool opened_ = false;
    bool only_looks_ = false;
    runtime::gate gate_;
};

}  // namespace storage::embedded
