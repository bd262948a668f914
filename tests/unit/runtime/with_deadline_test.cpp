#include "runtime/with_deadline.hpp"

#include <gtest/gtest.h>

#include "tests/unit/runtime/on_both.hpp"

namespace runtime {
namespace {

task<std::unique_ptr<int>> value_after(nanoseconds delay, int value) {
    co_await sleep_for(delay);
    co_return std::make_unique<int>(value);
}

task<void> nothing_after(nanoseconds delay, int& ended) {
    co_await sleep_for(delay);
    ++ended;
}

task<void> in_time_and_late() {
    auto in_time = co_await with_deadline(in(seconds(100)), value_after(milliseconds(1), 5));
    EXPECT_TRUE(in_time.has_value() && **in_time == 5);
    const auto late = co_await with_deadline(in(milliseconds(2)), value_after(seconds(100), 5));
    EXPECT_TRUE(late.has_error() && late.error() == asio::error::timed_out);
    int ended = 0;
    const auto void_in_time = co_await with_deadline(in(seconds(100)), nothing_after(milliseconds(1), ended));
    EXPECT_TRUE(void_in_time.has_value());
    EXPECT_EQ(ended, 1);
    const auto void_late = co_await with_deadline(in(milliseconds(2)), nothing_after(seconds(100), ended));
    EXPECT_TRUE(void_late.has_error() && void_late.error() == asio::error::timed_out);
    EXPECT_EQ(ended, 1);
    EXPECT_TRUE(shard::here().timers().empty()) << "a timer was left behind";
}

TEST(with_deadline, answers_in_time_or_cancels) { on_both(in_time_and_late); }

// Ignores its cancellation and finishes.
task<int> stubborn(int& cancelled) {
    try {
        co_await sleep_for(seconds(100));
    } catch (const boost::system::system_error&) {
        ++cancelled;
    }
    co_return 7;
}

task<void> keeps_values() {
    int cancelled = 0;
    const auto kept = co_await with_deadline(in(milliseconds(1)), stubborn(cancelled));
    EXPECT_EQ(cancelled, 1);
    EXPECT_TRUE(kept.has_value() && *kept == 7) << "a value that is there must not be dropped";
}

TEST(with_deadline, keeps_the_value_of_work_that_finishes_all_the_same) { on_both(keeps_values); }

task<int> throws_after(nanoseconds delay) {
    co_await sleep_for(delay);
    throw std::runtime_error("broken");
}

task<int> aborts_by_itself() {
    throw boost::system::system_error(asio::error::operation_aborted);
    co_return 0;
}

task<void> exceptions() {
    EXPECT_THROW(co_await with_deadline(in(seconds(100)), throws_after(milliseconds(1))), std::runtime_error);
    EXPECT_TRUE(shard::here().timers().empty()) << "a timer was left behind";
    // Given up by itself, not by the deadline: that is no time-out.
    EXPECT_THROW(co_await with_deadline(in(seconds(100)), aborts_by_itself()), boost::system::system_error);
    EXPECT_TRUE(shard::here().timers().empty()) << "a timer was left behind";
}

TEST(with_deadline, lets_exceptions_through) { on_both(exceptions); }

task<void> caller(std::string& how, int& inner_cancelled) {
    try {
        const auto out = co_await with_deadline(in(seconds(1000)), stubborn(inner_cancelled));
        how = out.has_value() ? "value" : out.error().message();
        // The caller itself is cancelled, and notices at its next wait.
        co_await sleep_for(seconds(1000));
        how += ", then slept";
    } catch (const boost::system::system_error& failure) {
        how += failure.code() == asio::error::operation_aborted ? ", aborted" : ", failed";
    }
}

task<void> caller_without_patience(std::string& how) {
    try {
        const auto out = co_await with_deadline(in(seconds(1000)), value_after(seconds(1000), 1));
        how = out.has_value() ? "value" : out.error().message();
    } catch (const boost::system::system_error& failure) {
        how = failure.code() == asio::error::operation_aborted ? "aborted" : "failed";
    }
}

void start(gate& g, asio::cancellation_signal& stop, task<void> work) {
    auto hold = std::make_shared<gate::hold>(g);
    auto token = asio::bind_cancellation_slot(stop.slot(), [hold](const std::exception_ptr&) {});
    asio::co_spawn(executor(shard::here()), std::move(work), token);
}

task<void> passes_cancel_on() {
    gate g(shard::here());
    asio::cancellation_signal stop_one;
    asio::cancellation_signal stop_two;
    std::string how_one;
    std::string how_two;
    int inner_cancelled = 0;
    start(g, stop_one, caller(how_one, inner_cancelled));
    start(g, stop_two, caller_without_patience(how_two));
    co_await sleep_for(milliseconds(1));
    stop_one.emit(asio::cancellation_type::terminal);
    stop_two.emit(asio::cancellation_type::terminal);
    co_await g.close();
    EXPECT_EQ(inner_cancelled, 1);
    EXPECT_EQ(how_one, "value, aborted");
    EXPECT_EQ(how_two, "aborted") << "a cancelled caller is not told of a time-out";
    EXPECT_TRUE(shard::here().timers().empty()) << "a timer was left behind";
}

TEST(with_deadline, passes_the_callers_cancellation_on) { on_both(passes_cancel_on); }

task<void> nested() {
    auto inner = with_deadline(in(seconds(100)), value_after(seconds(200), 1));
    const auto out = co_await with_deadline(in(milliseconds(2)), std::move(inner));
    EXPECT_TRUE(out.has_error() && out.error() == asio::error::timed_out);
    auto impatient = with_deadline(in(milliseconds(2)), value_after(seconds(200), 1));
    const auto answered = co_await with_deadline(in(seconds(100)), std::move(impatient));
    EXPECT_TRUE(answered.has_value() && answered->has_error());
    EXPECT_TRUE(shard::here().timers().empty()) << "a timer was left behind";
}

TEST(with_deadline, nests) { on_both(nested); }

}  // namespace
}  // namespace runtime
