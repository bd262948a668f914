#include "storage/embedded/log/format.hpp"

#include <algorithm>
#include <bit>
#include <cstdio>
#include <cstring>
#include <limits>

#include "runtime/base/assert.hpp"
#include "runtime/base/crc32c.hpp"

namespace storage::embedded {
namespace {

static_assert(std::endian::native == std::endian::little, "add byte swaps before building for this machine");

constexpr std::uint64_t segment_magic = 0x31474553'52494557;  // "WEIRSEG1"
constexpr std::uint32_t batch_magic = 0x42494557;             // "WEIB"
constexpr std::uint16_t format_version = 1;

template <class T>
void put(std::byte* out, std::size_t at, T value) {
    std::memcpy(out + at, &value, sizeof value);
}

template <class T>
T get(const std::byte* in, std::size_t at) {
    T value{};
    std::memcpy(&value, in + at, sizeof value);
    return value;
}

// Segment header: where each field stands.
namespace segment_at {
constexpr std::size_t magic = 0, crc = 8, format = 12, log = 16, number = 24, salt = 32, bytes = 40, bits = 48;
}

// Batch header.
namespace batch_at {
constexpr std::size_t magic = 0, header_crc = 4, body_crc = 8, format = 12, kind = 14, log = 16, segment = 24,
                      salt = 32, position = 40, number = 48, committed_segment = 56, committed_position = 64,
                      record_bytes = 72, record_count = 76, table_count = 80;
}

// Record header.
namespace record_at {
constexpr std::size_t crc = 0, length = 4, type = 8, format = 10, entity_kind = 11, flags = 12, partition = 16,
                      event_count = 18, attempt = 20, header_format = 22, step = 24, first_event = 28, at = 32,
                      writer = 40, time = 48, entity = 56, tenant = 72, user = 88, end = 104;
static_assert(end == record_header_bytes);
}  // namespace record_at

}  // namespace

std::string segment_file_name(const segment_key& key) {
    char name[96];
    std::snprintf(name, sizeof name, "%010llu-%05u-%010llu.segment",
                  static_cast<unsigned long long>(key.log.directory_epoch()), key.log.shard(),
                  static_cast<unsigned long long>(key.number));
    return name;
}

std::optional<segment_key> parse_segment_file_name(std::string_view name) {
    unsigned long long epoch = 0;
    unsigned shard = 0;
    unsigned long long number = 0;
    int used = 0;
    const std::string text(name);
    if (std::sscanf(text.c_str(), "%llu-%u-%llu.segment%n", &epoch, &shard, &number, &used) != 3) return std::nullopt;
    if (static_cast<std::size_t>(used) != name.size() || shard > 0xffff) return std::nullopt;
    const segment_key key{log_id::of(epoch, static_cast<runtime::shard_id>(shard)), number};
    if (segment_file_name(key) != name) return std::nullopt;
    return key;
}

void encode_segment_header(const segment_header& header, std::span<std::byte> block) {
    WEIR_ASSERT(block.size() == segment_header_bytes);
    std::byte* const out = block.data();
    std::memset(out, 0, block.size());
    put(out, segment_at::magic, segment_magic);
    put(out, segment_at::format, format_version);
    put(out, segment_at::log, header.key.log.value);
    put(out, segment_at::number, header.key.number);
    put(out, segment_at::salt, header.salt);
    put(out, segment_at::bytes, header.bytes);
    put(out, segment_at::bits, header.partition_bits);
    put(out, segment_at::crc, runtime::crc32c(out + segment_at::format, segment_header_bytes - segment_at::format));
}

result<segment_header> decode_segment_header(std::span<const std::byte> block) {
    if (block.size() < segment_header_bytes) return log_errc::corrupt;
    const std::byte* const in = block.data();
    if (get<std::uint64_t>(in, segment_at::magic) != segment_magic) return log_errc::corrupt;
    const auto crc = runtime::crc32c(in + segment_at::format, segment_header_bytes - segment_at::format);
    if (get<std::uint32_t>(in, segment_at::crc) != crc) return log_errc::corrupt;
    if (get<std::uint16_t>(in, segment_at::format) != format_version) return log_errc::newer_format;
    segment_header header;
    header.key.log.value = get<std::uint64_t>(in, segment_at::log);
    header.key.number = get<std::uint64_t>(in, segment_at::number);
    header.salt = get<std::uint64_t>(in, segment_at::salt);
    header.bytes = get<std::uint64_t>(in, segment_at::bytes);
    header.partition_bits = get<std::uint32_t>(in, segment_at::bits);
    return header;
}

void encode_batch(batch_header header, std::span<std::byte> whole_batch) {
    WEIR_ASSERT(whole_batch.size() == header.total_bytes() && header.position % disk_block_bytes == 0);
    std::byte* const out = whole_batch.data();
    std::memset(out, 0, batch_header_bytes);
    const std::size_t used = batch_header_bytes + header.body_bytes();
    std::memset(out + used, 0, whole_batch.size() - used);
    put(out, batch_at::magic, batch_magic);
    put(out, batch_at::format, format_version);
    put(out, batch_at::kind, static_cast<std::uint8_t>(header.kind));
    put(out, batch_at::log, header.segment.log.value);
    put(out, batch_at::segment, header.segment.number);
    put(out, batch_at::salt, header.salt);
    put(out, batch_at::position, header.position);
    put(out, batch_at::number, header.number);
    put(out, batch_at::committed_segment, header.committed.segment);
    put(out, batch_at::committed_position, header.committed.position);
    put(out, batch_at::record_bytes, header.record_bytes);
    put(out, batch_at::record_count, header.record_count);
    put(out, batch_at::table_count, header.table_count);
    put(out, batch_at::body_crc, runtime::crc32c(out + batch_header_bytes, whole_batch.size() - batch_header_bytes));
    put(out, batch_at::header_crc, runtime::crc32c(out + batch_at::body_crc, batch_header_bytes - batch_at::body_crc));
}

header_state decode_batch_header(std::span<const std::byte> block, const segment_header& segment,
                                 std::uint64_t position, batch_header& out) {
    WEIR_ASSERT(block.size() >= batch_header_bytes);
    const std::byte* const in = block.data();
    if (get<std::uint32_t>(in, batch_at::magic) != batch_magic) return header_state::foreign;
    out.kind = static_cast<batch_kind>(get<std::uint8_t>(in, batch_at::kind));
    out.segment.log.value = get<std::uint64_t>(in, batch_at::log);
    out.segment.number = get<std::uint64_t>(in, batch_at::segment);
    out.salt = get<std::uint64_t>(in, batch_at::salt);
    out.position = get<std::uint64_t>(in, batch_at::position);
    if (out.segment != segment.key || out.salt != segment.salt || out.position != position)
        return header_state::foreign;
    const auto crc = runtime::crc32c(in + batch_at::body_crc, batch_header_bytes - batch_at::body_crc);
    if (get<std::uint32_t>(in, batch_at::header_crc) != crc) return header_state::damaged;
    if (get<std::uint16_t>(in, batch_at::format) != format_version) return header_state::newer_format;
    out.number = get<std::uint64_t>(in, batch_at::number);
    out.committed.segment = get<std::uint64_t>(in, batch_at::committed_segment);
    out.committed.position = get<std::uint64_t>(in, batch_at::committed_position);
    out.record_bytes = get<std::uint32_t>(in, batch_at::record_bytes);
    out.record_count = get<std::uint32_t>(in, batch_at::record_count);
    out.table_count = get<std::uint32_t>(in, batch_at::table_count);
    out.body_crc = get<std::uint32_t>(in, batch_at::body_crc);
    return out.end() > segment.bytes ? header_state::damaged : header_state::ours;
}

bool body_is_whole(const batch_header& header, std::span<const std::byte> whole_batch) {
    if (whole_batch.size() != header.total_bytes()) return false;
    return header.body_crc ==
           runtime::crc32c(whole_batch.data() + batch_header_bytes, whole_batch.size() - batch_header_bytes);
}

void encode_table_entry(const table_entry& entry, std::byte* out) {
    std::memset(out, 0, table_entry_bytes);
    put(out, 0, entry.partition.value);
    put(out, 8, entry.low);
    put(out, 16, entry.high);
    put(out, 24, entry.time.microseconds_since_epoch);
}

table_entry decode_table_entry(const std::byte* in) {
    table_entry entry;
    entry.partition.value = get<std::uint16_t>(in, 0);
    entry.low = get<std::uint64_t>(in, 8);
    entry.high = get<std::uint64_t>(in, 16);
    entry.time.microseconds_since_epoch = get<std::int64_t>(in, 24);
    return entry;
}

std::vector<table_entry> decode_table(const batch_header& header, std::span<const std::byte> whole_batch) {
    std::vector<table_entry> table;
    table.reserve(header.table_count);
    const std::byte* at = whole_batch.data() + batch_header_bytes + header.record_bytes;
    for (std::uint32_t i = 0; i < header.table_count; ++i, at += table_entry_bytes)
        table.push_back(decode_table_entry(at));
    return table;
}

void encode_record(const record_header& header, std::string_view payload, std::byte* out) {
    const std::size_t bytes = record_bytes(payload);
    put(out, record_at::length, static_cast<std::uint32_t>(bytes));
    put(out, record_at::type, header.type);
    put(out, record_at::format, header.format);
    put(out, record_at::entity_kind, header.entity_kind);
    put(out, record_at::flags, header.flags);
    put(out, record_at::partition, header.partition.value);
    put(out, record_at::event_count, header.event_count);
    put(out, record_at::attempt, header.attempt);
    put(out, record_at::header_format, format_version);
    put(out, record_at::step, header.step);
    put(out, record_at::first_event, header.first_event);
    put(out, record_at::at, header.at);
    put(out, record_at::writer, header.writer);
    put(out, record_at::time, header.time.microseconds_since_epoch);
    std::memcpy(out + record_at::entity, header.entity.bytes.data(), 16);
    std::memcpy(out + record_at::tenant, header.tenant.bytes.data(), 16);
    std::memcpy(out + record_at::user, header.user.bytes.data(), 16);
    if (!payload.empty()) std::memcpy(out + record_header_bytes, payload.data(), payload.size());
    std::memset(out + bytes, 0, padded(bytes) - bytes);
    put(out, record_at::crc, runtime::crc32c(out + record_at::length, bytes - record_at::length));
}

std::size_t peek_record_bytes(std::span<const std::byte> bytes) {
    if (bytes.size() < record_header_bytes) return 0;
    const std::size_t length = get<std::uint32_t>(bytes.data(), record_at::length);
    return length < record_header_bytes || length > record_bytes_max ? 0 : length;
}

result<record_view> decode_record(std::span<const std::byte> bytes) {
    const std::size_t length = peek_record_bytes(bytes);
    if (length == 0 || length > bytes.size()) return log_errc::corrupt;
    const std::byte* const in = bytes.data();
    const auto crc = runtime::crc32c(in + record_at::length, length - record_at::length);
    if (get<std::uint32_t>(in, record_at::crc) != crc) return log_errc::corrupt;
    if (get<std::uint16_t>(in, record_at::header_format) != format_version) return log_errc::newer_format;
    record_view view;
    record_header& header = view.header;
    header.type = get<std::uint16_t>(in, record_at::type);
    header.format = get<std::uint8_t>(in, record_at::format);
    header.entity_kind = get<std::uint8_t>(in, record_at::entity_kind);
    header.flags = get<std::uint32_t>(in, record_at::flags);
    header.partition.value = get<std::uint16_t>(in, record_at::partition);
    header.event_count = get<std::uint16_t>(in, record_at::event_count);
    header.attempt = get<std::uint16_t>(in, record_at::attempt);
    header.step = get<std::uint32_t>(in, record_at::step);
    header.first_event = get<std::uint32_t>(in, record_at::first_event);
    header.at = get<std::uint64_t>(in, record_at::at);
    header.writer = get<std::uint64_t>(in, record_at::writer);
    header.time.microseconds_since_epoch = get<std::int64_t>(in, record_at::time);
    std::memcpy(header.entity.bytes.data(), in + record_at::entity, 16);
    std::memcpy(header.tenant.bytes.data(), in + record_at::tenant, 16);
    std::memcpy(header.user.bytes.data(), in + record_at::user, 16);
    view.payload = {reinterpret_cast<const char*>(in + record_header_bytes), length - record_header_bytes};
    return view;
}

}  // namespace storage::embedded
