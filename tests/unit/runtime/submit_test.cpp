#include "runtime/submit.hpp"

#include <gtest/gtest.h>

#include <atomic>

#include "runtime/shard_thread.hpp"
#include "runtime/simulation/world.hpp"
#include "runtime/spawn.hpp"
#include "runtime/with_deadline.hpp"

namespace runtime {
namespace {

task<int> on_other_shard(int value) {
    co_await sleep_for(milliseconds(1));
    co_return value + shard::here().id();
}

task<void> hop(shard& to, int& out) {
    shard& home = shard::here();
    const auto plain = [] { return 40; };
    const int a = co_await submit(to, plain);
    EXPECT_EQ(&home, &shard::here());
    const auto as_task = [] { return on_other_shard(1); };
    const int b = co_await submit(to, as_task);
    EXPECT_EQ(&home, &shard::here());
    const auto throws = [] { throw std::runtime_error("there"); };
    EXPECT_THROW(co_await submit(to, throws), std::runtime_error);
    out = a + b;
}

TEST(submit, brings_results_and_exceptions_back_on_real_shards) {
    shard_group group(2);
    group.start();
    int out = 0;
    group.run_and_wait(0, [&] { return hop(group[1], out); });
    EXPECT_EQ(out, 42);
    group.run_and_wait(1, [&] { return hop(group[0], out); });
    EXPECT_EQ(out, 41);
}

task<void> many(shard& to, int count, int& sum) {
    for (int i = 0; i < count; ++i) {
        const auto one = [] { return 1; };
        sum += co_await submit(to, one);
    }
}

task<void> crowd(gate& g, shard& to, int& sum, std::atomic<bool>& blocked) {
    // While the other shard is busy, the ring fills.
    shard::here().send(to, [&blocked] { blocked.wait(true); });
    for (int i = 0; i < 3000; ++i) spawn(g, shard::here(), many(to, 10, sum));
    co_await sleep_for(milliseconds(20));
    blocked.store(false);
    blocked.notify_one();
    co_await g.close();
}

TEST(submit, parks_behind_a_full_ring_and_loses_nothing) {
    shard_limits limits;
    limits.ring_capacity = 16;
    shard_group group(2, limits);
    group.start();
    int sum = 0;
    std::atomic<bool> blocked{true};
    auto g = std::make_unique<gate>(group[0]);
    group.run_and_wait(0, [&] { return crowd(*g, group[1], sum, blocked); });
    EXPECT_EQ(sum, 30000);
    EXPECT_GT(group.thread_of(0).parked_total(), 0U);
    group.stop();
}

std::uint64_t simulate(std::uint64_t seed, int& out) {
    simulation::world w(seed);
    auto& a = w.add_shard(0);
    auto& b = w.add_shard(1);
    gate g(a);
    bool done = false;
    a.post([&] {
        spawn(g, a, hop(b, out));
        done = true;
    });
    EXPECT_TRUE(w.run_until([&] { return done && g.count() == 0; }, seconds(1)));
    return w.trace_hash();
}

TEST(submit, runs_the_same_in_the_simulated_world) {
    int out = 0;
    const auto first = simulate(7, out);
    EXPECT_EQ(out, 42);
    EXPECT_EQ(simulate(7, out), first);
    EXPECT_NE(simulate(8, out), first);
}

task<int> slow(milliseconds how) {
    co_await sleep_for(how);
    co_return 5;
}

task<void> deadlines() {
    const auto now = [] { return shard::here().time().steady(); };
    const auto late = co_await with_deadline(now() + milliseconds(5), slow(seconds(10)));
    EXPECT_TRUE(late.has_error());
    const auto in_time = co_await with_deadline(now() + seconds(10), slow(milliseconds(1)));
    EXPECT_EQ(in_time.value(), 5);
}

TEST(with_deadline, cancels_late_work_and_keeps_what_is_in_time) {
    shard_group group(1);
    group.start();
    group.run_and_wait(0, [] { return deadlines(); });
}

}  // namespace
}  // namespace runtime
