#include "runtime/timer.hpp"

#include <gtest/gtest.h>

#include "tests/unit/runtime/on_both.hpp"

namespace runtime {
namespace {

TEST(timer_queue, fires_what_is_due_in_order_of_deadline_then_of_entry) {
    timer_queue queue;
    std::vector<int> fired;
    EXPECT_EQ(queue.next_deadline(), steady_time::never());
    queue.add({30}, [&] { fired.push_back(3); });
    queue.add({10}, [&] { fired.push_back(1); });
    queue.add({10}, [&] { fired.push_back(2); });
    queue.add({31}, [&] { fired.push_back(4); });
    EXPECT_EQ(queue.next_deadline(), steady_time{10});
    EXPECT_EQ(queue.fire({9}), 0U);
    EXPECT_EQ(queue.fire({30}), 3U);
    EXPECT_EQ(fired, (std::vector<int>{1, 2, 3}));
    EXPECT_EQ(queue.size(), 1U);
    EXPECT_EQ(queue.next_deadline(), steady_time{31});
}

TEST(timer_queue, cancel_says_whether_it_came_in_time) {
    timer_queue queue;
    int fired = 0;
    const auto one = queue.add({10}, [&] { ++fired; });
    const auto two = queue.add({10}, [&] { ++fired; });
    EXPECT_TRUE(queue.cancel(one));
    EXPECT_FALSE(queue.cancel(one));
    EXPECT_EQ(queue.fire({10}), 1U);
    EXPECT_FALSE(queue.cancel(two));
    EXPECT_EQ(fired, 1);
    EXPECT_TRUE(queue.empty());
}

TEST(timer_queue, handlers_may_cancel_and_add) {
    timer_queue queue;
    std::vector<int> fired;
    timer_queue::ticket neighbour;
    queue.add({10}, [&] {
        fired.push_back(1);
        EXPECT_TRUE(queue.cancel(neighbour));
        queue.add({40}, [&] { fired.push_back(3); });
    });
    neighbour = queue.add({20}, [&] { fired.push_back(2); });
    queue.fire({30});
    EXPECT_EQ(fired, std::vector<int>{1});
    queue.fire({40});
    EXPECT_EQ(fired, (std::vector<int>{1, 3}));
}

TEST(timer_queue, tells_of_an_earlier_deadline_only) {
    timer_queue queue;
    int told = 0;
    queue.on_earlier_deadline = [&] { ++told; };
    queue.add({50}, [] {});
    EXPECT_EQ(told, 1);
    queue.add({60}, [] {});
    queue.add({50}, [] {});
    EXPECT_EQ(told, 1);
    queue.add({40}, [] {});
    EXPECT_EQ(told, 2);
}

task<void> sleep_and_note(steady_time deadline, std::vector<steady_time>& late, int& early) {
    co_await sleep_until(deadline);
    const steady_time now = shard::here().time().steady();
    if (now < deadline) ++early;
    late.push_back(deadline);
}

task<void> many_sleepers() {
    gate g(shard::here());
    std::vector<steady_time> woken;
    int early = 0;
    random_source random(5);
    for (int i = 0; i < 300; ++i) {
        const auto deadline = in(nanoseconds(random.below(20'000'000)));
        spawn(g, shard::here(), sleep_and_note(deadline, woken, early));
    }
    // One that is over already.
    spawn(g, shard::here(), sleep_and_note(in(nanoseconds(-5)), woken, early));
    co_await g.close();
    EXPECT_EQ(woken.size(), 301U);
    EXPECT_EQ(early, 0);
    EXPECT_TRUE(shard::here().timers().empty());
}

TEST(sleep_until, is_late_but_never_early) { on_both(many_sleepers); }

task<void> sleep_and_count(nanoseconds duration, std::stop_token stop, int& whole, int& cut) {
    if (co_await sleep_for(duration, std::move(stop))) {
        ++whole;
    } else {
        ++cut;
    }
}

task<void> stops_early() {
    gate g(shard::here());
    int whole = 0;
    int cut = 0;
    std::stop_source stop;
    spawn(g, shard::here(), sleep_and_count(seconds(1000), stop.get_token(), whole, cut));
    spawn(g, shard::here(), sleep_and_count(milliseconds(1), stop.get_token(), whole, cut));
    co_await sleep_for(milliseconds(20));
    EXPECT_EQ(whole, 1);
    stop.request_stop();
    // Asked before it begins.
    spawn(g, shard::here(), sleep_and_count(seconds(1000), stop.get_token(), whole, cut));
    co_await g.close();
    EXPECT_EQ(whole, 1);
    EXPECT_EQ(cut, 2);
    EXPECT_TRUE(shard::here().timers().empty()) << "a timer was left behind";
}

TEST(sleep_for, ends_early_when_asked_to_stop) { on_both(stops_early); }

task<void> sleep_long(int& aborted) {
    try {
        co_await sleep_for(seconds(1000));
    } catch (const boost::system::system_error& failure) {
        EXPECT_EQ(failure.code(), asio::error::operation_aborted);
        ++aborted;
    }
}

task<void> cancels_sleep() {
    gate g(shard::here());
    asio::cancellation_signal stop;
    int aborted = 0;
    auto hold = std::make_shared<gate::hold>(g);
    auto token = asio::bind_cancellation_slot(stop.slot(), [hold](const std::exception_ptr&) {});
    asio::co_spawn(executor(shard::here()), sleep_long(aborted), token);
    hold.reset();
    co_await sleep_for(milliseconds(1));
    EXPECT_EQ(shard::here().timers().size(), 1U);
    stop.emit(asio::cancellation_type::terminal);
    co_await g.close();
    EXPECT_EQ(aborted, 1);
    EXPECT_TRUE(shard::here().timers().empty());
}

TEST(sleep_for, a_cancelled_sleep_leaves_no_timer) { on_both(cancels_sleep); }

}  // namespace
}  // namespace runtime
