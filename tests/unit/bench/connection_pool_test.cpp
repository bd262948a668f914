#include "bench/connection_pool.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include "runtime/timer.hpp"
#include "tests/support/two_shards.hpp"

namespace bench {
namespace {

using runtime::task;

task<void> take_and_note(connection_pool* pool, int who, std::vector<int>* order) {
    const auto lease = co_await pool->take();
    order->push_back(who);
    co_await runtime::yield();
}

TEST(connection_pool, lends_at_most_its_limit_first_come_first_served) {
    tests::machine_shards shards;
    shards.run(0, [&]() -> task<void> {
        auto& home = runtime::shard::here();
        const http::client::url server{"127.0.0.1", 1, ""};
        connection_pool pool(home, server, 2);
        std::vector<int> order;
        runtime::gate running(home);
        {
            const auto one = co_await pool.take();
            const auto other = co_await pool.take();
            for (int i = 0; i < 20; ++i) {
                runtime::spawn(running, home, take_and_note(&pool, i, &order));
                co_await runtime::yield();
                co_await runtime::yield();
            }
            EXPECT_TRUE(order.empty());
        }
        co_await running.close();
        EXPECT_EQ(pool.made(), 2U);
        EXPECT_EQ(order.size(), 20U);
        EXPECT_TRUE(std::ranges::is_sorted(order));
    });
}

TEST(connection_pool, gives_the_same_connection_again) {
    tests::simulated_shards shards(1);
    shards.run(0, [&]() -> task<void> {
        const http::client::url server{"127.0.0.1", 1, ""};
        connection_pool pool(runtime::shard::here(), server, 5);
        const http::client::connection* first = nullptr;
        {
            const auto lease = co_await pool.take();
            first = &*lease;
        }
        const auto again = co_await pool.take();
        EXPECT_EQ(&*again, first);
        EXPECT_EQ(pool.made(), 1U);
    });
}

}  // namespace
}  // namespace bench
