// What the embedded log makes of a damaged directory: a cut tail is cut and reported, everything else stops the
// start with
// file and position.
#include <gtest/gtest.h>

#include "runtime/timer.hpp"
#include "tests/unit/storage/log_conformance.hpp"
#include "tests/unit/storage/log_rigs.hpp"
#include "tests/unit/storage/simulated_life.hpp"

namespace tests {
namespace {

using runtime::task;
using storage::disk_block_bytes;
using storage::partition_id;
using storage::embedded::batch_header;
using storage::embedded::decode_batch_header;
using storage::embedded::decode_segment_header;
using storage::embedded::header_state;

struct batch_place {
    std::string path;
    std::uint64_t position;
    std::uint64_t bytes;
    batch_header header;
};

task<void> open_and_write(storage::log& log, log_ledger& ledger, ledger_listener& listener, int count,
                          std::size_t bytes) {
    std::vector<partition_id> partitions{{1}, {2}};
    for (const partition_id id : partitions) ledger.opening(id);
    auto replay = [&ledger](const storage::record_view& view) { return ledger.replayed(view); };
    const auto opened = co_await log.open(partitions, replay, listener);
    EXPECT_TRUE(opened.has_value());
    if (opened.has_error()) co_return;
    for (const auto& where : *opened) ledger.opened(where);
    for (int i = 0; i < count; ++i)
        co_await append_and_wait(log, ledger, {static_cast<std::uint16_t>(1 + i % 2)}, std::string(bytes, 'x'));
}

class embedded_log_damage : public testing::Test {
  protected:
    void write(int count, std::size_t bytes, bool clean) {
        EXPECT_EQ(rig_.begin_life(1), "");
        ledger_listener listener(ledger_);
        rig_.run(0, [&] { return open_and_write(rig_.log(0), ledger_, listener, count, bytes); });
        if (clean) {
            rig_.end_life();
        } else {
            rig_.crash([](std::uint64_t) { return 0U; });
        }
    }
    // Of all segments, in order of the names.
    std::vector<batch_place> batches() {
        std::vector<batch_place> out;
        for (const std::string& path : rig_.disk().files()) {
            if (!path.ends_with(".segment")) continue;
            const auto bytes = rig_.disk().content(path);
            const auto segment = decode_segment_header(bytes);
            EXPECT_TRUE(segment.has_value());
            std::uint64_t at = storage::embedded::segment_header_bytes;
            batch_header header;
            while (at < bytes.size() &&
                   decode_batch_header(std::span(bytes).subspan(at), *segment, at, header) == header_state::ours) {
                out.push_back({path, at, header.total_bytes(), header});
                at = header.end();
            }
        }
        return out;
    }
    void damage(const batch_place& where, std::uint64_t byte) {
        rig_.disk().flip_bit(where.path, (where.position + byte) * 8);
    }
    // The start must name the place.
    void expect_refused(const std::string& path, std::uint64_t position) {
        const std::string why = rig_.begin_life(1);
        EXPECT_NE(why.find(path), std::string::npos) << why;
        EXPECT_NE(why.find("position " + std::to_string(position)), std::string::npos) << why;
        // And again: looking has changed nothing.
        EXPECT_EQ(rig_.begin_life(1), why);
    }

