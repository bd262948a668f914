// The shard's journal: appends records to the log, knows what is durable, and holds back outputs until the records that
// caused them are. It also counts which records are still needed, so that the log can let go of the others.
#pragma once

#include <deque>
#include <vector>

#include "runtime/shard.hpp"
#include "runtime/completion.hpp"
#include "runtime/base/unique_function.hpp"
#include "runtime/event.hpp"
#include "storage/api/log.hpp"

namespace pipeline {

// How a wait with a deadline ended. Not a bool: result<bool> of Boost 1.81 cannot hold an error.
enum class wait_end : std::uint8_t { came, deadline };

// Shard: its owner only. Lifetime: outlives everything that appends.
class journal final : public storage::log_listener {
  public:
    journal(runtime::shard& home, storage::log& log, unsigned partition_bits);

    // Called for each partition that this shard opened.
    void opened(const storage::opened_partition& where);
    [[nodiscard]] const std::vector<runtime::partition_id>& partitions() const { return mine_; }
    [[nodiscard]] unsigned partition_bits() const { return bits_; }
    [[nodiscard]] storage::log& log() { return log_; }
    [[nodiscard]] runtime::shard& home() { return home_; }

    // Takes a record; see storage::log::append.
    runtime::result<storage::record_header> append(const storage::record_header& header, std::string_view payload);
    // Returns when an append that was refused (busy, no_space) may be tried again. Fails only for good.
    runtime::task<runtime::result<void>> room();

    [[nodiscard]] bool is_open(runtime::partition_id partition) const { return state(partition).open; }
    [[nodiscard]] bool is_durable(runtime::partition_id partition, storage::offset at) const;
    [[nodiscard]] storage::offset durable_through(runtime::partition_id partition) const;
    // Output commit: returns when `at` is durable; no_space at once while the disk is full (the outcome is then
    // unknown), write_failed or closed for good. Hurries the log.
    // Awaited for a result<void>.
    [[nodiscard]] auto durable(runtime::partition_id partition, storage::offset at) {
        return runtime::operation<void(runtime::result<void>)>(
            [this, partition, at](auto resume) { begin_wait(state(partition), at, false, std::move(resume)); });
    }
    // The same, but gives up at the deadline.
    runtime::task<runtime::result<wait_end>> durable_until(runtime::partition_id partition, storage::offset at,
                                                           runtime::steady_time deadline);
    // As durable(), but waits through a full disk.
    [[nodiscard]] auto durable_patiently(runtime::partition_id partition, storage::offset at) {
        return runtime::operation<void(runtime::result<void>)>(
            [this, partition, at](auto resume) { begin_wait(state(partition), at, true, std::move(resume)); });
    }

    // Calls `then` from the ready list, once: when `at` is durable, or the log has failed for good. Hurries the log.
    void when_durable(runtime::partition_id partition, storage::offset at, runtime::unique_function<void()> then);

    // An entity's records from `first` on are needed, until it is let go.
    void pin(runtime::partition_id partition, storage::offset first);
    void unpin(runtime::partition_id partition, storage::offset first);
    // Records before `from` hold no living idempotency key.
    void keys_are_behind(runtime::partition_id partition, storage::offset from);
    [[nodiscard]] storage::offset next_offset(runtime::partition_id partition) const;
    // What stands between the oldest record needed for keys alone and the oldest needed by an entity.
    struct held {
        storage::offset records = 0;
        std::uint64_t bytes_behind = 0;  // since keys_are_behind() was said last, of the whole shard
        runtime::nanoseconds age{0};     // and since when
    };
    [[nodiscard]] held held_for_keys(runtime::partition_id partition) const;

    // Bytes of records appended on this shard so far, those found at the start included: how far behind the log's end a
    // record lies is the difference of two such numbers.
    [[nodiscard]] std::uint64_t appended_bytes() const { return appended_bytes_; }
    // For records that did not come through append(): found at the start, or pieces of a blob.
    void count_bytes(std::uint64_t payload_bytes) { appended_bytes_ += payload_bytes + record_overhead_bytes; }

    // Not failed, and there is space.
    [[nodiscard]] runtime::error_code health() const { return failed_ ? failed_ : no_space_; }
    // The same, and the log does not live on its reserve, which is there for what was taken before.
    [[nodiscard]] runtime::error_code room_for_new_work() const {
        if (const auto why = health()) return why;
        return log_.lives_on_reserve() ? storage::make_error_code(storage::log_errc::no_space) : runtime::error_code();
    }

    // Calls `tell` each time the log that was well has failed, or found no space. Set before the log is opened.
    void on_failure(runtime::unique_function<void()> tell) { on_failure_ = std::move(tell); }

    void committed(runtime::partition_id partition, storage::offset through) override;
    void failed(runtime::partition_id partition, runtime::error_code why) override;
    void resumed() override;

  private:
    static constexpr std::uint64_t record_overhead_bytes = 104;  // about what a record's header takes
    using resumption = runtime::completion<void(runtime::result<void>)>;
    struct waiter {
        storage::offset at;
        bool patient;
        resumption resume;
    };
    struct needed {
        storage::offset first;
        bool let_go;
    };
    struct partition_state {
        bool open = false;
        storage::offset durable = 0;
        storage::offset next = 1;
        storage::offset keys_from = 1;
        std::uint64_t keys_from_bytes = 0;
        runtime::steady_time keys_from_time;
        storage::offset released = 1;
        std::deque<waiter> waiters;  // rising `at`
        std::deque<needed> pins;     // rising `first`
    };

    partition_state& state(runtime::partition_id partition) { return states_[partition.value]; }
    [[nodiscard]] const partition_state& state(runtime::partition_id partition) const {
        return states_[partition.value];
    }
    void begin_wait(partition_state& where, storage::offset at, bool patient, resumption resume);
    void enlist(partition_state& where, storage::offset at, bool patient, resumption resume);
    void fail_waiters(partition_state& where, runtime::error_code why, bool patient_too);
    void release_what_nobody_needs(runtime::partition_id partition);

    runtime::shard& home_;
    storage::log& log_;
    unsigned bits_;
    std::vector<runtime::partition_id> mine_;
    std::vector<partition_state> states_;
    std::uint64_t appended_bytes_ = 0;
    runtime::error_code failed_;
    runtime::error_code no_space_;
    runtime::event progress_;
    runtime::unique_function<void()> on_failure_;
};

}  // namespace pipeline
