#include "pipeline/letters/letter_office.hpp"

#include <gtest/gtest.h>

#include "tests/unit/pipeline/letters/letter_rig.hpp"

namespace tests {
namespace {

using letters::letter_errc;
using runtime::milliseconds;
using runtime::seconds;
using runtime::task;

std::uint64_t metric(letter_rig& rig, std::size_t shard, const std::string& name) {
    const auto all = rig.journal(shard).home().metrics().collect();
    return all.at(name).series.begin()->second.count;
}

std::uint64_t limit_reached(letter_rig& rig, std::size_t shard, const std::string& limit) {
    const auto all = rig.journal(shard).home().metrics().collect();
    return all.at("weir_limit_reached_total").series.at({{"limit", limit}}).count;
}

TEST(letter_office, letters_arrive_once_and_in_order) {
    letter_rig rig(1);
    rig.begin_life(2);
    for (int i = 1; i <= 20; ++i) {
        EXPECT_TRUE(rig.send(0, 1, "to the other shard " + std::to_string(i)));
        EXPECT_TRUE(rig.send(0, 2, "on the same shard " + std::to_string(i)));
        EXPECT_TRUE(rig.send(0, 0, "to itself " + std::to_string(i)));
    }
    ASSERT_TRUE(rig.wait_for_rest());
    rig.check_at_rest();
    EXPECT_EQ(rig.checker.broken(), std::vector<std::string>());
    for (const std::uint16_t to : {0, 1, 2}) EXPECT_EQ(rig.checker.count({{0}, {to}}), 20U);
    EXPECT_EQ(rig.taken.size(), 60U);
    EXPECT_EQ(metric(rig, 0, "weir_letters_sent_total"), 60U);
    EXPECT_EQ(metric(rig, 0, "weir_letters_taken_total") + metric(rig, 1, "weir_letters_taken_total"), 60U);
}

TEST(letter_office, a_letter_tells_when_it_is_delivered) {
    letter_rig rig(2);
    rig.begin_life(2);
    const auto number = rig.send(0, 1, "hello");
    ASSERT_TRUE(number);
    rig.run(0, [&]() -> task<void> {
        const auto done = co_await rig.office(0).delivered({0}, {1}, *number);
        EXPECT_TRUE(done);
    });
    EXPECT_EQ(rig.book(1)->received_through({0}), 1U);
}

TEST(letter_office, an_answer_is_written_with_the_reception) {
    letter_rig rig(3);
    // Answers go back to the sender until the count that the body holds is used up.
    rig.answers = [](const letters::arrival& in) {
        std::vector<letters::letter_draft> out;
        const int left = std::stoi(in.what.what.body);
        for (int i = 0; i < 2 && left > 0; ++i) {
            letters::letter_draft draft;
            draft.to = letters::slot_of(in.from, letter_rig::bits);
            draft.body = std::to_string(left - 1);
            out.push_back(draft);
        }
        return out;
    };
    rig.begin_life(2);
    ASSERT_TRUE(rig.send(0, 1, "4"));
    ASSERT_TRUE(rig.wait_for_rest());
    rig.check_at_rest();
    EXPECT_EQ(rig.checker.broken(), std::vector<std::string>());
    EXPECT_EQ(rig.checker.count({{0}, {1}}), 1U + 4U + 16U);
    EXPECT_EQ(rig.checker.count({{1}, {0}}), 2U + 8U);
}

TEST(letter_office, survives_a_bad_way) {
    for (std::uint64_t seed = 1; seed <= 10; ++seed) {
        SCOPED_TRACE(seed);
        letter_rig rig(seed);
        rig.faults = {200'000, 200'000, 200'000, 200'000, 200'000, milliseconds(20)};
        rig.begin_life(3);
        for (int i = 0; i < 60; ++i) {
            const auto from = static_cast<std::uint16_t>(i % letter_rig::partitions);
            const auto to = static_cast<std::uint16_t>(i / 3 % letter_rig::partitions);
            EXPECT_TRUE(rig.send(from, to, "letter " + std::to_string(i)));
        }
        EXPECT_TRUE(rig.wait_for_rest());
        rig.check_at_rest();
        EXPECT_EQ(rig.checker.broken(), std::vector<std::string>());
        EXPECT_EQ(rig.taken.size(), 60U);
        EXPECT_GE(rig.sometimes.size(), 4U) << "not every fault happened";
    }
}

TEST(letter_office, survives_crashes_and_other_numbers_of_shards) {
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        SCOPED_TRACE(seed);
        letter_rig rig(seed);
        runtime::random_source random(seed);
        rig.faults = {100'000, 100'000, 100'000, 100'000, 100'000, milliseconds(5)};
        rig.begin_life(1 + random.below(4));
        int written = 0;
        for (int life = 0; life < 6; ++life) {
            for (int i = 0; i < 20; ++i) {
                const auto from = static_cast<std::uint16_t>(random.below(letter_rig::partitions));
                const auto to = static_cast<std::uint16_t>(random.below(letter_rig::partitions));
                EXPECT_TRUE(rig.send(from, to, "letter " + std::to_string(++written)));
            }
            rig.pass(runtime::microseconds(random.below(6'000)));
            rig.crash();
            rig.begin_life(1 + random.below(4));
        }
        EXPECT_TRUE(rig.wait_for_rest());
        rig.check_at_rest();
        EXPECT_EQ(rig.checker.broken(), std::vector<std::string>());
    }
}

TEST(letter_office, a_full_outbox_refuses_by_name_and_takes_answers) {
    letter_rig rig(4);
    rig.faults.lost = 1'000'000;
    letters::letter_limits limits;
    limits.outbox_max = 5;
    rig.answers = [](const letters::arrival& in) {
        letters::letter_draft draft;
        draft.to = letters::slot_of(in.from, letter_rig::bits);
        draft.body = "answer";
        if (in.what.what.body == "answer") return std::vector<letters::letter_draft>();
        return std::vector<letters::letter_draft>{draft};
    };
    rig.begin_life(2, limits);
    for (int i = 0; i < 5; ++i) {
        EXPECT_TRUE(rig.send(0, 1, "question"));
        EXPECT_TRUE(rig.send(1, 0, "question"));
    }
    const auto refused = rig.send(0, 1, "one more");
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error(), letter_errc::outbox_full);
    EXPECT_EQ(limit_reached(rig, 0, "letters.outbox_max"), 1U);
    // Both are full, and each has to take an answer of the other.
    rig.faults.lost = 0;
    EXPECT_TRUE(rig.wait_for_rest());
    rig.check_at_rest();
    EXPECT_EQ(rig.checker.broken(), std::vector<std::string>());
    EXPECT_EQ(rig.checker.count({{0}, {1}}), 10U);
    EXPECT_TRUE(rig.send(0, 1, "there is room again"));
}

TEST(letter_office, a_large_body_is_refused_by_name) {
    letter_rig rig(5);
    rig.begin_life(1);
    const auto refused = rig.send(0, 1, std::string(16 * 1024 + 1, 'x'));
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error(), letter_errc::body_too_large);
    EXPECT_EQ(limit_reached(rig, 0, "letters.body_bytes_max"), 1U);
    EXPECT_TRUE(rig.send(0, 1, std::string(16 * 1024, 'x')));
    EXPECT_TRUE(rig.wait_for_rest());
}

TEST(letter_office, a_kind_that_nobody_reads_waits) {
    letter_rig rig(6);
    rig.begin_life(2);
    rig.run(0, [&]() -> task<void> {
        letters::letter_draft draft;
        draft.to = letters::slot_of({1}, letter_rig::bits);
        draft.kind = letters::letter_kind::lease_ask;
        EXPECT_TRUE(rig.office(0).send({0}, draft));
        co_return;
    });
    EXPECT_FALSE(rig.wait_for_rest(seconds(20)));
    EXPECT_EQ(rig.office(0).waiting(), 1U);
    // Repeated, and ever more rarely.
    const auto repeated = metric(rig, 0, "weir_letters_repeated_total");
    EXPECT_GT(repeated, 10U);
    EXPECT_LT(repeated, 60U);
}

// The log gets its space back, and what stands in the lanes outlives the records that it came from.
TEST(letter_office, old_records_go) {
    letter_rig rig(7);
    letters::letter_limits limits;
    limits.held_records_max = 50;
    rig.begin_life(2, limits);
    for (int i = 0; i < 300; ++i) ASSERT_TRUE(rig.send(0, 1, "letter"));
    ASSERT_TRUE(rig.wait_for_rest());
    for (std::size_t i = 0; i < 2; ++i) {
        const runtime::partition_id partition{static_cast<std::uint16_t>(i)};
        rig.run(i, [&, i, partition]() -> task<void> {
            // No idempotency key holds them either.
            rig.journal(i).keys_are_behind(partition, rig.journal(i).next_offset(partition));
            co_await rig.office(i).tidy();
            const auto gone = co_await rig.journal(i).log().read(partition, 1, 1 << 20, 1);
            EXPECT_FALSE(gone) << "the first records are still there";
        });
    }
    rig.crash();
    rig.begin_life(1, limits);
    EXPECT_EQ(rig.book(0)->next_number({1}), 301U);
    EXPECT_EQ(rig.book(1)->received_through({0}), 300U);
    ASSERT_TRUE(rig.send(0, 1, "letter"));
    ASSERT_TRUE(rig.wait_for_rest());
    rig.check_at_rest();
    EXPECT_EQ(rig.checker.broken(), std::vector<std::string>());
}

// A partition that had few letters, long ago, must not keep a segment for ever.
TEST(letter_office, few_old_records_go_too) {
    for (const bool by_age : {true, false}) {
        SCOPED_TRACE(by_age);
        letter_rig rig(9);
        letters::letter_limits limits;
        limits.age_max = by_age ? seconds(60) : seconds(1'000'000);
        limits.behind_bytes_max = by_age ? 1 << 30 : 20'000;
        rig.begin_life(1, limits);
        ASSERT_TRUE(rig.send(0, 0, "letter"));
        ASSERT_TRUE(rig.wait_for_rest());
        const auto tidied = [&]() -> task<void> { co_await rig.office(0).tidy(); };
        rig.run(0, tidied);
        const auto before = rig.journal(0).next_offset({0});
        if (by_age) rig.pass(seconds(61));
        for (int i = 0; i < 200 && !by_age; ++i) ASSERT_TRUE(rig.send(1, 1, std::string(100, 'x')));
        ASSERT_TRUE(rig.wait_for_rest());
        EXPECT_EQ(rig.journal(0).next_offset({0}), before) << "nothing was due yet";
        rig.run(0, tidied);
        EXPECT_EQ(rig.journal(0).next_offset({0}), before + 1) << "the lanes are written again";
        rig.run(0, tidied);
        EXPECT_EQ(rig.journal(0).next_offset({0}), before + 1) << "and once";
    }
}

// One letter that cannot be delivered holds its record, and those behind it, but no lane is written again and again.
TEST(letter_office, an_undelivered_letter_stays_in_the_log) {
    letter_rig rig(8);
    letters::letter_limits limits;
    limits.held_records_max = 20;
    rig.begin_life(2, limits);
    rig.faults.lost = 1'000'000;
    for (int i = 0; i < 100; ++i) ASSERT_TRUE(rig.send(0, 1, "letter " + std::to_string(i)));
    rig.pass(seconds(1));
    for (int i = 0; i < 5; ++i) rig.run(0, [&]() -> task<void> { co_await rig.office(0).tidy(); });
    EXPECT_EQ(rig.journal(0).next_offset({0}), 101U);
    rig.crash();
    rig.faults.lost = 0;
    rig.begin_life(2, limits);
    ASSERT_TRUE(rig.wait_for_rest());
    rig.check_at_rest();
    EXPECT_EQ(rig.checker.broken(), std::vector<std::string>());
    EXPECT_EQ(rig.checker.count({{0}, {1}}), 100U);
}

}  // namespace
}  // namespace tests
