// The bytes of the embedded log: segment header, batches, records. No input or output here. All numbers are
// little-endian; every length is bounded and every byte is covered by a CRC-32C.
//
//   segment file = header block, batch, batch, …, seal          each starts on a 4 KiB block
//   batch        = header (128 bytes), records, table entries, zeros up to the block
//   record       = header (104 bytes), payload, zeros up to 8 bytes
//
// A batch repeats who it belongs to (log id, segment number, the segment's random salt, its own position): whatever
// else lies in a recycled file is not this segment's and counts as empty. The salt is there so that no payload can
// pretend to be a batch.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "storage/api/disk.hpp"
#include "storage/api/log.hpp"

namespace storage::embedded {

// epoch of the directory << 16 | shard. Never reused.
struct log_id {
    std::uint64_t value = 0;
    static log_id of(std::uint64_t directory_epoch, runtime::shard_id shard) { return {directory_epoch << 16 | shard}; }
    [[nodiscard]] std::uint64_t directory_epoch() const { return value >> 16; }
    [[nodiscard]] runtime::shard_id shard() const { return static_cast<runtime::shard_id>(value & 0xffff); }
    friend auto operator<=>(const log_id&, const log_id&) = default;
};

// Who a segment is: numbers count from 1 within a log, so the pair is never reused.
struct segment_key {
    log_id log;
    std::uint64_t number = 0;
    friend auto operator<=>(const segment_key&, const segment_key&) = default;
};

// The file's name while it holds this segment: "<epoch>-<shard>-<number>.segment".
std::string segment_file_name(const segment_key& key);
// Nothing for any other name.
std::optional<segment_key> parse_segment_file_name(std::string_view name);

struct segment_header {
    segment_key key;
    std::uint64_t salt = 0;
    std::uint64_t bytes = 0;  // of the whole file
    std::uint32_t partition_bits = 0;
};

inline constexpr std::size_t segment_header_bytes = disk_block_bytes;
void encode_segment_header(const segment_header& header, std::span<std::byte> block);
// Nothing when the block is not a whole header; log_errc::newer_format for a later version's.
result<segment_header> decode_segment_header(std::span<const std::byte> block);

enum class batch_kind : std::uint8_t {
    records = 1,
    seal = 2,        // the segment's last: table of the records' ranges
    clean_stop = 3,  // a seal that is also the log's last, written at an orderly stop
};

// A position within a log. Positions are of a batch's first or one past its last byte.
struct log_position {
    std::uint64_t segment = 0;
    std::uint64_t position = 0;
    friend auto operator<=>(const log_position&, const log_position&) = default;
};

inline constexpr std::size_t batch_header_bytes = 128;
inline constexpr std::size_t table_entry_bytes = 32;
inline constexpr std::size_t record_header_bytes = 104;

struct batch_header {
    batch_kind kind = batch_kind::records;
    segment_key segment;
    std::uint64_t salt = 0;
    std::uint64_t position = 0;  // of this header in the file
    std::uint64_t number = 0;    // within the log, from 1
    log_position committed;      // end of the batch before, which was durable when this one was begun
    std::uint32_t record_bytes = 0;
    std::uint32_t record_count = 0;
    std::uint32_t table_count = 0;
    std::uint32_t body_crc = 0;

    [[nodiscard]] std::size_t body_bytes() const { return record_bytes + std::size_t{table_count} * table_entry_bytes; }
    [[nodiscard]] std::size_t total_bytes() const { return round_up_to_block(batch_header_bytes + body_bytes()); }
    [[nodiscard]] std::uint64_t end() const { return position + total_bytes(); }
};

// Behind the records of a batch: where a partition stands (release), or in a seal what the segment holds of it (range).
struct table_entry {
    partition_id partition;
    // release: no record below it is read again. range: the first offset.
    offset low = 0;
    // release: the first offset of the partition's present opening. range: the last offset.
    offset high = 0;
    // release: time of the last record so far. range: unused.
    runtime::utc_time time;
};

// The body must lie behind the header's room; the bytes up to the block are made zero.
void encode_batch(batch_header header, std::span<std::byte> whole_batch);

enum class header_state { ours, foreign, damaged, newer_format };
// What stands at the first bytes of a block: a header of this segment at this position; one that says so and is not
// whole; or anything else: zeros, or what another use of the file left, which may be the middle of a batch.
header_state decode_batch_header(std::span<const std::byte> block, const segment_header& segment,
                                 std::uint64_t position, batch_header& out);
bool body_is_whole(const batch_header& header, std::span<const std::byte> whole_batch);

void encode_table_entry(const table_entry& entry, std::byte* out);
table_entry decode_table_entry(const std::byte* in);
std::vector<table_entry> decode_table(const batch_header& header, std::span<const std::byte> whole_batch);

// Without and with the zeros up to 8 bytes.
inline std::size_t record_bytes(std::string_view payload) { return record_header_bytes + payload.size(); }
inline std::size_t padded(std::size_t bytes) { return (bytes + 7) / 8 * 8; }

// Writes padded(record_bytes(payload)) bytes.
void encode_record(const record_header& header, std::string_view payload, std::byte* out);
// The length field alone (unpadded), 0 if `bytes` cannot be the beginning of a record.
std::size_t peek_record_bytes(std::span<const std::byte> bytes);
// log_errc::corrupt unless a whole record begins here. The view points into `bytes`.
result<record_view> decode_record(std::span<const std::byte> bytes);

// Calls visit(view, position within the batch) for each record; corrupt when they do not fill the header's count.
template <class Visit>
result<void> for_each_record(const batch_header& header, std::span<const std::byte> whole_batch, Visit&& visit) {
    std::size_t at = batch_header_bytes;
    const std::size_t end = batch_header_bytes + header.record_bytes;
    for (std::uint32_t i = 0; i < header.record_count; ++i) {
        if (at >= end) return log_errc::corrupt;
        const auto view = decode_record(whole_batch.subspan(at, end - at));
        if (view.has_error()) return view.error();
        visit(*view, at);
        at += padded(record_bytes(view->payload));
    }
    if (at != end) return log_errc::corrupt;
    return {};
}

}  // namespace storage::embedded
