// What idempotency keys cost as time goes by.
#include "pipeline/key_upkeep.hpp"

#include <gtest/gtest.h>

#include "runtime/spawn.hpp"
#include "tests/unit/pipeline/memory_shard.hpp"

namespace pipeline {
namespace {

using runtime::task;

constexpr runtime::partition_id only{0};
constexpr int records_per_post = 12;  // two others without a key beside it

// A shard with one partition, on a log that commits at once.
struct posting_shard : memory_shard {
    explicit posting_shard(const snapshot_options& limits) : memory_shard(0, 1'000'000), upkeep(state, limits) {
        state.journal.opened({only, 0, 1});
    }

    // A post under a key whose execution has ended, as far as the log is concerned.
    void post() {
        storage::offset last = 0;
        for (int i = 0; i < records_per_post; ++i) {
            const auto stored = state.journal.append(storage::record_header(), std::string(100, 'x'));
            ASSERT_TRUE(stored.has_value());
            last = stored->at;
        }
        key_entry key;
        key.key[0] = static_cast<std::uint8_t>(posts % 256);
        for (int i = 0; i < 4; ++i) key.key[1 + i] = static_cast<std::uint8_t>(posts >> (8 * i));
        key.expires = {state.home.time().utc().microseconds_since_epoch + 10'000'000};
        state.keys.insert(key, last);
        ++posts;
        commit();
    }
    void commit() {
        log.commit();
        state.journal.committed(only, log.records(only).size());
    }
    // One round, on a disk that commits between its turns.
    void tidy() {
        runtime::gate round(home);
        runtime::spawn(round, home, run_once(*this));
        while (round.count() > 0) {
            if (!world.step()) commit();
        }
    }
    void pass(runtime::nanoseconds time) {
        bool over = false;
        world.after(time, [&over] { over = true; });
        ASSERT_TRUE(world.run_until([&over] { return over; }, 2 * time));
    }
    static task<void> run_once(posting_shard& self) {
        const std::vector<runtime::partition_id> mine{only};
        co_await self.upkeep.run(mine);
    }

    key_upkeep upkeep;
    std::uint64_t posts = 0;
};

void expect_cheap_keys(const snapshot_options& limits) {
    posting_shard shard(limits);
    for (int round = 0; round < 200; ++round) {
        for (int i = 0; i < 200; ++i) shard.post();
        shard.tidy();
        const auto held = shard.state.journal.held_for_keys(only);
        const auto bound =
            std::max<std::uint64_t>(key_upkeep::held_records_max, key_upkeep::held_for_each * shard.posts);
        EXPECT_LE(held.records, bound);
    }
    EXPECT_EQ(shard.state.keys.size(), shard.posts);
    EXPECT_GT(shard.upkeep.rewritten(), 0U) << "the log never lets go";
    // An eighth of what is appended, however many there are.
    const auto written_again = shard.upkeep.rewritten() * key_upkeep::key_bytes;
    EXPECT_LE(written_again, shard.state.journal.appended_bytes() / key_upkeep::held_for_each);
}

TEST(key_upkeep, what_a_key_costs_does_not_grow_with_their_number) { expect_cheap_keys({}); }

TEST(key_upkeep, and_no_more_often_when_the_log_is_to_be_short) {
    snapshot_options limits;
    limits.behind_bytes_max = 1;
    expect_cheap_keys(limits);
}

TEST(key_upkeep, a_round_forgets_all_whose_time_has_come) {
    posting_shard shard({});
    for (int i = 0; i < 5000; ++i) shard.post();
    shard.pass(runtime::seconds(11));
    shard.post();
    shard.tidy();
    EXPECT_EQ(shard.state.keys.size(), 1U);
}

TEST(key_upkeep, old_records_are_not_held_for_keys_however_few) {
    snapshot_options limits;
    limits.age_max = runtime::seconds(5);
    posting_shard shard(limits);
    shard.post();
    shard.tidy();
    EXPECT_GT(shard.state.journal.held_for_keys(only).records, 0U);
    shard.pass(runtime::seconds(6));
    shard.tidy();
    EXPECT_EQ(shard.upkeep.rewritten(), 1U);
    EXPECT_LE(shard.state.journal.held_for_keys(only).records, 1U);
}

}  // namespace
}  // namespace pipeline
