// The log on this machine's disk: one instance per shard over one log_directory per process.
//
//   log_directory directory(shard_0, disk_of_shard_0, directory_options{...});   // once, on its home shard
//   co_await directory.open();                                                   // on its home shard
//   embedded_log log(directory, shard, disk_of_that_shard, log_options{});       // on each shard
//   co_await log.open(partitions, replay, listener);
//   ...
//   co_await log.stop();         // every shard
//   co_await directory.stop();   // home shard, after all logs; then it may be destroyed
//
// A batch is written with one durable write on new blocks, one batch at a time; what is appended meanwhile is the next
// one. The directory may be opened with another number of shards at each start.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "runtime/base/metrics.hpp"
#include "runtime/event.hpp"
#include "runtime/gate.hpp"
#include "storage/api/disk.hpp"
#include "storage/api/log.hpp"
#include "storage/embedded/log/batch.hpp"
#include "storage/embedded/log/directory.hpp"
#include "storage/embedded/log/segment_maker.hpp"

namespace storage::embedded {

struct log_options {
    // A batch is closed at this size (at least one record); bounded by what a small segment holds.
    std::size_t batch_bytes_max = 4ULL << 20;
    // Appended and not yet on disk, of this log; append() answers log_errc::busy above it.
    std::size_t append_bytes_max = 32ULL << 20;
    // A batch that nobody waits for starts when its oldest record is this old.
    std::uint64_t batch_delay_us = 1000;
    // A batch that somebody waits for starts when the shard has nothing else to do, when it has so many records, or so
    // long after the first asked, whatever comes first: on a busy shard one write carries what many wait for.
    std::size_t gather_records_max = 64;
    std::uint64_t gather_us_max = 500;
    // A release that no batch has carried gets one of its own after this.
    std::uint64_t release_delay_ms = 50;
    // With the disk full, the batch that did not fit is tried again this often.
    std::uint64_t space_retry_ms = 200;
};

// Counted since the log was made; /metrics has the same, and the limits log.append_bytes_max and log.record_bytes_max.
struct log_counters {
    std::uint64_t records = 0;    // appended
    std::uint64_t batches = 0;    // durable
    std::uint64_t bytes = 0;      // durable, whole blocks
    std::uint64_t segments = 0;   // taken into use
    std::uint64_t busy = 0;       // append_bytes_max was reached
    std::uint64_t too_large = 0;  // record_bytes_max was reached
    std::uint64_t no_space = 0;   // the disk was full
};

// Shard: `home`, its owner only; constructed anywhere. The directory and the disk outlive it.
class embedded_log final : public log {
  public:
    embedded_log(log_directory& directory, runtime::shard& home, disk& on, log_options options = {});
    ~embedded_log() override;

    task<result<std::vector<opened_partition>>> open(std::vector<partition_id> partitions,
                                                     runtime::unique_function<bool(const record_view&)> replay,
                                                     log_listener& listener) override;
    result<record_header> append(const record_header& header, std::string_view payload) override;
    void hurry() override;
    task<result<std::vector<record>>> read(partition_id partition, offset from, std::size_t bytes_max,
                                           std::size_t count_max) override;
    void release(partition_id partition, offset below) override;
    task<result<void>> close(std::vector<partition_id> partitions) override;
    task<void> stop() override;
    [[nodiscard]] bool lives_on_reserve() const override;
    [[nodiscard]] std::string describe() const override;
    [[nodiscard]] runtime::nanoseconds stalled_for() const override;

    // For a backup (storage/embedded/backup). Between hold_releases() and let_releases_go() a release is remembered and
    // takes no effect: what the log held, it holds.
    void hold_releases();
    void let_releases_go();
    // Returns when nothing is being written, with the end of what is durable; nothing more is written until resume().
    // Appends are taken meanwhile. Fails when the log has failed or stops.
    task<result<log_position>> pause();
    void resume();
    [[nodiscard]] log_id id() const { return id_; }

    [[nodiscard]] const log_counters& counters() const { return counters_; }
    [[nodiscard]] std::size_t pending_bytes() const { return pending_bytes_; }
    // Why open() failed or writing stopped: file and position where there is one. Empty otherwise.
    [[nodiscard]] const std::string& diagnosis() const { return diagnosis_; }

  private:
    // Of this shard's registry.
    struct shard_metrics {
        explicit shard_metrics(runtime::metrics_registry& registry);
        runtime::counter& records;
        runtime::counter& batches;
        runtime::counter& bytes;
        runtime::histogram& write_seconds;
        runtime::counter& full;  // batches that had gather_records_max before the shard was idle
        runtime::counter& late;  // and those that would wait no longer
    };
    // A file that records of open partitions lie in.
    struct slot {
        std::shared_ptr<disk_file> file;
        std::string path;
        std::uint64_t records = 0;
    };
    struct wanted_record {
        std::shared_ptr<disk_file> file;
        std::uint64_t position;
        std::size_t padded_bytes;
    };

