#include "runtime/simulation/world.hpp"

#include <gtest/gtest.h>

#include "runtime/spawn.hpp"
#include "runtime/submit.hpp"

namespace runtime::simulation {
namespace {

task<void> chatter(shard& to, int rounds, std::uint64_t& sum) {
    for (int i = 0; i < rounds; ++i) {
        const auto draw = [] { return shard::here().random().below(100); };
        sum += co_await submit(to, draw);
        co_await sleep_for(microseconds(shard::here().random().below(50)));
        const auto block = [i] { return i; };
        sum += static_cast<std::uint64_t>(co_await offload(block));
    }
}

struct trace {
    std::uint64_t hash = 0;
    std::uint64_t steps = 0;
    std::uint64_t sum = 0;
    std::int64_t end_ns = 0;
    friend bool operator==(const trace&, const trace&) = default;
};

trace run_chatter(std::uint64_t seed) {
    trace out;
    world w(seed);
    std::vector<simulated_shard*> shards;
    for (shard_id i = 0; i < 3; ++i) shards.push_back(&w.add_shard(i));
    std::vector<std::unique_ptr<gate>> gates;
    for (auto* s : shards) gates.push_back(std::make_unique<gate>(*s));
    std::array<std::uint64_t, 3> sums{};
    std::size_t begun = 0;
    for (std::size_t i = 0; i < 3; ++i) {
        shards[i]->post([&, i] {
            spawn(*gates[i], *shards[i], chatter(*shards[(i + 1) % 3], 50, sums[i]));
            ++begun;
        });
    }
    const auto all_done = [&] { return begun == 3 && gates[0]->count() + gates[1]->count() + gates[2]->count() == 0; };
    EXPECT_TRUE(w.run_until(all_done, seconds(10)));
    out.hash = w.trace_hash();
    out.steps = w.steps();
    out.sum = sums[0] + sums[1] + sums[2];
    out.end_ns = w.time().steady().nanoseconds_since_start;
    return out;
}

TEST(world, the_same_seed_runs_the_same_steps) {
    std::set<std::uint64_t> hashes;
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        const trace first = run_chatter(seed);
        EXPECT_EQ(run_chatter(seed), first) << seed;
        hashes.insert(first.hash);
    }
    EXPECT_EQ(hashes.size(), 20U) << "two seeds ran alike";
}

TEST(world, messages_of_a_pair_keep_their_order_and_those_of_others_mix) {
    bool mixed = false;
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        world w(seed);
        auto& a = w.add_shard(0);
        auto& b = w.add_shard(1);
        auto& to = w.add_shard(2);
        std::vector<int> arrived;
        for (int i = 0; i < 100; ++i) {
            a.post([&, i] { a.send(to, [&arrived, i] { arrived.push_back(i); }); });
            b.post([&, i] { b.send(to, [&arrived, i] { arrived.push_back(1000 + i); }); });
        }
        // Posted work runs in any order, so the order of sending is noted where it happens.
        std::vector<int> sent_a;
        a.post([&] {
            for (int i = 0; i < 50; ++i) a.send(to, [&arrived, i] { arrived.push_back(2000 + i); });
        });
        ASSERT_TRUE(w.run_until([&] { return arrived.size() == 250; }, seconds(1)));
        int last = -1;
        for (const int each : arrived) {
            if (each < 2000) continue;
            EXPECT_GT(each, last) << "seed " << seed;
            last = each;
        }
        for (std::size_t i = 1; i < arrived.size(); ++i) mixed = mixed || arrived[i] / 1000 != arrived[i - 1] / 1000;
    }
    EXPECT_TRUE(mixed);
}

TEST(world, ready_work_runs_in_an_order_that_the_seed_decides) {
    std::set<std::vector<int>> orders;
    for (std::uint64_t seed = 1; seed <= 50; ++seed) {
        world w(seed);
        auto& s = w.add_shard(0);
        std::vector<int> order;
        for (int i = 0; i < 4; ++i) s.post([&order, i] { order.push_back(i); });
        while (w.step()) {
        }
        EXPECT_EQ(order.size(), 4U);
        orders.insert(order);
    }
    EXPECT_GT(orders.size(), 15U);  // of 24
}

task<void> hop_for_ever(shard& to, int& hops) {
    while (true) {
        const auto nothing = [] {};
        co_await submit(to, nothing);
        ++hops;
        co_await sleep_for(microseconds(10));
    }
}

