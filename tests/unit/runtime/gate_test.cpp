#include "runtime/gate.hpp"

#include <gtest/gtest.h>

#include "tests/unit/runtime/on_both.hpp"

namespace runtime {
namespace {

task<void> sleep_then_count(milliseconds how_long, int& ended) {
    co_await sleep_for(how_long);
    ++ended;
}

task<void> close_waits() {
    gate g(shard::here());
    int ended = 0;
    for (int i = 1; i <= 5; ++i) EXPECT_TRUE(spawn(g, shard::here(), sleep_then_count(milliseconds(i), ended)));
    EXPECT_EQ(g.count(), 5U);
    EXPECT_FALSE(g.closed());
    co_await g.close();
    EXPECT_EQ(ended, 5);
    EXPECT_EQ(g.count(), 0U);
    EXPECT_TRUE(g.closed());
    // A second time there is nothing to wait for.
    co_await g.close();
}

TEST(gate, close_waits_for_what_is_inside) { on_both(close_waits); }

task<void> close_and_count(gate& g, int& closed) {
    co_await g.close();
    ++closed;
}

task<void> several_wait() {
    gate g(shard::here());
    gate waiters(shard::here());
    int ended = 0;
    int closed = 0;
    spawn(g, shard::here(), sleep_then_count(milliseconds(2), ended));
    for (int i = 0; i < 3; ++i) spawn(waiters, shard::here(), close_and_count(g, closed));
    co_await waiters.close();
    EXPECT_EQ(closed, 3);
    EXPECT_EQ(ended, 1);
}

TEST(gate, several_may_wait_for_the_same_end) { on_both(several_wait); }

task<void> closed_gate_lets_nothing_in() {
    gate g(shard::here());
    co_await g.close();
    int ended = 0;
    EXPECT_FALSE(spawn(g, shard::here(), sleep_then_count(milliseconds(0), ended)));
    co_await sleep_for(milliseconds(2));
    EXPECT_EQ(ended, 0);
}

TEST(spawn, drops_the_work_at_a_closed_gate) { on_both(closed_gate_lets_nothing_in); }

task<void> note(int& begun) {
    ++begun;
    co_return;
}

task<void> starts_later() {
    gate g(shard::here());
    int begun = 0;
    spawn(g, shard::here(), note(begun));
    EXPECT_EQ(begun, 0) << "begun inside spawn()";
    co_await g.close();
    EXPECT_EQ(begun, 1);
}

TEST(spawn, begins_from_the_ready_list) { on_both(starts_later); }

task<void> sleep_long(int& begun, int& aborted) {
    ++begun;
    try {
        co_await sleep_for(seconds(1000));
    } catch (const boost::system::system_error&) {
        ++aborted;
    }
}

task<void> cancels_by_slot() {
    gate g(shard::here());
    int begun = 0;
    int aborted = 0;
    asio::cancellation_signal before;
    asio::cancellation_signal during;
    EXPECT_TRUE(spawn(g, shard::here(), sleep_long(begun, aborted), before.slot()));
    // Before its first turn: it never begins.
    before.emit(asio::cancellation_type::terminal);
    EXPECT_TRUE(spawn(g, shard::here(), sleep_long(begun, aborted), during.slot()));
    co_await sleep_for(milliseconds(1));
    EXPECT_EQ(begun, 1);
    during.emit(asio::cancellation_type::terminal);
    co_await g.close();
    EXPECT_EQ(aborted, 1);
    EXPECT_FALSE(spawn(g, shard::here(), sleep_long(begun, aborted), during.slot()));
}

TEST(spawn, a_signal_cancels_before_and_during) { on_both(cancels_by_slot); }

task<void> cancelled_task() {
    throw boost::system::system_error(asio::error::operation_aborted);
    co_return;
}

task<void> cancellation_is_no_failure() {
    gate g(shard::here());
    spawn(g, shard::here(), cancelled_task());
    co_await g.close();
}

TEST(spawn, a_cancelled_task_just_ends) { on_both(cancellation_is_no_failure); }

task<void> failing_task() {
    throw std::runtime_error("the disk is upside down");
    co_return;
}

task<void> spawn_failing() {
    gate g(shard::here());
    spawn(g, shard::here(), failing_task());
    co_await g.close();
}

TEST(gate_death, a_gate_that_is_destroyed_while_held_is_a_bug) {
    ::testing::GTEST_FLAG(death_test_style) = "threadsafe";
    const auto destroy_held = [] {
        simulation::world world(1);
        auto& home = world.add_shard(0);
        auto held = std::make_unique<gate>(home);
        const gate::hold hold(*held);
        held.reset();
    };
    EXPECT_DEATH(destroy_held(), "assertion failed: count_ == 0");
}

TEST(spawn_death, what_a_task_lets_escape_stops_the_process) {
    ::testing::GTEST_FLAG(death_test_style) = "threadsafe";
    const auto run = [] {
        tests::simulated_shards shards(1);
        shards.run(0, [] { return spawn_failing(); });
    };
    EXPECT_DEATH(run(), "a background task failed: the disk is upside down");
}

}  // namespace
}  // namespace runtime