    // embedded_log.cpp
    [[nodiscard]] open_partition* find(partition_id id) const;
    void arm_timer();
    void gather();
    [[nodiscard]] bool batch_is_due() const;
    [[nodiscard]] bool release_is_due() const;
    void note_release(open_partition& p);
    void drop_places(open_partition& p, offset below);
    std::vector<table_entry> ranges_of_segment() const;

    // log_open.cpp
    task<result<void>> open_now(opening found, runtime::unique_function<bool(const record_view&)>& replay);
    task<result<void>> replay_all(const opening& found, runtime::unique_function<bool(const record_view&)>& replay);
    // How many records of it came in turn.
    task<result<std::uint64_t>> replay_segment_once(replay_segment from,
                                                    runtime::unique_function<bool(const record_view&)>& replay);
    void adopt(const opening& found);
    void forget(const std::vector<partition_id>& partitions);
    task<result<void>> start_writing();

    // log_writer.cpp
    task<void> write_loop();
    task<void> write_next();
    task<result<void>> write_with_patience(pending_batch& batch, std::vector<table_entry>& table);
    task<result<void>> write_once(pending_batch& batch, std::vector<table_entry>& table);
    // True if the reserve gave space back.
    task<bool> release_reserve();
    task<result<void>> next_segment();
    task<result<void>> write_seal(batch_kind kind);
    [[nodiscard]] std::vector<table_entry> release_table(bool whole);
    [[nodiscard]] std::size_t seal_bytes_with(const pending_batch& batch) const;
    void commit(pending_batch& batch, const std::vector<table_entry>& table, std::uint64_t position);
    void tell_committed(const pending_batch& batch);
    // Why this log goes no further although its own writes succeeded.
    [[nodiscard]] runtime::error_code distrust() const;
    void fail(runtime::error_code why, const std::string& doing);
    void tell_all(runtime::error_code why);
    void tell_directory(runtime::unique_function<void(log_directory&)> what);
    std::uint32_t take_slot(std::shared_ptr<disk_file> file, std::string path);
    void drop_slot_if_unused(std::uint32_t which);

    // log_reader.cpp
    task<result<std::vector<record>>> read_run(partition_id partition, offset from, std::vector<wanted_record> wanted);

    log_directory& directory_;
    runtime::shard& home_;
    disk& disk_;
    log_options options_;
    segment_maker maker_;
    log_id id_;
    bool writing_ = false;  // the write loop runs
    bool stopping_ = false;
    bool full_ = false;          // the disk is, and we wait
    bool other_failed_ = false;  // another log on the same disk has
    bool giving_up_ = false;     // stop() does not wait for space
    runtime::error_code failed_;
    std::string diagnosis_;

    std::vector<std::unique_ptr<open_partition>> partitions_;  // by id; null when not open here
    std::vector<log_listener*> listeners_;

    // What waits to be written. Only the last batch is filled.
    std::deque<std::unique_ptr<pending_batch>> pending_;
    std::size_t pending_bytes_ = 0;
    std::uint64_t next_batch_ = 1;
    bool hurried_ = false;    // somebody waits for the first of them
    bool gathering_ = false;  // the shard has been asked to tell when it is idle
    bool gathered_ = false;   // it has told, or nothing more may be waited for
    std::vector<block_buffer> free_buffers_;
    std::vector<open_partition*> releases_;
    runtime::steady_time oldest_release_{};
    bool release_now_ = false;
    bool in_flight_ = false;
    runtime::steady_time in_flight_since_{};

    // The segment being written.
    std::optional<ready_segment> current_;
    std::uint32_t current_slot_ = 0;
    std::uint64_t position_ = 0;
    std::uint64_t batch_number_ = 1;
    log_position committed_;
    std::map<partition_id, table_entry> segment_ranges_;
    bool table_is_whole_ = false;  // this segment has said where every open partition stands

    std::vector<slot> slots_;
    std::vector<std::uint32_t> free_slots_;

    std::map<partition_id, offset> held_releases_;
    bool holds_releases_ = false;
    bool paused_ = false;

    std::optional<runtime::timer_queue::ticket> timer_;
    std::shared_ptr<void> alive_ = std::make_shared<char>();  // what the shard runs later looks whether we are there
    log_counters counters_;
    std::optional<shard_metrics> metrics_;
    runtime::event work_;      // for the write loop
    runtime::event progress_;  // something became durable, or failed
    runtime::gate gate_;
};

}  // namespace storage::embedded
