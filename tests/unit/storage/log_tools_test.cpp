// What verify, dump and repair make of a damaged log: each flipped bit is found and named, and an explicit cut leaves a
// log that opens.
#include <gtest/gtest.h>

#include "storage/embedded/log/repair.hpp"
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
using storage::embedded::drop_place;
using storage::embedded::dropped_record;
using storage::embedded::dumped_record;
using storage::embedded::header_state;

storage::embedded::directory_options tiny() {
    storage::embedded::directory_options where;
    where.path = "log";
    where.partition_bits = 2;
    where.segment_bytes = 64 << 10;
    where.small_segment_bytes = 64 << 10;
    return where;
}

struct batch_place {
    std::string path;
    batch_header header;
};

task<void> write_some(storage::log& log, log_ledger& ledger, ledger_listener& listener, int count, std::size_t bytes) {
    const std::vector<partition_id> partitions{{0}, {1}, {2}};
    for (const partition_id id : partitions) ledger.opening(id);
    auto replay = [&ledger](const storage::record_view& view) { return ledger.replayed(view); };
    const auto opened = co_await log.open(partitions, replay, listener);
    EXPECT_TRUE(opened.has_value());
    if (opened.has_error()) co_return;
    for (const auto& where : *opened) ledger.opened(where);
    for (int i = 0; i < count; ++i)
        co_await append_and_wait(log, ledger, {static_cast<std::uint16_t>(i % 3)}, std::string(bytes, 'x'));
}

class log_tools : public testing::Test {
  protected:
    void write(int count, std::size_t bytes, bool clean = true) {
        ASSERT_EQ(rig_.begin_life(1), "");
        ledger_listener listener(ledger_);
        rig_.run(0, [&] { return write_some(rig_.log(0), ledger_, listener, count, bytes); });
        if (clean) {
            rig_.end_life();
        } else {
            rig_.crash([](std::uint64_t) { return 0U; });
        }
    }
    std::vector<batch_place> batches() {
        std::vector<batch_place> out;
        for (const std::string& path : rig_.disk().files()) {
            if (!path.ends_with(".segment")) continue;
            const auto bytes = rig_.disk().content(path);
            const auto segment = decode_segment_header(bytes);
            std::uint64_t at = storage::embedded::segment_header_bytes;
            batch_header header;
            while (at < bytes.size() &&
                   decode_batch_header(std::span(bytes).subspan(at), *segment, at, header) == header_state::ours) {
                out.push_back({path, header});
                at = header.end();
            }
        }
        return out;
    }
    // Runs on a shard with a disk, without a life of the rig's.
    template <class Make>
    void on_disk(Make make) {
        simulated_life life(*rig_.world(), 1);
        auto disk = rig_.disk().open_shard(life.shard(0));
        life.run(0, [&] { return make(*disk, life.shard(0)); });
        life.wait_for_all();
    }
    // What verify says; empty if all is good.
    std::string verify(const std::string& folder) {
        std::string why;
        on_disk([&](storage::disk& on, runtime::shard& home) { return verify_on(on, home, folder, why); });
        return why;
    }
    storage::embedded::repair_report repair(std::vector<drop_place> places, std::vector<std::string>& dropped) {
        storage::embedded::repair_report report;
        on_disk([&](storage::disk& on, runtime::shard&) { return repair_on(on, places, dropped, report); });
        return report;
    }
    // Offsets of each partition, as they are replayed.
    std::map<std::uint16_t, std::vector<storage::offset>> offsets(const std::string& folder) {
        std::map<std::uint16_t, std::vector<storage::offset>> out;
        on_disk([&](storage::disk& on, runtime::shard& home) { return open_on(on, home, folder, out); });
        return out;
    }

    log_ledger ledger_;
    simulated_embedded_rig rig_{1, tiny()};

