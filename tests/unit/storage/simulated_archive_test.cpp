// The faults of the simulated archive: what tests of the pipeline rely on.
#include "storage/simulated/archive.hpp"

#include <gtest/gtest.h>

#include "tests/support/two_shards.hpp"
#include "tests/unit/storage/numbered_documents.hpp"

namespace tests {
namespace {

using runtime::task;
using storage::archive;
using storage::archive_errc;
using storage::document;
using storage::simulated::archive_service;

std::vector<document> only(document one) {
    std::vector<document> documents;
    documents.push_back(std::move(one));
    return documents;
}

task<void> put_and_count(archive& a, std::uint64_t number, int& confirmed, std::optional<archive_errc> expected) {
    const auto taken = co_await a.put(only(numbered_document(number)), [&confirmed] { ++confirmed; });
    EXPECT_EQ(taken.has_value(), !expected.has_value());
    if (expected && taken.has_error()) EXPECT_EQ(taken.error(), *expected);
}

task<void> flush_now(archive& a, bool works) {
    const auto flushed = co_await a.flush();
    EXPECT_EQ(flushed.has_value(), works);
}

task<void> end(archive& a) { co_await a.stop(); }

TEST(simulated_archive, a_crash_loses_what_is_not_durable_and_never_confirms_it) {
    runtime::simulation::world world(3);
    archive_service service(world);
    int confirmed = 0;
    std::shared_ptr<archive> front;
    auto& first_life = world.add_shard(0);
    auto g = std::make_shared<runtime::gate>(first_life);
    first_life.post([&] {
        front = service.open_shard(first_life);
        runtime::spawn(*g, first_life, put_and_count(*front, 1, confirmed, std::nullopt));
    });
    ASSERT_TRUE(world.run_until([&] { return confirmed == 1; }, runtime::seconds(20)));
    first_life.post([&] { runtime::spawn(*g, first_life, put_and_count(*front, 2, confirmed, std::nullopt)); });
    ASSERT_TRUE(world.run_until([&] { return service.documents() == 2; }, runtime::seconds(1)));
    EXPECT_EQ(service.durable_documents(), 1U);
    first_life.kill();
    world.bury(g);
    world.bury(front);
    service.crash();
    EXPECT_EQ(service.documents(), 1U);

    auto& second_life = world.add_shard(1);
    runtime::gate second_gate(second_life);
    std::unique_ptr<archive> second;
    int confirmed_later = 0;
    second_life.post([&] {
        second = service.open_shard(second_life);
        runtime::spawn(second_gate, second_life, put_and_count(*second, 3, confirmed_later, std::nullopt));
    });
    ASSERT_TRUE(world.run_until([&] { return confirmed_later == 1; }, runtime::seconds(60)));
    EXPECT_EQ(confirmed, 1);
    EXPECT_EQ(service.durable_documents(), 2U);
    second_life.post([&] { runtime::spawn(second_gate, second_life, end(*second)); });
    ASSERT_TRUE(world.run_until([&] { return second_gate.count() == 0; }, runtime::seconds(60)));
}

TEST(simulated_archive, absence_fails_every_call_and_delays_durability) {
    simulated_shards shards(4);
    archive_service service(*shards.world());
    auto front = service.open_shard(shards[0]);
    int confirmed = 0;
    shards.run(0, [&] { return put_and_count(*front, 1, confirmed, std::nullopt); });
    service.behaviour().absent = true;
    shards.run(0, [&] { return put_and_count(*front, 2, confirmed, archive_errc::unavailable); });
    shards.run(0, [&] { return flush_now(*front, false); });
    shards.run(0, [] { return runtime::sleep_for(runtime::seconds(100)); });
    EXPECT_EQ(confirmed, 0);
    EXPECT_EQ(service.durable_documents(), 0U);
    service.behaviour().absent = false;
    shards.run(0, [] { return runtime::sleep_for(runtime::seconds(15)); });
    EXPECT_EQ(confirmed, 1);
    EXPECT_EQ(service.durable_documents(), 1U);
    shards.run(0, [&] { return end(*front); });
}

TEST(simulated_archive, puts_fail_as_often_as_told) {
    simulated_shards shards(5);
    archive_service service(*shards.world());
    auto front = service.open_shard(shards[1]);
    int confirmed = 0;
    service.behaviour().refused = 1'000'000;
    shards.run(1, [&] { return put_and_count(*front, 1, confirmed, archive_errc::failed); });
    EXPECT_EQ(service.documents(), 0U);
    service.behaviour().refused = 0;
    service.behaviour().failed_but_taken = 1'000'000;
    shards.run(1, [&] { return put_and_count(*front, 1, confirmed, archive_errc::failed); });
    EXPECT_EQ(service.documents(), 1U);
    service.behaviour().failed_but_taken = 0;
    shards.run(1, [&] { return put_and_count(*front, 1, confirmed, std::nullopt); });
    shards.run(1, [&] { return end(*front); });
    EXPECT_EQ(confirmed, 1);
    EXPECT_EQ(service.durable_documents(), 1U);
}

}  // namespace
}  // namespace tests
