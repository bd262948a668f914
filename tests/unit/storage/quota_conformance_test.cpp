// What every quota promises, on the machine's shards and on simulated ones; and the embedded one's bounds.
#include <gtest/gtest.h>

#include <functional>
#include <ostream>

#include "storage/embedded/quota/gcra_quota.hpp"
#include "tests/support/two_shards.hpp"

namespace tests {
namespace {

using runtime::milliseconds;
using runtime::nanoseconds;
using runtime::seconds;
using runtime::task;
using storage::quota;
using storage::rate_decision;
using storage::rate_limit;
using storage::embedded::gcra_limits;
using storage::embedded::gcra_quota;

struct quota_back_end {
    std::string name;
    std::function<std::unique_ptr<two_shards>()> make;
};
void PrintTo(const quota_back_end& back_end, std::ostream* out) { *out << back_end.name; }

class quota_conformance : public ::testing::TestWithParam<quota_back_end> {
  protected:
    void SetUp() override { shards_ = GetParam().make(); }
    // Runs `body` with a quota of its own on each shard.
    void on_both(const std::function<task<void>(quota&)>& body) {
        for (std::size_t i = 0; i < 2; ++i) {
            gcra_quota mine((*shards_)[i], {});
            shards_->run(i, [&] { return body(mine); });
        }
    }
    std::unique_ptr<two_shards> shards_;
};

task<rate_decision> take(quota& from, std::string key, rate_limit limit, std::uint32_t units) {
    const auto decision = co_await from.take(std::move(key), limit, units);
    EXPECT_TRUE(decision.has_value());
    co_return *decision;
}

// Long enough that a slow machine does not refill a bucket behind the test's back.
const rate_limit five_at_once{seconds(1000), 5};

task<void> burst_then_wait(quota& q) {
    for (std::uint32_t left = 5; left-- > 0;) {
        const auto allowed = co_await take(q, "k", five_at_once, 1);
        EXPECT_TRUE(allowed.allowed);
        EXPECT_EQ(allowed.remaining, left);
        EXPECT_EQ(allowed.retry_after, nanoseconds(0));
    }
    for (int i = 0; i < 3; ++i) {
        const auto refused = co_await take(q, "k", five_at_once, 1);
        EXPECT_FALSE(refused.allowed);
        EXPECT_EQ(refused.remaining, 0U);
        EXPECT_LE(refused.retry_after, seconds(1000));
        EXPECT_GE(refused.retry_after, seconds(980)) << "a refusal must not push the next unit away";
    }
    const auto another = co_await take(q, "other", five_at_once, 5);
    EXPECT_TRUE(another.allowed);
}

TEST_P(quota_conformance, a_burst_passes_then_the_rest_waits) { on_both(burst_then_wait); }

task<void> units_together(quota& q) {
    const auto three = co_await take(q, "k", five_at_once, 3);
    EXPECT_TRUE(three.allowed);
    EXPECT_EQ(three.remaining, 2U);
    const auto three_more = co_await take(q, "k", five_at_once, 3);
    EXPECT_FALSE(three_more.allowed);
    EXPECT_EQ(three_more.remaining, 2U) << "a refusal takes nothing";
    const auto two = co_await take(q, "k", five_at_once, 2);
    EXPECT_TRUE(two.allowed);
    const auto asked = co_await take(q, "fresh", five_at_once, 0);
    EXPECT_TRUE(asked.allowed);
    EXPECT_EQ(asked.remaining, 5U);
    const auto more_than_ever = co_await take(q, "fresh", five_at_once, 6);
    EXPECT_FALSE(more_than_ever.allowed);
    EXPECT_EQ(more_than_ever.retry_after, nanoseconds::max());
}

TEST_P(quota_conformance, units_are_taken_whole_or_not_at_all) { on_both(units_together); }

task<void> refills(quota& q) {
    const rate_limit limit{milliseconds(40), 2};
    const auto all = co_await take(q, "k", limit, 2);
    EXPECT_TRUE(all.allowed);
    const auto refused = co_await take(q, "k", limit, 1);
    EXPECT_FALSE(refused.allowed);
    // Whoever comes when told to is let in.
    co_await runtime::sleep_for(refused.retry_after);
    const auto in_time = co_await take(q, "k", limit, 1);
    EXPECT_TRUE(in_time.allowed);
    // Waiting long gives the burst back, and no more.
    co_await runtime::sleep_for(milliseconds(400));
    const auto full = co_await take(q, "k", limit, 2);
    EXPECT_TRUE(full.allowed);
    const auto over = co_await take(q, "k", limit, 1);
    EXPECT_FALSE(over.allowed);
}

TEST_P(quota_conformance, units_come_back_one_every_interval) { on_both(refills); }

task<void> edges(quota& q) {
    const rate_limit unlimited{nanoseconds(0), 1000};
    const rate_limit closed{seconds(1), 0};
    const rate_limit enormous{nanoseconds::max(), 0xffffffff};
    for (int i = 0; i < 100; ++i) {
        const auto free = co_await take(q, "free", unlimited, 1000);
        EXPECT_TRUE(free.allowed);
        const auto shut = co_await take(q, "shut", closed, 1);
        EXPECT_FALSE(shut.allowed);
    }
    const auto large = co_await take(q, "large", enormous, 0xffffffff);
    EXPECT_TRUE(large.allowed);
    const rate_limit one_ever{nanoseconds::max(), 1};
    const auto once = co_await take(q, "once", one_ever, 1);
    EXPECT_TRUE(once.allowed);
    const auto never = co_await take(q, "once", one_ever, 1);
    EXPECT_FALSE(never.allowed);
    EXPECT_GT(never.retry_after, seconds(1'000'000));
}

TEST_P(quota_conformance, limits_at_their_edges_do_not_overflow) { on_both(edges); }

INSTANTIATE_TEST_SUITE_P(back_ends, quota_conformance,
                         ::testing::Values(quota_back_end{"machine", [] { return std::make_unique<machine_shards>(); }},
                                           quota_back_end{"simulated",
                                                          [] { return std::make_unique<simulated_shards>(1); }}),
                         [](const auto& each) { return each.param.name; });

// ---- against the definition ----------------------------------------------------------------------------------------

// One cell at a time, by the virtual scheduling algorithm as the recommendation words it.
struct reference {
    std::int64_t arrival = 0;
    bool first = true;
    bool take(std::int64_t now, std::int64_t interval, std::int64_t burst) {
        if (first) {
            first = false;
            arrival = now;
        }
        const std::int64_t tolerance = (burst - 1) * interval;
        if (now < arrival - tolerance) return false;
        arrival = std::max(now, arrival) + interval;
        return true;
    }
};

task<void> random_arrivals(quota& q, std::uint64_t seed) {
    runtime::random_source random(seed);
    const rate_limit limit{milliseconds(1 + static_cast<std::int64_t>(random.below(20))),
                           1 + static_cast<std::uint32_t>(random.below(8))};
    reference expected;
    runtime::shard& home = runtime::shard::here();
    for (int i = 0; i < 500; ++i) {
        const std::int64_t now = home.time().steady().nanoseconds_since_start;
        const auto decision = co_await take(q, "k", limit, 1);
        EXPECT_EQ(decision.allowed, expected.take(now, limit.interval.count(), limit.burst)) << "arrival " << i;
        const auto pause = random.chance(100'000) ? milliseconds(200) : nanoseconds(random.below(15'000'000));
        co_await runtime::sleep_for(pause);
    }
}

TEST(gcra_quota, decides_as_the_virtual_scheduling_algorithm_does) {
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        simulated_shards shards(seed);
        gcra_quota q(shards[0], {});
        shards.run(0, [&] { return random_arrivals(q, seed); });
    }
}

task<void> many_keys(gcra_quota& q) {
    for (int i = 0; i < 1000; ++i) co_await take(q, "key " + std::to_string(i), five_at_once, 5);
    EXPECT_EQ(q.keys(), 100U);
    EXPECT_EQ(q.counters().forgotten_active, 900U);
    // The newest are remembered, and so is what is used again.
    co_await take(q, "key 900", five_at_once, 1);
    for (int i = 2000; i < 2099; ++i) co_await take(q, "key " + std::to_string(i), five_at_once, 1);
    const auto kept = co_await take(q, "key 900", five_at_once, 1);
    EXPECT_FALSE(kept.allowed);
    const auto forgotten = co_await take(q, "key 901", five_at_once, 5);
    EXPECT_TRUE(forgotten.allowed);
}

TEST(gcra_quota, keeps_a_bounded_number_of_keys) {
    simulated_shards shards(1);
    gcra_limits limits;
    limits.keys_max = 100;
    gcra_quota q(shards[0], limits);
    shards.run(0, [&] { return many_keys(q); });
}

task<void> idle_keys(gcra_quota& q) {
    const rate_limit quick{milliseconds(1), 1};
    for (int i = 0; i < 200; ++i) {
        co_await take(q, "key " + std::to_string(i), quick, 1);
        co_await runtime::sleep_for(milliseconds(1));
    }
    EXPECT_EQ(q.counters().forgotten_idle, 190U);
    EXPECT_EQ(q.counters().forgotten_active, 0U);
    // A long key is another than its own beginning.
    const std::string long_key(1000, 'k');
    const auto one = co_await take(q, long_key, five_at_once, 5);
    const auto two = co_await take(q, long_key + "x", five_at_once, 5);
    const auto again = co_await take(q, long_key, five_at_once, 1);
    EXPECT_TRUE(one.allowed && two.allowed);
    EXPECT_FALSE(again.allowed);
}

TEST(gcra_quota, says_when_it_forgets_a_key_too_early) {
    simulated_shards shards(1);
    gcra_limits limits;
    limits.keys_max = 10;
    gcra_quota q(shards[0], limits);
    shards.run(0, [&] { return idle_keys(q); });
}

}  // namespace
}  // namespace tests