  private:
    static task<void> verify_on(storage::disk& on, runtime::shard& home, std::string folder, std::string& why) {
        auto where = tiny();
        where.path = folder;
        storage::embedded::log_directory directory(home, on, where);
        const auto good = co_await directory.verify();
        if (good.has_error()) why = directory.recovered().diagnosis + " (" + good.error().message() + ")";
        co_await directory.stop();
    }
    static task<void> repair_on(storage::disk& on, std::vector<drop_place> places, std::vector<std::string>& dropped,
                                storage::embedded::repair_report& report) {
        auto note = [&dropped](const dropped_record& one) {
            dropped.push_back(std::to_string(one.where.record.header.partition.value) + "/" +
                              std::to_string(one.where.record.header.at) + (one.behind_gap ? " gap" : " cut"));
        };
        report = co_await storage::embedded::repair_log(on, "log", "repaired", std::move(places), note);
    }
    static task<void> open_on(storage::disk& on, runtime::shard& home, std::string folder,
                              std::map<std::uint16_t, std::vector<storage::offset>>& out) {
        auto where = tiny();
        where.path = folder;
        storage::embedded::log_directory directory(home, on, where);
        const auto opened = co_await directory.open();
        EXPECT_TRUE(opened.has_value()) << directory.recovered().diagnosis;
        if (opened.has_error()) co_return;
        storage::embedded::embedded_log log(directory, home, on);
        log_ledger unused;
        ledger_listener listener(unused);
        const std::vector<partition_id> partitions{{0}, {1}, {2}};
        auto replay = [&out](const storage::record_view& view) {
            out[view.header.partition.value].push_back(view.header.at);
            return true;
        };
        const auto ready = co_await log.open(partitions, replay, listener);
        EXPECT_TRUE(ready.has_value()) << log.diagnosis();
        co_await log.stop();
        co_await directory.stop();
    }
};

struct flip {
    std::string path;
    std::uint64_t byte;
    std::uint64_t position;  // that must be named
};

std::string place_of(const flip& one) { return one.path + ", position " + std::to_string(one.position) + ":"; }

// In one life: the world keeps the shards of every life.
task<void> verify_all(storage::disk& on, runtime::shard& home, storage::simulated::disk_image& image,
                      std::vector<flip> flips) {
    for (const flip& one : flips) {
        image.flip_bit(one.path, one.byte * 8 + one.byte % 8);
        storage::embedded::log_directory directory(home, on, tiny());
        const auto good = co_await directory.verify();
        const std::string why = directory.recovered().diagnosis;
        co_await directory.stop();
        image.flip_bit(one.path, one.byte * 8 + one.byte % 8);
        const bool named = good.has_error() && why.find(place_of(one)) != std::string::npos;
        EXPECT_TRUE(named) << one.path << " byte " << one.byte << ": " << why;
        if (!named) co_return;
    }
}

TEST_F(log_tools, a_flipped_bit_anywhere_is_found_and_named) {
    write(4, 700);
    const auto all = batches();
    ASSERT_EQ(all.back().header.kind, storage::embedded::batch_kind::clean_stop);
    ASSERT_EQ(verify("log"), "");
    std::vector<flip> flips;
    for (std::uint64_t byte = 0; byte < storage::embedded::segment_header_bytes; ++byte)
        flips.push_back({all.front().path, byte, 0});
    for (const auto& batch : all)
        for (std::uint64_t at = batch.header.position; at < batch.header.end(); ++at)
            flips.push_back({batch.path, at, batch.header.position});
    on_disk([&](storage::disk& on, runtime::shard& home) { return verify_all(on, home, rig_.disk(), flips); });
    // A start looks with the same eyes.
    for (std::size_t i = 0; i < flips.size() && !HasFailure(); i += 499) {
        const flip& one = flips[i];
        rig_.disk().flip_bit(one.path, one.byte * 8 + one.byte % 8);
        EXPECT_NE(rig_.begin_life(1).find(place_of(one)), std::string::npos) << one.path << " byte " << one.byte;
        rig_.disk().flip_bit(one.path, one.byte * 8 + one.byte % 8);
    }
    std::printf("%zu flipped bits, each found and named\n", flips.size());
    EXPECT_EQ(verify("log"), "");
}