    log_ledger ledger_;
    simulated_embedded_rig rig_{1};
};

TEST_F(embedded_log_damage, a_damaged_batch_in_the_middle_stops_the_start) {
    write(20, 500, false);
    const auto all = batches();
    ASSERT_GT(all.size(), 15U);
    damage(all[7], 200);
    expect_refused(all[7].path, all[7].position);
}

TEST_F(embedded_log_damage, a_lost_batch_in_the_middle_stops_the_start) {
    write(20, 500, false);
    const auto all = batches();
    auto bytes = rig_.disk().content(all[7].path);
    std::fill_n(bytes.begin() + static_cast<std::ptrdiff_t>(all[7].position), all[7].bytes, std::byte{0});
    rig_.disk().set_content(all[7].path, bytes);
    expect_refused(all[7].path, all[7].position);
}

TEST_F(embedded_log_damage, a_damaged_last_batch_after_a_crash_is_cut_and_reported) {
    write(20, 5000, false);
    const auto last = batches().back();
    damage(last, 300);
    // It had been acknowledged, which nobody can tell from a write that never became whole.
    auto& p = ledger_[{2}];
    --p.committed;
    p.records.pop_back();
    ASSERT_EQ(rig_.begin_life(1), "");
    const auto& report = rig_.directory().recovered();
    ASSERT_EQ(report.cut.size(), 1U);
    EXPECT_EQ(report.cut[0].path, last.path);
    EXPECT_EQ(report.cut[0].position, last.position);
    EXPECT_EQ(report.cut[0].bytes, last.bytes);
    EXPECT_FALSE(report.was_clean);
    ledger_listener listener(ledger_);
    rig_.run(0, [&] { return open_and_write(rig_.log(0), ledger_, listener, 4, 100); });
    rig_.end_life();
    // The tail is still there, and still nobody's.
    write(4, 100, true);
}

TEST_F(embedded_log_damage, after_a_clean_stop_a_damaged_end_stops_the_start) {
    write(20, 5000, true);
    const auto all = batches();
    const auto seal = all.back();
    ASSERT_EQ(seal.header.kind, storage::embedded::batch_kind::clean_stop);
    damage(seal, 140);
    expect_refused(seal.path, seal.position);
    damage(seal, 140);
    damage(seal, 1);
    expect_refused(seal.path, seal.position);
    damage(seal, 1);
    damage(all[all.size() - 2], 300);
    expect_refused(seal.path, all[all.size() - 2].position);
    damage(all[all.size() - 2], 300);
    write(2, 10, true);
}

TEST_F(embedded_log_damage, a_lost_file_stops_the_start) {
    write(60, 100'000, true);
    const auto all = batches();
    std::vector<std::string> paths;
    for (const auto& b : all)
        if (paths.empty() || paths.back() != b.path) paths.push_back(b.path);
    ASSERT_GT(paths.size(), 3U);
    for (const std::string& path : paths) {
        const auto bytes = rig_.disk().content(path);
        rig_.disk().set_content(path, std::vector<std::byte>(4096));
        EXPECT_NE(rig_.begin_life(1), "") << path;
        rig_.disk().set_content(path, bytes);
    }
    write(2, 10, true);
}

TEST_F(embedded_log_damage, every_block_that_is_not_the_last_batch_is_guarded) {
    write(30, 6000, false);
    const auto all = batches();
    const auto last = all.back();
    for (const auto& b : all) {
        if (b.position == last.position && b.path == last.path) break;
        for (std::uint64_t at = 0; at < b.bytes; at += disk_block_bytes) {
            damage(b, at + 17);
            EXPECT_NE(rig_.begin_life(1), "") << b.position << " + " << at;
            damage(b, at + 17);
        }
    }
    for (std::uint64_t byte : {0, 9, 13, 20, 30, 40}) {
        rig_.disk().flip_bit(last.path, byte * 8);
        expect_refused(last.path, 0);
        rig_.disk().flip_bit(last.path, byte * 8);
    }
    rig_.disk().flip_bit("log/META", 100);
    EXPECT_NE(rig_.begin_life(1).find("META"), std::string::npos);
    rig_.disk().flip_bit("log/META", 100);
    write(2, 10, true);
}

TEST_F(embedded_log_damage, another_number_of_partitions_or_another_process_is_refused) {
    write(3, 100, false);
    ASSERT_EQ(rig_.begin_life(1), "");
    auto second = [](simulated_embedded_rig& rig) -> task<void> {
        auto disk = rig.disk().open_shard(rig.shard(0));
        storage::embedded::directory_options where;
        where.path = "log";
        where.partition_bits = 4;
        storage::embedded::log_directory other(rig.shard(0), *disk, where);
        const auto begun = rig.shard(0).time().steady();
        const auto opened = co_await other.open();
        EXPECT_TRUE(opened.has_error());
        EXPECT_NE(other.recovered().diagnosis.find("LOCK"), std::string::npos) << other.recovered().diagnosis;
        EXPECT_GE(rig.shard(0).time().steady() - begun, runtime::seconds(2));
        co_await other.stop();
    };
    rig_.run(0, [&] { return second(rig_); });
    rig_.end_life();
    auto more = [](storage::disk& disk, runtime::shard& home) -> task<void> {
        storage::embedded::directory_options where;
        where.path = "log";
        where.partition_bits = 5;
        storage::embedded::log_directory other(home, disk, where);
        const auto opened = co_await other.open();
        EXPECT_TRUE(opened.has_error());
        EXPECT_NE(other.recovered().diagnosis.find("2^4"), std::string::npos) << other.recovered().diagnosis;
        co_await other.stop();
    };
    ASSERT_EQ(rig_.begin_life(1), "");
    rig_.crash([](std::uint64_t) { return 0U; });
    ASSERT_EQ(rig_.begin_life(1), "");
    rig_.end_life();
    simulated_life life(*rig_.world(), 1);
    auto disk = rig_.disk().open_shard(life.shard(0));
    life.run(0, [&] { return more(*disk, life.shard(0)); });
    life.wait_for_all();
}

TEST_F(embedded_log_damage, verify_tells_what_open_would_find_and_changes_nothing) {
    write(20, 5000, false);
    const auto last = batches().back();
    damage(last, 300);
    std::vector<std::vector<std::byte>> before;
    for (const auto& path : rig_.disk().files()) before.push_back(rig_.disk().content(path));
    simulated_life life(*rig_.world(), 1);
    auto disk = rig_.disk().open_shard(life.shard(0));
    auto look = [](storage::disk& on, runtime::shard& home, const batch_place& cut) -> task<void> {
        storage::embedded::directory_options where;
        where.path = "log";
        storage::embedded::log_directory directory(home, on, where);
        const auto good = co_await directory.verify();
        EXPECT_TRUE(good.has_value()) << directory.recovered().diagnosis;
        EXPECT_EQ(directory.recovered().cut.size(), 1U);
        if (!directory.recovered().cut.empty()) EXPECT_EQ(directory.recovered().cut[0].position, cut.position);
        EXPECT_GT(directory.recovered().records, 10U);
        co_await directory.stop();
    };
    life.run(0, [&] { return look(*disk, life.shard(0), last); });
    life.wait_for_all();
    std::vector<std::vector<std::byte>> after;
    for (const auto& path : rig_.disk().files()) after.push_back(rig_.disk().content(path));
    EXPECT_EQ(before, after);
}

}  // namespace
}  // namespace tests
