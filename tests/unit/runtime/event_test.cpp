#include "runtime/event.hpp"

#include <gtest/gtest.h>

#include <boost/asio/cancellation_signal.hpp>

#include "runtime/mailbox.hpp"
#include "tests/unit/runtime/on_both.hpp"

namespace runtime {
namespace {

// A continuation that no longer lay in its completion would be allocated with every wait.
using continuation = asio::detail::awaitable_async_op_handler<void(error_code), executor>;
static_assert(sizeof(continuation) <= 2 * sizeof(void*) && std::is_nothrow_move_constructible_v<continuation>);

using outcomes = std::vector<std::string>;

task<void> wait_and_note(event& e, std::string name, outcomes& out) {
    try {
        co_await e.wait();
        out.push_back(name);
    } catch (const boost::system::system_error& failure) {
        EXPECT_EQ(failure.code(), asio::error::operation_aborted);
        out.push_back(name + " cancelled");
    }
}

// Starts a task that a signal cancels.
void start(gate& g, asio::cancellation_signal& stop, task<void> work) {
    auto hold = std::make_shared<gate::hold>(g);
    auto token = asio::bind_cancellation_slot(stop.slot(), [hold](const std::exception_ptr&) {});
    asio::co_spawn(executor(shard::here()), std::move(work), token);
}

task<void> wait_until_waiting(event& e, std::size_t count) {
    for (int i = 0; i < 1000 && e.waiting() != count; ++i) co_await sleep_for(microseconds(10));
    EXPECT_EQ(e.waiting(), count);
}

task<void> wakes_those_who_wait() {
    event e(shard::here());
    gate g(shard::here());
    outcomes out;
    e.notify_all();
    spawn(g, shard::here(), wait_and_note(e, "a", out));
    co_await wait_until_waiting(e, 1);
    EXPECT_TRUE(out.empty()) << "an event has no memory";
    e.notify_all();
    EXPECT_TRUE(out.empty()) << "resumed inside notify_all()";
    EXPECT_EQ(e.waiting(), 0U);
    co_await g.close();
    EXPECT_EQ(out, outcomes{"a"});
}

TEST(event, wakes_those_who_wait_and_later_ones_not) { on_both(wakes_those_who_wait); }

task<void> cancels_one() {
    event e(shard::here());
    gate g(shard::here());
    outcomes out;
    asio::cancellation_signal stop;
    asio::cancellation_signal nobody;
    start(g, stop, wait_and_note(e, "stopped", out));
    co_await wait_until_waiting(e, 1);
    start(g, nobody, wait_and_note(e, "kept", out));
    co_await wait_until_waiting(e, 2);
    stop.emit(asio::cancellation_type::terminal);
    // Emitting again, before and after it has gone, touches nothing.
    stop.emit(asio::cancellation_type::terminal);
    co_await wait_until_waiting(e, 1);
    co_await sleep_for(milliseconds(1));
    EXPECT_EQ(out, outcomes{"stopped cancelled"});
    stop.emit(asio::cancellation_type::terminal);
    e.notify_all();
    co_await g.close();
    EXPECT_EQ(out, (outcomes{"stopped cancelled", "kept"}));
}

TEST(event, cancellation_takes_one_waiter_out) { on_both(cancels_one); }

task<void> cancelled_after_the_notice() {
    event e(shard::here());
    gate g(shard::here());
    outcomes out;
    asio::cancellation_signal stop;
    start(g, stop, wait_and_note(e, "a", out));
    co_await wait_until_waiting(e, 1);
    e.notify_all();
    stop.emit(asio::cancellation_type::terminal);
    co_await g.close();
    EXPECT_EQ(out, outcomes{"a"}) << "a notice that was given is not taken back";
}

TEST(event, a_notice_once_given_is_not_lost_to_a_cancellation) { on_both(cancelled_after_the_notice); }

task<void> note_wait_until(event& e, steady_time deadline, outcomes& out) {
    try {
        const bool noticed = co_await e.wait_until(deadline);
        out.push_back(noticed ? "noticed" : "deadline");
    } catch (const boost::system::system_error&) {
        out.push_back("cancelled");
    }
}

task<void> waits_with_deadline() {
    event e(shard::here());
    gate g(shard::here());
    outcomes out;
    asio::cancellation_signal stop;
    const auto timers_before = shard::here().timers().size();
    co_await note_wait_until(e, in(milliseconds(2)), out);
    EXPECT_EQ(out, outcomes{"deadline"});
    spawn(g, shard::here(), note_wait_until(e, in(seconds(100)), out));
    co_await wait_until_waiting(e, 1);
    e.notify_all();
    start(g, stop, note_wait_until(e, in(seconds(100)), out));
    co_await wait_until_waiting(e, 1);
    stop.emit(asio::cancellation_type::terminal);
    spawn(g, shard::here(), note_wait_until(e, steady_time::never(), out));
    co_await wait_until_waiting(e, 1);
    for (int i = 0; i < 1000 && out.size() < 3; ++i) co_await sleep_for(microseconds(100));
    e.notify_all();
    co_await g.close();
    std::sort(out.begin(), out.end());
    EXPECT_EQ(out, (outcomes{"cancelled", "deadline", "noticed", "noticed"}));
    EXPECT_EQ(shard::here().timers().size(), timers_before) << "a timer was left behind";
}

TEST(event, a_wait_may_have_a_deadline) { on_both(waits_with_deadline); }

task<void> wait_although_cancelled(event& e, outcomes& out) {
    try {
        co_await e.wait();
    } catch (const boost::system::system_error&) {
        out.push_back("cancelled");
    }
    try {
        // Cancelled already: this throws before it begins.
        co_await e.wait_until(in(milliseconds(1)));
    } catch (const boost::system::system_error&) {
        out.push_back("cancelled twice");
    }
}

task<void> leaves_no_timer_when_cancelled_before() {
    gate g(shard::here());
    outcomes out;
    asio::cancellation_signal stop;
    const auto timers_before = shard::here().timers().size();
    {
        event e(shard::here());
        start(g, stop, wait_although_cancelled(e, out));
        co_await wait_until_waiting(e, 1);
        stop.emit(asio::cancellation_type::terminal);
        co_await g.close();
    }
    EXPECT_EQ(out, (outcomes{"cancelled", "cancelled twice"}));
    EXPECT_EQ(shard::here().timers().size(), timers_before);
    co_await sleep_for(milliseconds(3));
}

TEST(event, a_wait_that_never_began_leaves_no_timer) { on_both(leaves_no_timer_when_cancelled_before); }

// ---- mailbox -------------------------------------------------------------------------------------------------------

task<void> pop_all(mailbox<std::unique_ptr<int>>& box, std::vector<int>& out) {
    while (true) {
        auto item = co_await box.pop();
        if (!item) co_return;
        out.push_back(**item);
    }
}

task<void> mailbox_brings_in_order() {
    mailbox<std::unique_ptr<int>> box(shard::here(), 4);
    gate g(shard::here());
    std::vector<int> out;
    spawn(g, shard::here(), pop_all(box, out));
    for (int i = 0; i < 100; ++i) {
        auto item = std::make_unique<int>(i);
        while (!box.try_push(std::move(item))) {
            EXPECT_NE(item, nullptr);
            co_await sleep_for(microseconds(1));
        }
        EXPECT_LE(box.size(), 4U);
    }
    box.close();
    auto late = std::make_unique<int>(7);
    EXPECT_FALSE(box.try_push(std::move(late)));
    EXPECT_NE(late, nullptr);
    co_await g.close();
    EXPECT_EQ(out.size(), 100U);
    EXPECT_TRUE(std::is_sorted(out.begin(), out.end()));
}

TEST(mailbox, brings_everything_in_order_and_then_the_end) { on_both(mailbox_brings_in_order); }

task<void> pop_one(mailbox<std::unique_ptr<int>>& box, std::vector<int>& out) {
    auto item = co_await box.pop();
    if (item) out.push_back(**item);
}

task<void> cancelled_pop_loses_nothing() {
    mailbox<std::unique_ptr<int>> box(shard::here(), 4);
    for (int round = 0; round < 20; ++round) {
        gate g(shard::here());
        asio::cancellation_signal stop;
        std::vector<int> out;
        start(g, stop, pop_one(box, out));
        co_await sleep_for(microseconds(50));
        // Both at once, in either order.
        auto item = std::make_unique<int>(round);
        if (round % 2 == 0) stop.emit(asio::cancellation_type::terminal);
        EXPECT_TRUE(box.try_push(std::move(item)));
        if (round % 2 == 1) stop.emit(asio::cancellation_type::terminal);
        co_await g.close();
        if (out.empty()) co_await pop_one(box, out);
        EXPECT_EQ(out, std::vector<int>{round});
        EXPECT_EQ(box.size(), 0U);
    }
}

TEST(mailbox, a_cancelled_pop_loses_no_item) { on_both(cancelled_pop_loses_nothing); }

}  // namespace
}  // namespace runtime