TEST_F(log_tools, repair_cuts_what_follows_a_damaged_batch) {
    write(12, 3000);
    const auto all = batches();
    const auto bad = all[5];
    rig_.disk().flip_bit(bad.path, (bad.header.position + 200) * 8);
    const auto before = rig_.disk().content(bad.path);
    std::vector<std::string> dropped;
    const auto report = repair({{bad.path, bad.header.position}}, dropped);
    ASSERT_EQ(report.diagnosis, "");
    EXPECT_EQ(report.kept + report.dropped + 1, 12U) << "all but the one that cannot be read";
    EXPECT_EQ(dropped.size(), report.dropped);
    EXPECT_EQ(report.unread.size(), 1U);
    EXPECT_EQ(report.unread[0].position, bad.header.position);
    EXPECT_EQ(rig_.disk().content(bad.path), before) << "the old log is the copy of what was cut";
    std::size_t there = 0;
    for (const auto& [partition, offsets] : offsets("repaired")) {
        for (std::size_t i = 0; i < offsets.size(); ++i) EXPECT_EQ(offsets[i], i + 1);
        there += offsets.size();
    }
    EXPECT_EQ(there, report.kept);
    // It goes on from there.
    EXPECT_EQ(verify("repaired"), "");
    EXPECT_EQ(offsets("repaired").size(), 3U);
}

TEST_F(log_tools, repair_drops_in_later_logs_what_stood_behind_a_gap) {
    write(9, 3000);
    const auto first = batches();
    write(6, 100);
    const auto bad = first[3];
    rig_.disk().flip_bit(bad.path, (bad.header.position + 1) * 8);
    ASSERT_NE(verify("log"), "");
    std::vector<std::string> dropped;
    const auto report = repair({{bad.path.substr(4), bad.header.position}}, dropped);
    ASSERT_EQ(report.diagnosis, "");
    EXPECT_EQ(std::count_if(dropped.begin(), dropped.end(), [](const auto& d) { return d.ends_with("gap"); }), 6);
    EXPECT_EQ(offsets("repaired")[0].size() + offsets("repaired")[1].size() + offsets("repaired")[2].size(),
              report.kept);
}

TEST_F(log_tools, repair_names_damage_that_was_not_named) {
    write(12, 3000);
    const auto all = batches();
    rig_.disk().flip_bit(all[3].path, (all[3].header.position + 200) * 8);
    rig_.disk().flip_bit(all[7].path, (all[7].header.position + 200) * 8);
    std::vector<std::string> dropped;
    const auto report = repair({{all[7].path, all[7].header.position}}, dropped);
    EXPECT_NE(report.diagnosis.find(all[3].path + ", position " + std::to_string(all[3].header.position)),
              std::string::npos)
        << report.diagnosis;
    EXPECT_NE(repair({{"nobody.segment", 1}}, dropped).diagnosis.find("nobody.segment"), std::string::npos);
    EXPECT_TRUE(dropped.empty());
}

TEST_F(log_tools, repair_without_a_place_copies_what_a_start_would_find) {
    write(9, 3000);
    write(5, 9000, false);
    const auto wanted = offsets("log");
    std::vector<std::string> dropped;
    const auto report = repair({}, dropped);
    ASSERT_EQ(report.diagnosis, "");
    EXPECT_EQ(report.dropped, 0U);
    EXPECT_EQ(offsets("repaired"), wanted);
}

task<void> dump_on(storage::disk& on, std::vector<std::string>& lines, storage::embedded::dump_report& report) {
    auto note = [&lines](const dumped_record& one) {
        lines.push_back(one.file + ":" + std::to_string(one.position) + " " +
                        std::to_string(one.record.header.partition.value) + "/" + std::to_string(one.record.header.at));
    };
    report = co_await storage::embedded::dump_log(on, "log", note);
}

TEST_F(log_tools, dump_gives_every_record_also_behind_damage) {
    write(6, 3000);
    const auto all = batches();
    std::vector<std::string> lines;
    storage::embedded::dump_report report;
    on_disk([&](storage::disk& on, runtime::shard&) { return dump_on(on, lines, report); });
    EXPECT_EQ(lines.size(), 6U);
    EXPECT_TRUE(report.damaged.empty());
    EXPECT_EQ(report.diagnosis, "");
    const auto whole = lines;
    rig_.disk().flip_bit(all[2].path, (all[2].header.position + 200) * 8);
    lines.clear();
    on_disk([&](storage::disk& on, runtime::shard&) { return dump_on(on, lines, report); });
    EXPECT_EQ(lines.size(), 5U);
    ASSERT_EQ(report.damaged.size(), 1U);
    EXPECT_EQ(report.damaged[0].position, all[2].header.position);
    EXPECT_TRUE(report.damaged[0].is_followed);
}

}  // namespace
}  // namespace tests
