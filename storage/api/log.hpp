// The log: the truth about everything open. Records are appended to partitions; order is by (partition, offset). The
// interface fits a local disk as well as a broker that gives offsets and acknowledges later, perhaps never.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/ids.hpp"
#include "runtime/base/result.hpp"
#include "runtime/base/time.hpp"
#include "runtime/base/unique_function.hpp"
#include "runtime/task.hpp"

namespace storage {

using runtime::partition_id;
using runtime::result;
using runtime::task;

// Dense within a partition, from 1 on; 0 means "none".
using offset = std::uint64_t;
// Rises with every opening of a partition; records of an older epoch behind a newer one's first are void.
using epoch = std::uint64_t;

enum class log_errc {
    not_open = 1,      // the partition is not open here
    closed,            // it was closed under us: another owner, or a write whose outcome is unknown
    write_failed,      // sticky: the log acknowledges nothing more until a restart
    no_space,          // heals by itself when space returns
    record_too_large,  // above record_bytes_max
    corrupt,           // a record or batch that must be whole is not
    newer_format,      // written by a later version
    not_found,         // released or never written
    busy,              // append_bytes_max is in memory and not yet written
};
boost::system::error_code make_error_code(log_errc e);

// No record exceeds this with its header.
inline constexpr std::size_t record_bytes_max = 512 * 1024;

// The fixed part of every record. Numbers are little-endian on disk.
struct record_header {
    std::uint16_t type = 0;   // the pipeline's record type
    std::uint8_t format = 1;  // of the payload
    std::uint8_t entity_kind = 0;
    std::uint32_t flags = 0;
    partition_id partition;
    offset at = 0;           // given by append()
    epoch writer = 0;        // given by append()
    runtime::utc_time time;  // given by append(): max(last of the partition, now)
    runtime::uuid entity;
    runtime::uuid tenant;
    runtime::uuid user;
    std::uint32_t first_event = 0;  // number of the record's first event; 0 when it has none
    std::uint16_t event_count = 0;
    std::uint16_t attempt = 0;
    std::uint32_t step = 0;
};

struct record_view {
    record_header header;
    std::string_view payload;
};

struct record {
    record_header header;
    std::string payload;
};

// Where a partition stands after opening.
struct opened_partition {
    partition_id partition;
    epoch writer = 0;
    offset next = 1;
};

// Called on the log's shard.
class log_listener {
  public:
    virtual ~log_listener() = default;
    // Everything of the partition up to and including `through` is durable. Rises.
    virtual void committed(partition_id partition, offset through) = 0;
    // Nothing of the partition is acknowledged any more; records above the last committed offset have an unknown
    // outcome. `no_space` is followed by resumed().
    virtual void failed(partition_id partition, boost::system::error_code why) = 0;
    // Space has returned: appends are taken again.
    virtual void resumed() = 0;
};

// Shard: one instance per shard, its owner only. Lifetime: stop() before destruction.
class log {
  public:
    virtual ~log() = default;

    // Opens partitions under a new epoch. Every durable record that has not been released is given to `replay`, in
    // order of offset within its partition; what `replay` returns false for stops the opening with
    // log_errc::newer_format. Afterwards appends are taken and `listener` is told of progress. Call once per set of
    // partitions.
    virtual task<result<std::vector<opened_partition>>> open(std::vector<partition_id> partitions,
                                                             runtime::unique_function<bool(const record_view&)> replay,
                                                             log_listener& listener) = 0;

    // Takes a record; the bytes are copied. Returns the header as it will be stored. Never blocks; nothing is durable
    // until committed() says so. Records of one partition become durable in order, and those appended between two
    // suspension points as a whole or not at all as far as one batch holds them.
    virtual result<record_header> append(const record_header& header, std::string_view payload) = 0;

    // An output waits for what was appended so far: the next batch starts as soon as the one in flight is done. Without
    // this a batch starts when its oldest record is 1 ms old.
    virtual void hurry() = 0;

    // Reads records back, from `from` on, until `bytes_max` of payload (at least one record) or `count_max` are reached
    // or the next is not durable yet. log_errc::not_found when `from` was released.
    virtual task<result<std::vector<record>>> read(partition_id partition, offset from, std::size_t bytes_max,
                                                   std::size_t count_max) = 0;

    // No record below `below` will be read again, also not by a later open(). The log frees space when it can.
    virtual void release(partition_id partition, offset below) = 0;

    // Closes partitions after everything appended is durable.
    virtual task<result<void>> close(std::vector<partition_id> partitions) = 0;
    virtual task<void> stop() = 0;

    // Space ran out, and what is written now uses what was held back to conclude what runs: no new work should be
    // taken.
    [[nodiscard]] virtual bool lives_on_reserve() const { return false; }

    // For /readyz?verbose and the command line: what is written how, and why it failed.
    [[nodiscard]] virtual std::string describe() const = 0;
    // How long the write that is under way has been; zero when none is. Who takes new work asks, so that it does not
    // pile up before a disk that does not answer.
    [[nodiscard]] virtual runtime::nanoseconds stalled_for() const { return runtime::nanoseconds(0); }
};

}  // namespace storage

template <>
struct boost::system::is_error_code_enum<storage::log_errc> : std::true_type {};
