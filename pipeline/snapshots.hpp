// Snapshots bound what the log must keep: an unfinished execution whose records lie far behind the log's end, or are
// old, is written again at the end, and the log lets go of the old records. Recovery then reads only what is near the
// end, and what is held for idempotency keys (key_upkeep.hpp), however long an execution is open.
//
// A snapshot is one or more snapshot_part records that carry the execution's records as they first stood, so that there
// is one fold only; blobs are written again before them. The old records are let go when the last part is durable: a
// crash before that leaves them, and a snapshot without its last part counts as nothing.
#pragma once

#include <stop_token>
#include <vector>

#include "pipeline/shard_state.hpp"

namespace pipeline {

struct snapshot_options {
    // An unfinished execution is written again when its oldest record lies this many bytes of records behind the end of
    // its shard's log (log.snapshot_bytes) ...
    std::uint64_t behind_bytes_max = 64ULL << 20;
    // ... or is this old (log.snapshot_age_s).
    runtime::microseconds age_max = runtime::seconds(3600);
    // How often it is looked whether there is something to do.
    runtime::nanoseconds pause = runtime::seconds(1);
    // Of the records in one part, at least one; far enough below record_bytes_max for what the part adds.
    std::size_t part_bytes_max = 256 * 1024;
};

// Shard: its owner only.
class snapshots {
  public:
    snapshots(shard_state& state, snapshot_options options);

    // Until `stop` is asked for. A round never keeps the shard: it reads and writes at most about a mebibyte between
    // two looks at the ready list.
    runtime::task<void> run(std::stop_token stop);

    // How many bytes of records the log holds behind the oldest one that an unfinished execution needs.
    [[nodiscard]] std::uint64_t held_bytes() const;
    // Executions written again so far.
    [[nodiscard]] std::uint64_t taken() const { return taken_.value(); }

  private:
    // A snapshot whose parts have been appended.
    struct written {
        std::shared_ptr<execution> e;
        storage::offset first = 0;  // of its first record, pieces of blobs included
        storage::offset last = 0;
        std::uint64_t bytes = 0;
        std::uint64_t kept_from = 0;
        runtime::utc_time kept_since;
        std::vector<record_place> parts;
        payload_places blobs;
    };
    enum class due : std::uint8_t { no, for_bytes, for_age };
    using large_values = std::array<std::string, request_payloads>;

    [[nodiscard]] due is_due(const execution& e) const;
    void earn_credit();
    runtime::task<runtime::result<std::vector<written>>> write_some(std::stop_token stop);
    runtime::task<runtime::result<written>> write(std::shared_ptr<execution> e);
    runtime::task<runtime::result<large_values>> read_blobs(std::shared_ptr<execution> e);
    runtime::result<void> put_blobs(written& out, const large_values& values);
    runtime::result<void> append_parts(written& out, std::vector<storage::record> records, bool last);
    runtime::result<void> append_part(written& out, const std::vector<storage::record>& records, bool whole);
    [[nodiscard]] bool covers(const written& out, std::size_t place) const;
    void put_off(execution& e);
    void give_up(const written& unfinished);
    void complete(written& whole);

    shard_state& state_;
    snapshot_options options_;
    // Snapshots may write half as many bytes as everything else does, so that what must be kept for long cannot make
    // the log busy with itself.
    std::int64_t credit_bytes_;
    std::uint64_t seen_bytes_ = 0;  // appended_bytes() when credit was last given
    std::uint64_t own_bytes_ = 0;   // of snapshots since then
    runtime::counter& taken_;
    runtime::counter& bytes_;
    runtime::metrics_registry::hook_ticket gauge_;
};

}  // namespace pipeline
