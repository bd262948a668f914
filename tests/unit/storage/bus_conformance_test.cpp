// What every bus promises that loses nothing by itself, on the machine's shards and on simulated ones.
#include <gtest/gtest.h>

#include <functional>
#include <ostream>

#include "storage/embedded/bus/in_process_bus.hpp"
#include "tests/support/two_shards.hpp"
#include "tests/unit/storage/numbered_documents.hpp"

namespace tests {
namespace {

using runtime::task;
using storage::bus;
using storage::hint;
using storage::embedded::bus_hub;
using storage::embedded::bus_limits;

struct bus_back_end {
    std::string name;
    std::function<std::unique_ptr<two_shards>()> make;
};
void PrintTo(const bus_back_end& back_end, std::ostream* out) { *out << back_end.name; }

// Two shards with a front each.
class bus_conformance : public ::testing::TestWithParam<bus_back_end> {
  protected:
    void SetUp() override { open({}); }
    void open(bus_limits limits) {
        close();
        shards_ = GetParam().make();
        std::vector<runtime::shard*> both{&(*shards_)[0], &(*shards_)[1]};
        hub_ = std::make_unique<bus_hub>(both, limits);
        for (std::size_t i = 0; i < 2; ++i) fronts_[i] = hub_->open_shard((*shards_)[i]);
    }
    void TearDown() override { close(); }
    void close() {
        for (std::size_t i = 0; shards_ && i < 2; ++i) shards_->run(i, [&] { return end(fronts_[i]); });
        hub_.reset();
        shards_.reset();
    }
    static task<void> end(std::unique_ptr<bus>& front) {
        front.reset();
        co_return;
    }

