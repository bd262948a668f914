// What a log gathers in memory until it is written: one batch, records encoded in place.
#pragma once

#include <cstdint>
#include <cstring>
#include <deque>
#include <vector>

#include "runtime/base/time.hpp"
#include "storage/embedded/log/format.hpp"

namespace storage::embedded {

// Where a record lies, in eight bytes: slot of its segment (20 bits), position / 8 (28 bits), length / 8 - 1 (16 bits).
class record_place {
  public:
    static constexpr std::uint64_t segment_bytes_max = 8ULL << 28;
    static constexpr std::uint32_t slots_max = 1U << 20;

    record_place(std::uint32_t slot, std::uint64_t position, std::size_t padded_bytes)
        : packed_(std::uint64_t{slot} << 44 | (position / 8) << 16 | (padded_bytes / 8 - 1)) {}
    [[nodiscard]] std::uint32_t slot() const { return static_cast<std::uint32_t>(packed_ >> 44); }
    [[nodiscard]] std::uint64_t position() const { return (packed_ >> 16 & 0xfffffff) * 8; }
    [[nodiscard]] std::size_t padded_bytes() const { return ((packed_ & 0xffff) + 1) * 8; }

  private:
    std::uint64_t packed_;
};
static_assert(record_bytes_max / 8 <= 0x10000);

// A partition that is open in this log.
struct open_partition {
    partition_id id;
    epoch writer = 0;
    offset opened_at = 1;
    offset next = 1;
    offset committed = 0;
    offset released = 1;          // nothing below is read again
    offset released_durable = 1;  // and this much of it is on disk
    runtime::utc_time last_time;
    log_listener* listener = nullptr;
    // Places of the records [released, committed].
    std::deque<record_place> places;
    bool release_pending = false;  // listed in the log's releases
    // Where the batch being filled notes what it holds of this partition.
    std::uint64_t in_batch = 0;
    std::size_t range = 0;
};

struct batch_range {
    open_partition* partition;
    partition_id id;
    offset first;
    offset last;
};

struct batch_record {
    open_partition* partition;
    std::uint32_t at;
    std::uint32_t padded_bytes;
};

// The partitions it names stay open until it is written.
struct pending_batch {
    explicit pending_batch(std::uint64_t n, block_buffer room) : number(n), buffer(std::move(room)) {}

    std::uint64_t number;  // in the order of filling
    block_buffer buffer;
    std::size_t used = batch_header_bytes;
    std::vector<batch_record> records;
    std::vector<batch_range> ranges;
    runtime::steady_time oldest;

    void add(open_partition& to, const record_header& header, std::string_view payload) {
        const std::size_t bytes = padded(record_bytes(payload));
        if (used + bytes > buffer.size()) buffer.grow(std::max(used + bytes, buffer.size() * 2), used);
        encode_record(header, payload, buffer.data() + used);
        records.push_back({&to, static_cast<std::uint32_t>(used), static_cast<std::uint32_t>(bytes)});
        used += bytes;
        if (to.in_batch != number) {
            to.in_batch = number;
            to.range = ranges.size();
            ranges.push_back({&to, to.id, header.at, header.at});
        }
        ranges[to.range].last = header.at;
    }
};

}  // namespace storage::embedded
