#include "storage/embedded/log/format.hpp"

#include <gtest/gtest.h>

#include "runtime/base/random.hpp"
#include "storage/embedded/log/meta.hpp"

namespace storage::embedded {
namespace {

record_header full_header(runtime::random_source& random) {
    record_header h;
    h.type = static_cast<std::uint16_t>(random.next());
    h.format = static_cast<std::uint8_t>(random.next());
    h.entity_kind = static_cast<std::uint8_t>(random.next());
    h.flags = static_cast<std::uint32_t>(random.next());
    h.partition.value = static_cast<std::uint16_t>(random.next());
    h.at = random.next();
    h.writer = random.next();
    h.time.microseconds_since_epoch = static_cast<std::int64_t>(random.next());
    for (auto* id : {&h.entity, &h.tenant, &h.user})
        for (auto& b : id->bytes) b = static_cast<std::uint8_t>(random.next());
    h.first_event = static_cast<std::uint32_t>(random.next());
    h.event_count = static_cast<std::uint16_t>(random.next());
    h.attempt = static_cast<std::uint16_t>(random.next());
    h.step = static_cast<std::uint32_t>(random.next());
    return h;
}

void expect_same(const record_header& a, const record_header& b) {
    EXPECT_EQ(a.type, b.type);
    EXPECT_EQ(a.format, b.format);
    EXPECT_EQ(a.entity_kind, b.entity_kind);
    EXPECT_EQ(a.flags, b.flags);
    EXPECT_EQ(a.partition, b.partition);
    EXPECT_EQ(a.at, b.at);
    EXPECT_EQ(a.writer, b.writer);
    EXPECT_EQ(a.time, b.time);
    EXPECT_EQ(a.entity, b.entity);
    EXPECT_EQ(a.tenant, b.tenant);
    EXPECT_EQ(a.user, b.user);
    EXPECT_EQ(a.first_event, b.first_event);
    EXPECT_EQ(a.event_count, b.event_count);
    EXPECT_EQ(a.attempt, b.attempt);
    EXPECT_EQ(a.step, b.step);
}

segment_header some_segment() { return {{log_id::of(7, 3), 12}, 0x1234567890abcdef, 1 << 20, 8}; }

TEST(record_format, every_field_comes_back) {
    runtime::random_source random(1);
    for (const std::size_t size : {0, 1, 7, 8, 9, 1000, 4096}) {
        const std::string payload(size, 'x');
        const auto header = full_header(random);
        std::vector<std::byte> bytes(padded(record_bytes(payload)));
        encode_record(header, payload, bytes.data());
        const auto back = decode_record(bytes);
        ASSERT_TRUE(back.has_value());
        expect_same(back->header, header);
        EXPECT_EQ(back->payload, payload);
    }
}

TEST(record_format, every_flipped_bit_is_seen) {
    runtime::random_source random(2);
    std::vector<std::byte> bytes(padded(record_bytes("0123456789")));
    encode_record(full_header(random), "0123456789", bytes.data());
    for (std::size_t bit = 0; bit < record_bytes("0123456789") * 8; ++bit) {
        bytes[bit / 8] ^= std::byte(1 << (bit % 8));
        EXPECT_TRUE(decode_record(bytes).has_error()) << bit;
        bytes[bit / 8] ^= std::byte(1 << (bit % 8));
    }
    for (std::size_t size = 0; size < record_bytes("0123456789"); ++size)
        EXPECT_TRUE(decode_record(std::span(bytes).first(size)).has_error());
}

TEST(record_format, its_bytes_are_what_they_were) {
    // Other versions read these: a change here needs a new format number.
    record_header h;
    h.type = 0x0102;
    h.partition = {0x0304};
    h.at = 5;
    h.writer = 6;
    h.attempt = 7;
    h.step = 8;
    h.first_event = 9;
    h.event_count = 10;
    std::vector<std::byte> bytes(padded(record_bytes("ab")));
    encode_record(h, "ab", bytes.data());
    const auto at = [&](std::size_t i) { return std::to_integer<int>(bytes[i]); };
    EXPECT_EQ(bytes.size(), 112U);
    EXPECT_EQ(at(4), 106);
    EXPECT_EQ(at(8), 2);
    EXPECT_EQ(at(9), 1);
    EXPECT_EQ(at(10), 1);
    EXPECT_EQ(at(16), 4);
    EXPECT_EQ(at(17), 3);
    EXPECT_EQ(at(18), 10);
    EXPECT_EQ(at(20), 7);
    EXPECT_EQ(at(22), 1);
    EXPECT_EQ(at(24), 8);
    EXPECT_EQ(at(28), 9);
    EXPECT_EQ(at(32), 5);
    EXPECT_EQ(at(40), 6);
    EXPECT_EQ(at(104), 'a');
    EXPECT_EQ(at(105), 'b');
}

TEST(batch_format, header_body_and_table_come_back_and_each_torn_sector_is_seen) {
    runtime::random_source random(3);
    const auto segment = some_segment();
    batch_header header;
    header.segment = segment.key;
    header.salt = segment.salt;
    header.position = 8 * disk_block_bytes;
    header.number = 44;
    header.committed = {12, 7 * disk_block_bytes};
    std::vector<std::byte> records;
    for (int i = 0; i < 20; ++i) {
        const std::string payload(300 + i, 'p');
        std::vector<std::byte> one(padded(record_bytes(payload)));
        encode_record(full_header(random), payload, one.data());
        records.insert(records.end(), one.begin(), one.end());
    }
    header.record_bytes = static_cast<std::uint32_t>(records.size());
    header.record_count = 20;
    header.table_count = 2;
    std::vector<std::byte> whole(header.total_bytes(), std::byte{0xaa});
    std::copy(records.begin(), records.end(), whole.begin() + batch_header_bytes);
    encode_table_entry({{1}, 2, 3, {4}}, whole.data() + batch_header_bytes + records.size());
    encode_table_entry({{5}, 6, 7, {8}}, whole.data() + batch_header_bytes + records.size() + table_entry_bytes);
    encode_batch(header, whole);

    batch_header back;
    ASSERT_EQ(decode_batch_header(whole, segment, header.position, back), header_state::ours);
    EXPECT_TRUE(body_is_whole(back, whole));
    EXPECT_EQ(back.number, 44U);
    EXPECT_EQ(back.committed, header.committed);
    EXPECT_EQ(back.end(), header.end());
    int seen = 0;
    EXPECT_TRUE(for_each_record(back, whole, [&](const record_view&, std::size_t) { ++seen; }).has_value());
    EXPECT_EQ(seen, 20);
    const auto table = decode_table(back, whole);
    ASSERT_EQ(table.size(), 2U);
    EXPECT_EQ(table[1].partition.value, 5);
    EXPECT_EQ(table[1].high, 7U);

    for (std::size_t sector = 1; sector < whole.size() / 512; ++sector) {
        auto torn = whole;
        std::fill_n(torn.begin() + static_cast<std::ptrdiff_t>(sector * 512), 512, std::byte{0x55});
        EXPECT_FALSE(body_is_whole(back, torn)) << sector;
    }
    // What another use of the file left there is not ours.
    auto other = segment;
    other.key.number = 13;
    EXPECT_EQ(decode_batch_header(whole, other, header.position, back), header_state::foreign);
    other = segment;
    other.salt ^= 1;
    EXPECT_EQ(decode_batch_header(whole, other, header.position, back), header_state::foreign);
    EXPECT_EQ(decode_batch_header(whole, segment, header.position + disk_block_bytes, back), header_state::foreign);
    whole[100] ^= std::byte{1};
    EXPECT_EQ(decode_batch_header(whole, segment, header.position, back), header_state::damaged);
}

TEST(segment_format, header_and_file_name_come_back) {
    const auto segment = some_segment();
    std::vector<std::byte> block(segment_header_bytes);
    encode_segment_header(segment, block);
    const auto back = decode_segment_header(block);
    ASSERT_TRUE(back.has_value());
    EXPECT_EQ(back->key, segment.key);
    EXPECT_EQ(back->salt, segment.salt);
    EXPECT_EQ(back->bytes, segment.bytes);
    block[4000] ^= std::byte{1};
    EXPECT_EQ(decode_segment_header(block).error(), make_error_code(log_errc::corrupt));

    EXPECT_EQ(segment_file_name(segment.key), "0000000007-00003-0000000012.segment");
    EXPECT_EQ(parse_segment_file_name("0000000007-00003-0000000012.segment"), segment.key);
    for (const char* wrong : {"", "7-3-12.segment", "0000000007-00003-0000000012.segment.new", "12.spare", "META"})
        EXPECT_FALSE(parse_segment_file_name(wrong).has_value()) << wrong;
}

TEST(meta_format, comes_back_and_refuses_what_is_not_whole) {
    const meta value{9, 8, true, 4};
    const std::string text = encode_meta(value);
    const auto back = decode_meta(text + std::string(100, '\n'));
    ASSERT_TRUE(back.has_value());
    EXPECT_EQ(back->epoch, 9U);
    EXPECT_EQ(back->partition_bits, 8U);
    EXPECT_TRUE(back->clean);
    EXPECT_EQ(back->logs, 4U);
    for (std::size_t i = 0; i + 1 < text.size(); ++i) {
        std::string wrong = text;
        wrong[i] = wrong[i] == 'z' ? 'y' : 'z';
        EXPECT_TRUE(decode_meta(wrong).has_error()) << i;
        EXPECT_TRUE(decode_meta(text.substr(0, i)).has_error()) << i;
    }
}

}  // namespace
}  // namespace storage::embedded
