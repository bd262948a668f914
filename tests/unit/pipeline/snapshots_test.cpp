// Snapshots on their way back: what recovery makes of parts, whole or not, with the old records or without.
#include "pipeline/snapshots.hpp"

#include <gtest/gtest.h>

#include "tests/unit/pipeline/memory_shard.hpp"
#include "tests/unit/pipeline/samples.hpp"

namespace pipeline {
namespace {

using storage::record;

// A history as it would stand in the log, and its recovery by a fresh shard.
struct history_of_one {
    samples::feed f;
    std::vector<record> log;

    void accept() {
        ASSERT_TRUE(f.accept());
        storage::record_header first;
        first.type = static_cast<std::uint16_t>(record_type::accepted);
        first.format = record_format;
        first.at = f.next - 1;
        first.first_event = 1;
        first.event_count = 3;
        first.attempt = 1;
        log.push_back({first, encode(samples::accepted())});
    }
    void add(record_type type, std::uint16_t events, const std::string& payload = {}) {
        const auto header = f.header(type, events);
        ASSERT_TRUE(f.e->apply({header, payload}, true));
        log.push_back({header, payload});
    }
    // A part with copies of log[from, to).
    record part(std::uint32_t number, std::size_t from, std::size_t to, bool whole) {
        const std::vector<record> some(log.begin() + static_cast<std::ptrdiff_t>(from),
                                       log.begin() + static_cast<std::ptrdiff_t>(to));
        auto header = f.header(record_type::snapshot_part, 0);
        header.step = number;
        header.flags = whole ? snapshot_is_whole : 0;
        header.first_event = some.front().header.first_event;
        const auto& last = some.back().header;
        header.event_count = static_cast<std::uint16_t>(last.first_event + last.event_count - header.first_event);
        return {header, encode_chunk(some)};
    }
    void run() {
        accept();
        add(record_type::scheduled, 1);
        add(record_type::started, 1);
        add(record_type::output, 1, encode(output_record{stream::standard_output, 0, true, "one"}));
        add(record_type::output, 1, encode(output_record{stream::standard_output, 3, true, "two"}));
    }
};

struct recovering_shard : memory_shard {
    recovering_shard() : memory_shard(4, 100) {}