struct noisy_destruction {
    explicit noisy_destruction(int& count) : destroyed(count) {}
    ~noisy_destruction() { ++destroyed; }
    int& destroyed;
};

task<void> hold_something(int& destroyed) {
    const noisy_destruction kept(destroyed);
    co_await sleep_for(seconds(1000));
}

TEST(world, a_killed_shard_does_nothing_more_and_frees_nothing) {
    int destroyed = 0;
    {
        world w(9);
        auto& victim = w.add_shard(0);
        auto& other = w.add_shard(1);
        auto g = std::make_shared<gate>(victim);
        int hops = 0;
        int late = 0;
        victim.post([&] {
            spawn(*g, victim, hop_for_ever(other, hops));
            spawn(*g, victim, hold_something(destroyed));
        });
        ASSERT_TRUE(w.run_until([&] { return hops == 20; }, seconds(1)));
        victim.post([&late] { ++late; });
        other.post([&] { other.send(victim, [&late] { ++late; }); });
        victim.offload([&late] { ++late; }, [&late] { ++late; });
        victim.timers().add(victim.time().steady() + nanoseconds(1), [&late] { ++late; });
        victim.kill();
        w.bury(g);
        while (w.step()) {
        }
        EXPECT_TRUE(victim.dead());
        EXPECT_EQ(hops, 20);
        EXPECT_EQ(late, 0);
        EXPECT_EQ(destroyed, 0);
        // The rest of the world goes on.
        bool alive = false;
        other.post([&alive] { alive = true; });
        EXPECT_TRUE(w.run_until([&] { return alive; }, seconds(1)));
    }
    EXPECT_EQ(destroyed, 0);
}

task<void> spin(bool& stop) {
    while (!stop) {
        const auto nothing = [] {};
        co_await submit(shard::here(), nothing);
        co_await asio::post(executor(shard::here()), use_task);
    }
}

TEST(world, timers_messages_and_disks_come_while_a_shard_is_busy) {
    world w(3);
    auto& busy = w.add_shard(0);
    auto& other = w.add_shard(1);
    gate g(busy);
    bool stop = false;
    bool timer = false;
    bool message = false;
    bool disk = false;
    busy.post([&] { spawn(g, busy, spin(stop)); });
    busy.timers().add(busy.time().steady() + microseconds(50), [&timer] { timer = true; });
    other.post([&] { other.send(busy, [&message] { message = true; }); });
    w.after(microseconds(70), [&disk] { disk = true; });
    EXPECT_TRUE(w.run_until([&] { return timer && message && disk; }, milliseconds(100)));
    stop = true;
    EXPECT_TRUE(w.run_until([&] { return g.count() == 0; }, milliseconds(100)));
}

TEST(world, time_passes_by_steps_and_jumps_over_idleness) {
    world w(1);
    auto& s = w.add_shard(0);
    bool fired = false;
    s.timers().add(s.time().steady() + seconds(86'400), [&fired] { fired = true; });
    EXPECT_TRUE(w.run_until([&] { return fired; }, seconds(100'000)));
    EXPECT_GE(w.time().steady().nanoseconds_since_start, 86'400'000'000'000);
    EXPECT_LT(w.steps(), 10U);
    EXPECT_FALSE(w.step()) << "nothing is left to happen";
    EXPECT_FALSE(w.run_until([] { return false; }, seconds(1)));
}

TEST(world, run_until_gives_up_at_its_limit) {
    world w(1);
    auto& s = w.add_shard(0);
    unique_function<void()> again;
    int count = 0;
    again = [&] {
        ++count;
        s.post([&again] { again(); });
    };
    s.post([&again] { again(); });
    EXPECT_FALSE(w.run_until([] { return false; }, milliseconds(1)));
    EXPECT_GT(count, 1000);
}

TEST(world, the_wall_clock_may_jump_and_steady_time_does_not) {
    world w(1);
    const auto wall = w.time().utc();
    const auto steady = w.time().steady();
    w.jump_wall_clock(seconds(-3600));
    EXPECT_EQ(w.time().utc().microseconds_since_epoch - wall.microseconds_since_epoch, -3'600'000'000);
    EXPECT_EQ(w.time().steady(), steady);
}

}  // namespace
}  // namespace runtime::simulation
