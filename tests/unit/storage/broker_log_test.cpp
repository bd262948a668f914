// What only a broker does to its owner: two of them that both believe in themselves, and outcomes nobody knows.
#include "storage/simulated/broker_log.hpp"

#include <gtest/gtest.h>

#include "runtime/timer.hpp"
#include "tests/unit/storage/log_conformance.hpp"
#include "tests/unit/storage/simulated_life.hpp"

namespace tests {
namespace {

using runtime::task;
using storage::log_errc;
using storage::partition_id;
using storage::simulated::broker;
using storage::simulated::broker_log;
using storage::simulated::message_kind;

constexpr partition_id one{1};

struct two_nodes {
    explicit two_nodes(std::uint64_t seed)
        : world(seed),
          on(world),
          life(world, 2),
          first(life.shard(0), on),
          second(life.shard(1), on),
          heard_by_first(ledger_of_first),
          heard_by_second(ledger_of_second) {}
    ~two_nodes() {
        life.run(0, [this] { return first.stop(); });
        life.run(1, [this] { return second.stop(); });
        life.wait_for_all();
    }
    runtime::simulation::world world;
    broker on;
    simulated_life life;
    broker_log first;
    broker_log second;
    log_ledger ledger_of_first;
    log_ledger ledger_of_second;
    ledger_listener heard_by_first;
    ledger_listener heard_by_second;
};

task<void> open(storage::log& log, storage::log_listener& listener, std::vector<std::string>& replayed) {
    replayed.clear();
    auto replay = [&replayed](const storage::record_view& view) {
        replayed.emplace_back(view.payload);
        return true;
    };
    const std::vector<partition_id> partitions{one};
    const auto opened = co_await log.open(partitions, replay, listener);
    EXPECT_TRUE(opened.has_value()) << opened.error().message();
}

task<void> append_and_pass(storage::log& log, log_ledger& ledger, std::string payload) {
    const auto stored = log.append(header_for(one), payload);
    EXPECT_TRUE(stored.has_value());
    if (stored.has_value()) ledger[one].records.push_back({payload, stored->time, stored->writer});
    log.hurry();
    co_await runtime::sleep_for(runtime::milliseconds(300));
}

TEST(broker_log, an_owner_that_was_replaced_acknowledges_nothing_more) {
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        two_nodes n(seed);
        std::vector<std::string> replayed;
        n.life.run(0, [&] { return open(n.first, n.heard_by_first, replayed); });
        n.life.run(0, [&] { return append_and_pass(n.first, n.ledger_of_first, "a"); });
        EXPECT_EQ(n.ledger_of_first[one].committed, 1U);
        n.life.run(1, [&] { return open(n.second, n.heard_by_second, replayed); });
        EXPECT_EQ(replayed, (std::vector<std::string>{"a"}));
        // The first one knows of nothing. Its record lands behind the fence.
        n.life.run(0, [&] { return append_and_pass(n.first, n.ledger_of_first, "void"); });
        EXPECT_EQ(n.ledger_of_first[one].committed, 1U) << "a void record was acknowledged";
        ASSERT_EQ(n.heard_by_first.failures.size(), 1U);
        EXPECT_EQ(n.heard_by_first.failures[0].second, make_error_code(log_errc::closed));
        // The second finds a message in its way, closes as well, and opens again.
        n.ledger_of_second[one].records.resize(1);
        n.life.run(1, [&] { return append_and_pass(n.second, n.ledger_of_second, "b"); });
        EXPECT_EQ(n.heard_by_second.failures.size(), 1U);
        n.life.run(1, [&] { return open(n.second, n.heard_by_second, replayed); });
        EXPECT_EQ(replayed, (std::vector<std::string>{"a", "b"}))
            << "void for every reader; what had no answer is there";
    }
}

TEST(broker_log, a_late_request_is_void_behind_the_next_fence) {
    two_nodes n(5);
    std::vector<std::string> replayed;
    n.life.run(0, [&] { return open(n.first, n.heard_by_first, replayed); });
    n.on.behaviour().request_late = 1'000'000;
    n.on.behaviour().late_max = runtime::seconds(100);
    n.life.run(0, [&] { return append_and_pass(n.first, n.ledger_of_first, "late"); });
    n.on.behaviour().request_late = 0;
    EXPECT_EQ(n.heard_by_first.failures.size(), 1U) << "no answer in time: the outcome is unknown";
    const auto refused = n.first.append(header_for(one), "x");
    EXPECT_TRUE(refused.has_error() && refused.error() == log_errc::closed);
    n.life.run(1, [&] { return open(n.second, n.heard_by_second, replayed); });
    EXPECT_TRUE(replayed.empty());
    n.life.run(1, [&] { return append_and_pass(n.second, n.ledger_of_second, "first"); });
    n.life.run(1, [&] { return runtime::sleep_for(runtime::seconds(200)); });
    EXPECT_EQ(n.on.all(one).back().content.payload, "late") << "it has arrived";
    n.life.run(0, [&] { return open(n.first, n.heard_by_first, replayed); });
    EXPECT_EQ(replayed, (std::vector<std::string>{"first"}));
}

TEST(broker_log, without_a_broker_partitions_close_and_come_back) {
    two_nodes n(6);
    std::vector<std::string> replayed;
    n.life.run(0, [&] { return open(n.first, n.heard_by_first, replayed); });
    n.on.behaviour().absent = true;
    n.life.run(0, [&] { return append_and_pass(n.first, n.ledger_of_first, "lost"); });
    EXPECT_EQ(n.heard_by_first.failures.size(), 1U);
    n.on.behaviour().absent = false;
    n.life.run(0, [&] { return open(n.first, n.heard_by_first, replayed); });
    EXPECT_TRUE(replayed.empty());
    n.ledger_of_first[one].records.clear();
    n.life.run(0, [&] { return append_and_pass(n.first, n.ledger_of_first, "kept"); });
    EXPECT_EQ(n.ledger_of_first[one].committed, 1U);
}

TEST(broker_log, no_message_exceeds_the_brokers_limit) {
    two_nodes n(7);
    std::vector<std::string> replayed;
    n.life.run(0, [&] { return open(n.first, n.heard_by_first, replayed); });
    // Several of the largest records wait together, and travel in requests that the broker takes.
    const auto body = [](two_nodes& nodes) -> task<void> {
        for (int i = 0; i < 5; ++i) {
            const std::string payload(storage::record_bytes_max - 104, static_cast<char>('a' + i));
            const auto stored = nodes.first.append(header_for(one), payload);
            EXPECT_TRUE(stored.has_value());
            nodes.ledger_of_first[one].records.push_back({payload, stored->time, stored->writer});
        }
        const bool durable = co_await wait_committed(nodes.first, nodes.ledger_of_first, one);
        EXPECT_TRUE(durable);
    };
    n.life.run(0, [&] { return body(n); });
    EXPECT_TRUE(n.heard_by_first.failures.empty());
}

}  // namespace
}  // namespace tests
