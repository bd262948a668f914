// What stands in the letters about leases; see lender.hpp. Plain structs; records.proto has them on the wire.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/ids.hpp"
#include "runtime/base/time.hpp"

namespace pipeline::user_limit {

struct lease_body {
    struct entry {
        runtime::uuid user;
        std::uint64_t lease = 0;
        std::uint32_t held = 0;
    };
    std::uint64_t life = 0;        // of the process that wrote it; in any other it is void
    std::uint64_t lease = 0;       // the borrower's number for what it holds now
    std::uint32_t count = 0;       // ask: holds; grant: more; return: less
    std::uint32_t want = 0;        // ask: how many more
    bool urgent = false;           // ask: a client waits for it
    bool denied = false;           // grant: there is nothing
    bool answers_recall = false;   // return
    bool ends = false;             // return: the lease is over
    runtime::utc_time until;       // grant
    std::vector<entry> entries{};  // declare
};

std::string encode(const lease_body& value);
// Nothing for bytes that are no such body.
std::optional<lease_body> decode_lease(std::string_view bytes);

}  // namespace pipeline::user_limit
