#include <gtest/gtest.h>

#include <thread>

#include "tests/unit/runtime/on_both.hpp"

namespace runtime {
namespace {

struct exception_of_ours : std::runtime_error {
    using std::runtime_error::runtime_error;
};

task<void> brings_back() {
    shard& home = shard::here();
    auto make = [] { return std::make_unique<int>(42); };
    const auto made = co_await offload(std::move(make));
    EXPECT_EQ(*made, 42);
    EXPECT_EQ(&shard::here(), &home);
    bool done = false;
    auto act = [&done] { done = true; };
    co_await offload(act);
    EXPECT_TRUE(done);
    auto fail = []() -> int { throw exception_of_ours("there"); };
    EXPECT_THROW(co_await offload(fail), exception_of_ours);
    auto fail_without_value = [] { throw exception_of_ours("there"); };
    EXPECT_THROW(co_await offload(fail_without_value), exception_of_ours);
    EXPECT_EQ(&shard::here(), &home);
}

TEST(offload, brings_values_and_exceptions_back) { on_both(brings_back); }

// What the function holds is destroyed on the shard, whoever ran it.
struct shows_where {
    explicit shows_where(shard*& where) : last(&where) {}
    shows_where(shows_where&& other) noexcept : last(std::exchange(other.last, nullptr)) {}
    shows_where(const shows_where&) = delete;
    ~shows_where() {
        if (last != nullptr) *last = shard::here_or_null();
    }
    shard** last;
};

task<void> destroys_here() {
    shard* where = nullptr;
    auto hold = [keep = shows_where(where)] { return keep.last != nullptr; };
    const bool held = co_await offload(std::move(hold));
    EXPECT_TRUE(held);
    EXPECT_EQ(where, &shard::here());
}

TEST(offload, destroys_the_function_on_the_shard) { on_both(destroys_here); }

TEST(offload, runs_on_another_thread_than_the_shards) {
    tests::machine_shards shards;
    shards.run(0, []() -> task<void> {
        const auto mine = std::this_thread::get_id();
        auto ask = [] { return std::make_pair(std::this_thread::get_id(), shard::here_or_null()); };
        const auto there = co_await offload(ask);
        EXPECT_NE(there.first, mine);
        EXPECT_EQ(there.second, nullptr);
    });
}

task<void> add_one(std::atomic<int>& sum) {
    auto add = [&sum] { ++sum; };
    co_await offload(add);
}

task<void> many(std::atomic<int>& sum) {
    gate g(shard::here());
    for (int i = 0; i < 500; ++i) spawn(g, shard::here(), add_one(sum));
    co_await g.close();
    EXPECT_EQ(sum, 500);
}

TEST(offload, takes_many_at_once) {
    on_both([]() -> task<void> {
        std::atomic<int> sum{0};
        co_await many(sum);
    });
}

task<void> sleep_on_a_helper() {
    auto block = [] { std::this_thread::sleep_for(milliseconds(20)); };
    co_await offload(block);
    ADD_FAILURE() << "resumed after the group has stopped";
}

// The group goes while a helper is at work: the task is dropped, not leaked (the address sanitizer looks).
TEST(offload, a_task_that_waits_when_the_shards_stop_is_dropped) {
    shard_group group(1);
    group.start();
    group.run_and_wait(0, []() -> task<void> {
        asio::co_spawn(executor(shard::here()), sleep_on_a_helper(), [](const std::exception_ptr&) {});
        co_await sleep_for(milliseconds(1));
    });
    group.stop();
}

}  // namespace
}  // namespace runtime
