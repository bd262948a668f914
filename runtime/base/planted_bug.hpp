// Bugs that are planted on purpose, to show that the simulation finds them. Only one test build has them
// (WEIR_PLANTED_BUGS), in which a flag chooses one; everywhere else planted() is false at compile time and the branches
// cost nothing.
#pragma once

namespace runtime {

enum class planted_bug : int {
    none = 0,
    no_sync_before_answer = 1,     // the disk answers a durable write that it has not synced
    answer_before_commit = 2,      // an accepted post is answered at once
    forgotten_timer = 3,           // a retry's backoff is never waited out
    released_before_snapshot = 4,  // old records go before the snapshot that replaces them is there
    launch_before_intention = 10,  // a program starts before the log has its attempt's number
    seat_kept = 11,                // a seat that was left is not handed out again
    key_forgotten = 12,            // recovery leaves idempotency keys out
    gone_before_archived = 13,     // the log lets go of what the archive has not confirmed
    events_before_commit = 14,     // a subscriber sees events that are not durable
    event_skipped = 15,            // a subscriber that reads from the archive misses one event
    epoch_reused = 16,             // a start takes the epoch of the one before it
    torn_batch_read = 17,          // recovery does not check a batch's sum
    end_left_behind = 18,          // the archived document lacks the last record
    woken_early = 19,              // a commit wakes who waits for the record after it
    keys_expire_at_once = 20,      // idempotency keys do not live
    read_before_commit = 21,       // a view is shown that is not durable
    left_at_recovery = 22,         // nobody takes up what was queued

    letter_sent_once = 31,           // a letter counts as delivered when it was carried once
    letter_taken_twice = 32,         // a receiver takes a letter whose key it knows
    letter_acknowledged_early = 33,  // a receiver answers before its record is durable
    letter_order_forgotten = 34,     // a receiver takes a letter although one before it is missing
    recovered_not_counted = 35,      // after a start a user's open executions are not declared to its partition
    lease_used_twice = 36,           // what a borrower gives back it goes on using
};

#ifdef WEIR_PLANTED_BUGS
inline planted_bug chosen_planted_bug = planted_bug::none;  // set once, before the simulated world is made
inline bool planted(planted_bug which) { return chosen_planted_bug == which; }
#else
constexpr bool planted(planted_bug) { return false; }
#endif

}  // namespace runtime
