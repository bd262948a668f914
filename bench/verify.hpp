// `weir bench verify`: a ledger against the server as it is now, mostly after it was killed and started again.
#pragma once

#include <string>

#include "bench/ledger.hpp"
#include "bench/options.hpp"
#include "bench/recorder.hpp"
#include "http/client/url.hpp"
#include "runtime/shard.hpp"

namespace bench {

struct verification {
    std::uint64_t known = 0;      // executions that were accepted, by the ledger
    std::uint64_t undecided = 0;  // posts without an answer, decided now by posting their key again
    std::uint64_t refused = 0;    // posts that were refused
    std::uint64_t ended = 0;      // whose end is there
    std::uint64_t reposted = 0;   // keys that were posted once more
    recorder measured;            // errors, findings
    bool reached = true;

    [[nodiscard]] bool good() const { return measured.wrong.total() == 0 && measured.counts.errors == 0; }
};

// Shard: the current one. For each entry: its key gives the same execution, its events are there from the first to the
// end and begin with the bytes that were seen, its result is what was expected.
runtime::task<verification> verify_ledger(const ledger_content& what, const load_options& options,
                                          http::client::url server);

json::value to_json(const verification& what, const ledger_content& of);
std::string summary_of(const verification& what, const ledger_content& of);

}  // namespace bench
