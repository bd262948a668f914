#include "storage/embedded/blobs/log_blobs.hpp"

#include <gtest/gtest.h>

#include "tests/support/two_shards.hpp"
#include "tests/unit/storage/memory_log.hpp"

namespace tests {
namespace {

using runtime::task;
using storage::blob_piece_bytes_max;
using storage::log_errc;
using storage::record_header;
using storage::embedded::log_blobs;

constexpr std::uint16_t piece_type = 77;

record_header header_in(std::uint16_t partition) {
    record_header like;
    like.type = 5;
    like.format = 9;
    like.partition = {partition};
    like.entity = runtime::named_id("execution", "one");
    like.tenant = runtime::named_id("tenant", "acme");
    like.user = runtime::named_id("user", "ann");
    like.first_event = 12;
    like.event_count = 3;
    like.attempt = 2;
    return like;
}

std::string pattern(std::size_t size) {
    std::string bytes(size, '\0');
    for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<char>((i * 31 + i / 1000) % 251);
    return bytes;
}

task<void> round_trip(memory_log& log, log_blobs& blobs, std::size_t size) {
    const auto bytes = pattern(size);
    const auto like = header_in(3);
    const auto put = blobs.put(like, bytes);
    EXPECT_TRUE(put.has_value());
    if (!put) co_return;
    EXPECT_EQ(put->bytes, size);
    EXPECT_EQ(put->pieces, (size + blob_piece_bytes_max - 1) / blob_piece_bytes_max);
    // The naming record follows without a gap.
    const auto naming = log.append(like, "names it");
    EXPECT_TRUE(naming.has_value());
    if (put->pieces > 0) EXPECT_EQ(naming->at, put->first + put->pieces);
    log.commit();
    const auto got = co_await blobs.get(like.partition, *put);
    EXPECT_TRUE(got.has_value() && *got == bytes) << size;
}

class log_blobs_at : public ::testing::TestWithParam<std::size_t> {};

TEST_P(log_blobs_at, every_size_comes_back_whole) {
    const std::size_t piece = blob_piece_bytes_max;
    simulated_shards simulated(1);
    machine_shards machine;
    for (two_shards* shards : {static_cast<two_shards*>(&simulated), static_cast<two_shards*>(&machine)}) {
        memory_log log;
        log_blobs blobs(log, piece_type);
        for (const std::size_t size :
             {std::size_t{0}, std::size_t{1}, piece - 1, piece, piece + 1, 3 * piece, 40 * piece + 17})
            shards->run(GetParam(), [&] { return round_trip(log, blobs, size); });
    }
}

INSTANTIATE_TEST_SUITE_P(shards, log_blobs_at, ::testing::Values(0, 1));

TEST(log_blobs, pieces_carry_the_entity_and_their_own_type) {
    memory_log log;
    log_blobs blobs(log, piece_type);
    const auto like = header_in(3);
    ASSERT_TRUE(blobs.put(like, pattern(blob_piece_bytes_max * 2 + 5)).has_value());
    const auto& records = log.records(like.partition);
    ASSERT_EQ(records.size(), 3U);
    for (std::uint32_t i = 0; i < 3; ++i) {
        const auto& header = records[i].header;
        EXPECT_EQ(header.type, piece_type);
        EXPECT_EQ(header.format, 1);
        EXPECT_EQ(header.step, i);
        EXPECT_EQ(header.entity, like.entity);
        EXPECT_EQ(header.tenant, like.tenant);
        EXPECT_EQ(header.user, like.user);
        EXPECT_EQ(header.attempt, like.attempt);
        EXPECT_EQ(header.first_event, 0U);
        EXPECT_EQ(header.event_count, 0U);
        EXPECT_LE(records[i].payload.size(), blob_piece_bytes_max);
    }
}

TEST(log_blobs, a_failed_append_fails_the_put) {
    memory_log log;
    log_blobs blobs(log, piece_type);
    log.fail_appends = log_errc::busy;
    log.appends_until_failure = 2;
    const auto put = blobs.put(header_in(3), pattern(blob_piece_bytes_max * 5));
    ASSERT_TRUE(put.has_error());
    EXPECT_EQ(put.error(), log_errc::busy);
}

task<void> expect_error(log_blobs& blobs, storage::blob_reference reference, log_errc expected) {
    const auto got = co_await blobs.get({3}, reference);
    EXPECT_TRUE(got.has_error() && got.error() == expected);
}

TEST(log_blobs, what_is_not_there_is_not_found) {
    simulated_shards shards(1);
    memory_log log;
    log_blobs blobs(log, piece_type);
    const auto put = blobs.put(header_in(3), pattern(blob_piece_bytes_max * 2));
    ASSERT_TRUE(put.has_value());
    shards.run(0, [&] { return expect_error(blobs, *put, log_errc::not_found); });
    log.commit();
    log.release({3}, 2);
    shards.run(0, [&] { return expect_error(blobs, *put, log_errc::not_found); });
}

TEST(log_blobs, what_does_not_fit_the_reference_is_corrupt) {
    simulated_shards shards(1);
    const auto corrupt = [&](auto change_reference, auto change_records) {
        memory_log log;
        log_blobs blobs(log, piece_type);
        auto put = blobs.put(header_in(3), pattern(blob_piece_bytes_max * 2 + 100));
        ASSERT_TRUE(put.has_value());
        ASSERT_TRUE(log.append(header_in(3), "names it").has_value());
        log.commit();
        change_reference(*put);
        change_records(log.records({3}));
        shards.run(0, [&] { return expect_error(blobs, *put, log_errc::corrupt); });
    };
    const auto same_reference = [](storage::blob_reference&) {};
    const auto same_records = [](std::vector<storage::record>&) {};
    corrupt([](auto& reference) { reference.pieces = 2; }, same_records);
    corrupt([](auto& reference) { reference.pieces = 0xffffffff; }, same_records);
    corrupt([](auto& reference) { reference.bytes -= 1; }, same_records);
    corrupt([](auto& reference) { reference.bytes += 1; }, same_records);
    corrupt([](auto& reference) { reference.first = 2; }, same_records);
    corrupt(same_reference, [](auto& records) { records[1].payload.pop_back(); });
    corrupt(same_reference, [](auto& records) { records[2].header.type = 5; });
    corrupt(same_reference, [](auto& records) { std::swap(records[0].payload, records[2].payload); });
}

}  // namespace
}  // namespace tests