    std::unique_ptr<two_shards> shards_;
    std::unique_ptr<bus_hub> hub_;
    std::array<std::unique_ptr<bus>, 2> fronts_;
};

hint numbered_hint(std::uint64_t execution, std::uint32_t event, std::string payload = "") {
    hint out;
    out.execution = numbered_id(execution);
    out.epoch = 3;
    out.last_event = event;
    out.payload = std::move(payload);
    return out;
}

// What a subscriber got, on which shard.
struct inbox {
    std::vector<std::uint32_t> events;
    std::vector<std::string> payloads;
    runtime::shard* on = nullptr;
    void take(const hint& what) {
        events.push_back(what.last_event);
        payloads.push_back(what.payload);
        on = runtime::shard::here_or_null();
    }
};

task<void> wait_for(const inbox& box, std::size_t count) {
    for (int i = 0; i < 2000 && box.events.size() < count; ++i) co_await runtime::sleep_for(runtime::milliseconds(1));
    EXPECT_EQ(box.events.size(), count);
}

using subscription = std::unique_ptr<bus::subscription>;
using events = std::vector<std::uint32_t>;

task<subscription> listen(bus& on, std::uint64_t execution, inbox& box) {
    co_return on.subscribe(numbered_id(execution), [&box](const hint& what) { box.take(what); });
}

task<void> publish(bus& on, std::uint64_t execution, std::uint32_t first, std::uint32_t count) {
    for (std::uint32_t i = 0; i < count; ++i) on.publish(numbered_hint(execution, first + i, "p"));
    co_return;
}

// Runs on shard 0, which listens; hints come from both shards.
task<void> hears_both(bus& mine, bus& other, runtime::shard& there) {
    inbox box;
    subscription kept = co_await listen(mine, 1, box);
    EXPECT_EQ(mine.subscriptions(), 1U);
    mine.publish(numbered_hint(1, 5, "from here"));
    EXPECT_TRUE(box.events.empty()) << "delivered inside publish()";
    co_await wait_for(box, 1);
    auto from_there = [&other] { other.publish(numbered_hint(1, 6, "from there")); };
    co_await runtime::submit(there, std::move(from_there));
    co_await wait_for(box, 2);
    EXPECT_EQ(box.events, (events{5, 6}));
    EXPECT_EQ(box.payloads, (std::vector<std::string>{"from here", "from there"}));
    EXPECT_EQ(box.on, &runtime::shard::here());
    // Of another execution.
    mine.publish(numbered_hint(2, 7));
    co_await runtime::sleep_for(runtime::milliseconds(5));
    EXPECT_EQ(box.events.size(), 2U);
    kept.reset();
    EXPECT_EQ(mine.subscriptions(), 0U);
    mine.publish(numbered_hint(1, 8));
    co_await runtime::sleep_for(runtime::milliseconds(5));
    EXPECT_EQ(box.events.size(), 2U);
}

TEST_P(bus_conformance, a_subscriber_hears_every_shard_and_only_its_execution) {
    shards_->run(0, [&] { return hears_both(*fronts_[0], *fronts_[1], (*shards_)[1]); });
    shards_->run(1, [&] { return hears_both(*fronts_[1], *fronts_[0], (*shards_)[0]); });
}

task<void> all_hear(bus& mine, bus& other, runtime::shard& there) {
    inbox first;
    inbox second;
    inbox far;
    subscription a = co_await listen(mine, 1, first);
    subscription b = co_await listen(mine, 1, second);
    subscription c;
    auto subscribe_there = [&] { c = other.subscribe(numbered_id(1), [&far](const hint& what) { far.take(what); }); };
    co_await runtime::submit(there, subscribe_there);
    co_await publish(mine, 1, 1, 20);
    co_await wait_for(first, 20);
    co_await wait_for(second, 20);
    std::size_t heard = 0;
    auto count = [&far] { return far.events.size(); };
    for (int i = 0; i < 2000 && heard < 20; ++i) {
        heard = co_await runtime::submit(there, count);
        co_await runtime::sleep_for(runtime::milliseconds(1));
    }
    auto end_there = [&c] { c.reset(); };
    co_await runtime::submit(there, end_there);
    EXPECT_EQ(far.events.size(), 20U);
    EXPECT_TRUE(std::is_sorted(far.events.begin(), far.events.end())) << "hints of one shard overtook each other";
    EXPECT_EQ(far.on, &there);
}

TEST_P(bus_conformance, every_subscriber_hears) {
    shards_->run(0, [&] { return all_hear(*fronts_[0], *fronts_[1], (*shards_)[1]); });
}

// A handler ends its own subscription, its neighbour's, and begins another.
task<void> changes_while_called(bus& mine) {
    inbox late;
    int calls = 0;
    subscription first;
    subscription second;
    subscription third;
    auto on_hint = [&](const hint&) {
        ++calls;
        first.reset();
        second.reset();
        if (!third) third = mine.subscribe(numbered_id(1), [&late](const hint& what) { late.take(what); });
    };
    first = mine.subscribe(numbered_id(1), on_hint);
    second = mine.subscribe(numbered_id(1), on_hint);
    co_await publish(mine, 1, 1, 1);
    for (int i = 0; i < 2000 && calls == 0; ++i) co_await runtime::sleep_for(runtime::milliseconds(1));
    EXPECT_EQ(calls, 1) << "the ended neighbour was called";
    EXPECT_EQ(mine.subscriptions(), 1U);
    co_await publish(mine, 1, 2, 1);
    co_await wait_for(late, 1);
    EXPECT_EQ(late.events, events{2});
}

TEST_P(bus_conformance, handlers_may_end_and_begin_subscriptions) {
    shards_->run(0, [&] { return changes_while_called(*fronts_[0]); });
}

task<void> outlives_its_bus(std::unique_ptr<bus>& front) {
    inbox box;
    subscription kept = co_await listen(*front, 1, box);
    front.reset();
    kept.reset();
}

TEST_P(bus_conformance, a_subscription_may_go_after_its_bus) {
    shards_->run(0, [&] { return outlives_its_bus(fronts_[0]); });
}

task<void> floods(bus& mine, bus& other, runtime::shard& there, const bus_hub& hub) {
    inbox far;
    subscription c;
    auto subscribe_there = [&] { c = other.subscribe(numbered_id(1), [&far](const hint& what) { far.take(what); }); };
    co_await runtime::submit(there, subscribe_there);
    // Nothing arrives in between: the sender does not give way, and the other shard waits for it.
    std::atomic<bool> go{false};
    if (there.io() != nullptr) {
        auto wait = [&go] { go.wait(false); };
        runtime::shard::here().send(there, wait);
    }
    co_await publish(mine, 1, 1, 100);
    EXPECT_EQ(hub.counters().dropped, 90U);
    go = true;
    go.notify_all();
    std::size_t heard = 0;
    auto count = [&far] { return far.events.size(); };
    for (int i = 0; i < 2000 && heard < 10; ++i) {
        heard = co_await runtime::submit(there, count);
        co_await runtime::sleep_for(runtime::milliseconds(1));
    }
    // Once they have arrived, there is room again.
    co_await publish(mine, 1, 101, 1);
    for (int i = 0; i < 2000 && heard < 11; ++i) {
        heard = co_await runtime::submit(there, count);
        co_await runtime::sleep_for(runtime::milliseconds(1));
    }
    auto end_there = [&c] { c.reset(); };
    co_await runtime::submit(there, end_there);
    EXPECT_EQ(far.events.size(), 11U);
    EXPECT_EQ(far.events.back(), 101U);
}

TEST_P(bus_conformance, what_is_on_its_way_is_bounded_and_drops_are_counted) {
    bus_limits limits;
    limits.in_flight_max = 10;
    open(limits);
    shards_->run(0, [&] { return floods(*fronts_[0], *fronts_[1], (*shards_)[1], *hub_); });
}

task<void> large_payload(bus& mine, const bus_hub& hub) {
    inbox box;
    subscription kept = co_await listen(mine, 1, box);
    mine.publish(numbered_hint(1, 1, std::string(64 * 1024, 'x')));
    mine.publish(numbered_hint(1, 2, std::string(64 * 1024 + 1, 'x')));
    co_await wait_for(box, 2);
    std::vector<std::size_t> sizes;
    for (const auto& each : box.payloads) sizes.push_back(each.size());
    std::sort(sizes.begin(), sizes.end());
    EXPECT_EQ(sizes, (std::vector<std::size_t>{0, 64 * 1024}));
    EXPECT_EQ(hub.counters().payloads_left_out, 1U);
}

TEST_P(bus_conformance, a_payload_above_the_limit_is_left_out) {
    shards_->run(0, [&] { return large_payload(*fronts_[0], *hub_); });
}

TEST_P(bus_conformance, a_shard_nobody_listens_on_gets_no_messages) {
    shards_->run(0, [&] { return publish(*fronts_[0], 1, 1, 5000); });
    EXPECT_EQ(hub_->counters().published, 5000U);
    EXPECT_EQ(hub_->counters().dropped, 0U);
    EXPECT_EQ(hub_->counters().delivered, 0U);
}

INSTANTIATE_TEST_SUITE_P(back_ends, bus_conformance,
                         ::testing::Values(bus_back_end{"machine", [] { return std::make_unique<machine_shards>(); }},
                                           bus_back_end{"simulated",
                                                        [] { return std::make_unique<simulated_shards>(1); }}),
                         [](const auto& each) { return each.param.name; });

}  // namespace
}  // namespace tests