    bool take(const record& one) { return recover(state, {one.header, one.payload}); }
    std::shared_ptr<execution> found(const samples::feed& f) { return state.table.find(f.e->id); }
};

TEST(snapshots, alone_they_are_the_execution) {
    history_of_one h;
    h.run();
    recovering_shard shard;
    ASSERT_TRUE(shard.take(h.part(0, 0, 3, false)));
    EXPECT_EQ(shard.found(h.f), nullptr) << "a snapshot without its last part is nothing";
    ASSERT_TRUE(shard.take(h.part(1, 3, 5, true)));
    const auto e = shard.found(h.f);
    ASSERT_NE(e, nullptr);
    EXPECT_EQ(e->status, status::running);
    EXPECT_EQ(e->last_event, 7U);
    EXPECT_EQ(e->spec.more().labels, samples::accepted().more().labels);
    EXPECT_EQ(e->started_at, h.f.e->started_at) << "times are those of the first writing";
    ASSERT_EQ(e->places.size(), 2U);
    EXPECT_EQ(e->places[0].event_count, 5);
    EXPECT_EQ(e->places[1].first_event, 6U);
    EXPECT_EQ(shard.state.table.open_of(e->user), 1U);
    EXPECT_EQ(shard.state.table.oldest_open(), e);
    EXPECT_TRUE(shard.state.snapshots.empty());
}

TEST(snapshots, they_take_the_place_of_the_old_records) {
    history_of_one h;
    h.run();
    recovering_shard shard;
    for (const auto& one : h.log) ASSERT_TRUE(shard.take(one));
    const auto before = shard.found(h.f);
    const auto part = h.part(0, 0, 5, true);
    ASSERT_TRUE(shard.take(part));
    const auto e = shard.found(h.f);
    ASSERT_NE(e, before);
    EXPECT_EQ(e->last_event, before->last_event);
    EXPECT_EQ(e->first_offset, std::min<storage::offset>(part.header.at, 7)) << "its blobs lie in front of it";
    EXPECT_EQ(shard.state.table.size(), 1U);
    EXPECT_EQ(shard.state.table.open_of(e->user), 1U);
}

TEST(snapshots, what_was_appended_between_the_parts_follows_the_last) {
    history_of_one h;
    h.run();
    const auto first = h.part(0, 0, 3, false);
    h.add(record_type::output, 1, encode(output_record{stream::standard_output, 6, true, "three"}));
    const auto second = h.part(1, 3, 5, true);
    h.add(record_type::concluded, 1, encode(concluded_record{samples::completed(), {}}));
    recovering_shard shard;
    ASSERT_TRUE(shard.take(first));
    ASSERT_TRUE(shard.take(h.log[5]));
    ASSERT_TRUE(shard.take(second));
    ASSERT_TRUE(shard.take(h.log[6]));
    const auto e = shard.found(h.f);
    ASSERT_NE(e, nullptr);
    EXPECT_TRUE(e->is_ended());
    EXPECT_EQ(e->last_event, 9U);
    EXPECT_EQ(e->places.size(), 4U);
    EXPECT_EQ(shard.state.table.open_of(e->user), 0U);
    EXPECT_EQ(shard.state.table.oldest_open(), nullptr);
}

TEST(snapshots, one_that_is_not_whole_leaves_the_old_records) {
    history_of_one h;
    h.run();
    const auto first = h.part(0, 0, 3, false);
    h.add(record_type::concluded, 1, encode(concluded_record{samples::completed(), {}}));
    recovering_shard shard;
    for (std::size_t i = 0; i < 5; ++i) ASSERT_TRUE(shard.take(h.log[i]));
    const auto before = shard.found(h.f);
    ASSERT_TRUE(shard.take(first));
    ASSERT_TRUE(shard.take(h.log[5]));
    EXPECT_EQ(shard.found(h.f), before);
    EXPECT_TRUE(before->is_ended());
    EXPECT_EQ(before->places.size(), 6U);
}

TEST(snapshots, a_part_whose_beginning_is_gone_is_nobodys) {
    history_of_one h;
    h.run();
    recovering_shard shard;
    ASSERT_TRUE(shard.take(h.part(1, 3, 5, true)));
    EXPECT_EQ(shard.state.table.size(), 0U);
    // A newer one starts over.
    ASSERT_TRUE(shard.take(h.part(0, 0, 3, false)));
    ASSERT_TRUE(shard.take(h.part(0, 0, 2, false)));
    ASSERT_TRUE(shard.take(h.part(1, 2, 5, true)));
    ASSERT_NE(shard.found(h.f), nullptr);
    EXPECT_EQ(shard.found(h.f)->last_event, 7U);
}

TEST(snapshots, a_part_renders_the_same_events) {
    history_of_one h;
    h.run();
    const auto part = h.part(0, 0, 5, true);
    const auto copied = events_of({part.header, part.payload});
    ASSERT_TRUE(copied);
    std::vector<std::shared_ptr<const event>> first;
    for (const auto& one : h.log) {
        const auto some = events_of({one.header, one.payload});
        ASSERT_TRUE(some);
        first.insert(first.end(), some->begin(), some->end());
    }
    ASSERT_EQ(copied->size(), first.size());
    for (std::size_t i = 0; i < first.size(); ++i) {
        EXPECT_EQ((*copied)[i]->number, first[i]->number);
        EXPECT_EQ((*copied)[i]->type, first[i]->type);
        EXPECT_EQ((*copied)[i]->time, first[i]->time);
        EXPECT_EQ((*copied)[i]->bytes, first[i]->bytes);
    }
}

TEST(snapshots, a_copy_keeps_what_a_later_version_wrote) {
    // Field 200, varint 5: unknown here.
    const std::string payload = encode(samples::accepted()) + std::string("\xc0\x0c\x05", 3);
    const auto moved = with_blobs(payload, {storage::blob_reference{}, {99, 2, 300'000}});
    ASSERT_TRUE(moved);
    EXPECT_NE(moved->find(std::string("\xc0\x0c\x05", 3)), std::string::npos);
    const auto back = decode_accepted(*moved);
    ASSERT_TRUE(back);
    EXPECT_EQ(back->more().standard_input.blob.first, 99U);
    EXPECT_EQ(back->more().standard_input.blob.bytes, 300'000U);
    EXPECT_FALSE(back->script.is_blob());
    EXPECT_EQ(back->script.inline_bytes, "print(1)");
}

}  // namespace
}  // namespace pipeline
