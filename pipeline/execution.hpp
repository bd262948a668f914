// The state of one execution: a fold over its records. apply() reads no clock, no randomness and no network; what is
// true only while this process lives (who waits for what) stands apart at the end.
#pragma once

#include <list>
#include <memory>
#include <optional>
#include <stop_token>
#include <vector>

#include "pipeline/admission_queue.hpp"
#include "pipeline/live_input.hpp"
#include "pipeline/records.hpp"
#include "runtime/event.hpp"

namespace pipeline {

// What an unfinished execution waits for. `nothing` at rest means that it is stuck, which is a bug.
enum class pending : std::uint8_t { nothing, commit, seat, timer, program, archive };
std::string_view to_string(pending value);

// A record of an execution: where it is in the log, and its bytes as long as they are in the memory window.
struct kept_record {
    storage::record record;
    // Made when the first subscriber asks, shared by all.
    mutable std::vector<std::shared_ptr<const event>> events;
};
struct record_place {
    storage::offset at = 0;
    std::uint32_t first_event = 0;
    std::uint16_t event_count = 0;
    std::shared_ptr<const kept_record> kept;
};

// Shard: its home only. Lifetime: shared by the table, its saga and its subscribers.
class execution {
  public:
    // From its accepted record. Nothing if that cannot be read.
    static std::shared_ptr<execution> make(runtime::shard& home, const storage::record_view& accepted);
    // From the first part of its snapshot, which it folds.
    static std::shared_ptr<execution> make_from_part(runtime::shard& home, const storage::record_view& first_part);

    // Folds a further record. False if it cannot follow: a bug or a corrupt log. `keep` holds the bytes in memory.
    bool apply(const storage::record_view& record, bool keep);
    // Folds a part of a snapshot; only the one whose first event is the next.
    bool apply_part(const storage::record_view& part);
    // What it is has been written again and is durable: `parts` stand for all records before `first`, and the blobs lie
    // elsewhere.
    void renew(storage::offset first, std::vector<record_place> parts, const payload_places& blobs);

    // The header of this execution's next record.
    [[nodiscard]] storage::record_header next_header(record_type type, std::uint16_t event_count) const;
    [[nodiscard]] execution_view view() const;
    [[nodiscard]] bool is_ended() const { return is_terminal(status); }
    [[nodiscard]] bool belongs_to(const principal& who) const;

    // Drops the bytes of the oldest records that are durable, until at most `bytes_max` are kept.
    void shrink_window(storage::offset durable, std::size_t bytes_max);

    // The folded state. The order of the members leaves no gaps: a test holds its size.
    execution_id id;
    runtime::uuid tenant;
    runtime::uuid user;
    runtime::partition_id partition;
    std::uint32_t attempt = 1;
    std::uint32_t last_event = 0;
    enum status status = status::queued;
    bool cancellation_requested = false;
    // These two are true while this process lives, and only here, as what stands at the end.
    bool is_new = false;           // accepted in this life, and its document was not put yet
    bool in_archive = false;       // its document was taken: reads go there
    runtime::utc_time not_before;  // a retry's backoff; 0 on the first attempt
    std::optional<runtime::utc_time> started_at;
    std::optional<runtime::utc_time> finished_at;
    storage::offset first_offset = 0;  // of its first record, blob pieces included
    storage::offset last_offset = 0;
    runtime::boxed<verdict_view> verdict;
    std::vector<artifact_pieces> artifacts;  // one for each of the verdict's
    accepted_record spec;
    std::vector<record_place> places;
    std::size_t window_bytes = 0;
    runtime::utc_time kept_since;  // time of the oldest record that it needs

    // True while this process lives, and only here.
    std::optional<admission_queue::ticket> place_in_queue;
    std::uint64_t kept_from = 0;  // journal::appended_bytes() when its oldest record was appended
    std::optional<std::list<execution_id>::iterator> place_by_age;  // the table's
    std::stop_source cancel_program{std::nostopstate};              // ends the running attempt, if there is one
    std::shared_ptr<live_input> input;                              // of an interactive one, else null
    runtime::event changed;                                         // records became durable, or never will
    std::uint32_t followers = 0;  // subscriptions; who else waits on `changed`, waits for the end
    std::uint32_t renewals = 0;   // how often renew() moved its records: who read meanwhile looks again
    pending waits_for = pending::nothing;
    bool has_seat = false;
    bool concluding = false;  // blobs of its last record are being appended: no snapshot begins behind them
    bool announced = false;   // `changed` will tell of what was appended last

    explicit execution(runtime::shard& home) : changed(home) {}

  private:
    bool transition(const storage::record_view& record);
    bool fold(const storage::record_view& record);
    void remember(const storage::record_view& record, bool keep);
    std::uint32_t window_start_ = 0;  // places before it are not kept
};

}  // namespace pipeline
