// Bugs that are planted on purpose, one in each of a few test builds, to show that the simulation finds them. A build
// without WEIR_PLANTED_BUG has none, and the branches cost nothing.
#pragma once

namespace runtime {

enum class planted_bug : int {
    none = 0,
    no_sync_before_answer = 1,  // the disk answers a durable write that it has not synced
    answer_before_commit = 2,   // an accepted post is answered at once
    forgotten_timer = 3,        // a retry's backoff is never waited out
};

#ifndef WEIR_PLANTED_BUG
#define WEIR_PLANTED_BUG 0
#endif

constexpr bool planted(planted_bug which) { return static_cast<int>(which) == WEIR_PLANTED_BUG; }

}  // namespace runtime
