// A ledger of what clients of a real server saw: one JSON object a line, in the order in which it was seen.
//
//     {"what": "acknowledged", "id": "…", "key": "…"}             key may be absent
//     {"what": "cancellation_acknowledged", "id": "…"}
//     {"what": "delivered", "id": "…", "after": 3, "number": 4, "attempt": 1, "type": "execution_started", "data": "…"}
//     {"what": "ended", "id": "…", "status": "completed"}
//     {"what": "shown", "id": "…", "least": 7, "last_event": 9}
//     {"what": "not_found", "id": "…", "asked_for": "the list"}
//     {"what": "at_rest"}
#pragma once

#include <iosfwd>

#include "tests/checkers/promises.hpp"

namespace tests {

// Tells the promises each line; a line that is none of these is broken too. Returns how many lines there were.
std::uint64_t read_ledger(std::istream& in, promises& into);

}  // namespace tests
