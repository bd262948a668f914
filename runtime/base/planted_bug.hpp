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
};

#ifdef WEIR_PLANTED_BUGS
inline planted_bug chosen_planted_bug = planted_bug::none;  // set once, before the simulated world is made
inline bool planted(planted_bug which) { return chosen_planted_bug == which; }
#else
constexpr bool planted(planted_bug) { return false; }
#endif

}  // namespace runtime
