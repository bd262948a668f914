// shard::when_idle().
#include <gtest/gtest.h>

#include <memory>

#include "runtime/event.hpp"
#include "tests/unit/runtime/on_both.hpp"

namespace runtime {
namespace {

struct moment {
    explicit moment(shard& home) : told(home) {}
    bool came = false;
    event told;
};

task<void> until_idle(shard& home, nanoseconds at_most) {
    auto idle = std::make_shared<moment>(home);
    auto tell = [idle] {
        idle->came = true;
        idle->told.notify_all();
    };
    home.when_idle(std::move(tell), at_most);
    while (!idle->came) co_await idle->told.wait();
}

task<void> comes_back() {
    shard& home = shard::here();
    co_await until_idle(home, milliseconds(1));
    EXPECT_EQ(&shard::here(), &home);
}

TEST(idle, comes_back) { on_both(comes_back); }

// Posts itself until told to stop, or `times` times.
struct busy_work {
    shard& home;
    std::shared_ptr<int> left;
    void operator()() const {
        if (--*left > 0) home.post(busy_work{home, left});
    }
};

TEST(idle, lets_what_is_ready_go_first) {
    tests::machine_shards shards;
    auto body = []() -> task<void> {
        shard& home = shard::here();
        const auto left = std::make_shared<int>(1000);
        home.post(busy_work{home, left});
        co_await until_idle(home, milliseconds(10'000));
        EXPECT_LE(*left, 0);
    };
    shards.run(0, body);
}

TEST(idle, waits_no_longer_than_it_may_on_a_shard_that_never_rests) {
    tests::machine_shards shards;
    auto body = []() -> task<void> {
        shard& home = shard::here();
        const auto left = std::make_shared<int>(std::numeric_limits<int>::max());
        home.post(busy_work{home, left});
        const auto before = home.time().steady();
        co_await until_idle(home, milliseconds(5));
        EXPECT_GE(home.time().steady() - before, milliseconds(5));
        EXPECT_GT(*left, 0);
        *left = 0;
    };
    shards.run(0, body);
}

}  // namespace
}  // namespace runtime
