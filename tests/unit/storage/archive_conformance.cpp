#include "tests/unit/storage/archive_conformance.hpp"

#include "runtime/event.hpp"
#include "runtime/gate.hpp"
#include "tests/unit/storage/numbered_documents.hpp"

namespace tests {

using runtime::task;
using storage::archive;
using storage::archive_errc;
using storage::document;

namespace {

std::vector<document> only(document one) {
    std::vector<document> documents;
    documents.push_back(std::move(one));
    return documents;
}

task<void> put_now(archive& to, document one) {
    const auto taken = co_await to.put(only(std::move(one)), {});
    EXPECT_TRUE(taken.has_value());
}

task<std::vector<std::uint64_t>> listed(archive& from, runtime::uuid tenant, runtime::uuid user,
                                        std::optional<runtime::execution_id> before, std::size_t limit) {
    const auto page = co_await from.list(tenant, user, before, limit);
    std::vector<std::uint64_t> numbers;
    EXPECT_TRUE(page.has_value());
    if (!page) co_return numbers;
    for (const auto& each : *page) {
        const auto number = std::stoull(each.summary.substr(8));
        EXPECT_EQ(each.id, numbered_id(number));
        EXPECT_EQ(each.tenant, tenant);
        EXPECT_TRUE(user.is_nil() || each.user == user);
        numbers.push_back(number);
    }
    co_return numbers;
}

using numbers = std::vector<std::uint64_t>;

task<void> reads_own_writes(archive& a) {
    const auto before = co_await a.find(numbered_id(1));
    EXPECT_TRUE(before.has_value() && !before->has_value());
    const auto no_events = co_await a.events(numbered_id(1), 1, 1000);
    EXPECT_TRUE(no_events.has_value() && no_events->empty());

    co_await put_now(a, numbered_document(1));
    const auto found = co_await a.find(numbered_id(1));
    EXPECT_TRUE(found.has_value() && found->has_value());
    if (!found || !*found) co_return;
    EXPECT_EQ((*found)->id, numbered_id(1));
    EXPECT_EQ((*found)->summary, "summary 1");
    EXPECT_EQ((*found)->tenant, tenant_id("acme"));
    EXPECT_EQ((*found)->user, user_id("ann"));
    const auto events = co_await a.events(numbered_id(1), 1, 1000);
    EXPECT_TRUE(events.has_value() && events->size() == 1 && events->front().bytes == "chunk of 1");
}

TEST_P(archive_conformance, what_put_has_taken_is_read_at_once) {
    const auto rig = GetParam().make();
    rig->shards().run(0, [&] { return reads_own_writes(rig->on(0)); });
}

task<void> reads_of_the_other(archive& mine, archive& other, runtime::shard& there) {
    co_await put_now(mine, numbered_document(5));
    auto read = [&other] { return listed(other, tenant_id("acme"), runtime::uuid(), std::nullopt, 10); };
    const auto seen = co_await runtime::submit(there, std::move(read));
    EXPECT_EQ(seen, numbers{5});
}

TEST_P(archive_conformance, shards_see_each_others_documents) {
    const auto rig = GetParam().make();
    rig->shards().run(0, [&] { return reads_of_the_other(rig->on(0), rig->on(1), rig->shards()[1]); });
}

struct confirmations {
    int calls = 0;
    runtime::shard* on = nullptr;
    void note() {
        ++calls;
        on = runtime::shard::here_or_null();
    }
};

task<void> flushes(archive& a, confirmations& told) {
    const auto taken = co_await a.put(only(numbered_document(1)), [&told] { told.note(); });
    EXPECT_TRUE(taken.has_value());
    const auto flushed = co_await a.flush();
    EXPECT_TRUE(flushed.has_value());
    EXPECT_EQ(told.calls, 1);
    EXPECT_EQ(told.on, &runtime::shard::here());
    // Nothing is left to flush.
    const auto again = co_await a.flush();
    EXPECT_TRUE(again.has_value());
    EXPECT_EQ(told.calls, 1);
}

TEST_P(archive_conformance, a_flush_confirms_once_on_the_shard_that_put) {
    const auto rig = GetParam().make();
    confirmations zero;
    confirmations one;
    rig->shards().run(0, [&] { return flushes(rig->on(0), zero); });
    rig->shards().run(1, [&] { return flushes(rig->on(1), one); });
}

task<void> confirmed_in_time(archive& a) {
    confirmations told;
    const auto taken = co_await a.put(only(numbered_document(1)), [&told] { told.note(); });
    EXPECT_TRUE(taken.has_value());
    for (int i = 0; i < 500 && told.calls == 0; ++i) co_await runtime::sleep_for(runtime::milliseconds(10));
    EXPECT_EQ(told.calls, 1);
}

TEST_P(archive_conformance, nothing_stays_unconfirmed_for_long) {
    const auto rig = GetParam().make();
    rig->shards().run(1, [&] { return confirmed_in_time(rig->on(1)); });
}

task<void> puts_again(archive& a) {
    confirmations told;
    for (int i = 0; i < 3; ++i) {
        const auto taken = co_await a.put(only(numbered_document(9)), [&told] { told.note(); });
        EXPECT_TRUE(taken.has_value());
        if (i == 1) {
            const auto flushed = co_await a.flush();
            EXPECT_TRUE(flushed.has_value());
        }
    }
    const auto flushed = co_await a.flush();
    EXPECT_TRUE(flushed.has_value());
    EXPECT_EQ(told.calls, 3);
    const auto all = co_await listed(a, tenant_id("acme"), runtime::uuid(), std::nullopt, 10);
    EXPECT_EQ(all, numbers{9});
    const auto events = co_await a.events(numbered_id(9), 1, 1000);
    EXPECT_TRUE(events.has_value() && events->size() == 1);
}

TEST_P(archive_conformance, the_same_document_again_changes_nothing_and_is_confirmed) {
    const auto rig = GetParam().make();
    rig->shards().run(0, [&] { return puts_again(rig->on(0)); });
}

task<void> puts_as_new(archive& a) {
    auto fresh = numbered_document(9);
    fresh.is_new = true;
    co_await put_now(a, std::move(fresh));
    // Its owner no longer knows whether it was taken.
    co_await put_now(a, numbered_document(9));
    auto other = numbered_document(10);
    other.is_new = true;
    co_await put_now(a, std::move(other));
    const auto all = co_await listed(a, tenant_id("acme"), runtime::uuid(), std::nullopt, 10);
    EXPECT_EQ(all, (numbers{10, 9}));
    const auto events = co_await a.events(numbered_id(9), 1, 1000);
    EXPECT_TRUE(events.has_value() && events->size() == 1);
}

TEST_P(archive_conformance, a_document_said_to_be_new_is_put_like_any_and_may_be_put_again) {
    const auto rig = GetParam().make();
    rig->shards().run(0, [&] { return puts_as_new(rig->on(0)); });
}

task<void> lists(archive& a) {
    // In no order, as executions end.
    for (const std::uint64_t number : {4, 1, 600, 3, 2, 5}) co_await put_now(a, numbered_document(number));
    for (const std::uint64_t number : {7, 9}) co_await put_now(a, numbered_document(number, "acme", "bob"));
    // Another tenant, where the user's id happens to be the same.
    for (const std::uint64_t number : {6, 8}) co_await put_now(a, numbered_document(number, "other", "ann"));

    const auto acme = tenant_id("acme");
    const auto any = runtime::uuid();
    const auto ann = user_id("ann");
    const auto everything = co_await listed(a, acme, any, std::nullopt, 100);
    EXPECT_EQ(everything, (numbers{600, 9, 7, 5, 4, 3, 2, 1}));
    const auto of_ann = co_await listed(a, acme, ann, std::nullopt, 100);
    EXPECT_EQ(of_ann, (numbers{600, 5, 4, 3, 2, 1}));
    const auto of_other = co_await listed(a, tenant_id("other"), ann, std::nullopt, 100);
    EXPECT_EQ(of_other, (numbers{8, 6}));
    const auto first_page = co_await listed(a, acme, any, std::nullopt, 3);
    EXPECT_EQ(first_page, (numbers{600, 9, 7}));
    const auto second_page = co_await listed(a, acme, any, numbered_id(7), 3);
    EXPECT_EQ(second_page, (numbers{5, 4, 3}));
    const auto between = co_await listed(a, acme, ann, numbered_id(8), 2);
    EXPECT_EQ(between, (numbers{5, 4}));
    const auto nothing_below = co_await listed(a, acme, any, numbered_id(1), 3);
    EXPECT_EQ(nothing_below, numbers{});
    const auto nobody = co_await listed(a, tenant_id("nobody"), any, std::nullopt, 3);
    EXPECT_EQ(nobody, numbers{});
    const auto none_wanted = co_await listed(a, acme, any, std::nullopt, 0);
    EXPECT_EQ(none_wanted, numbers{});
}

TEST_P(archive_conformance, lists_newest_first_of_a_tenant_or_a_user_page_by_page) {
    const auto rig = GetParam().make();
    rig->shards().run(0, [&] { return lists(rig->on(0)); });
}

task<std::vector<std::uint32_t>> chunk_numbers(archive& a, std::uint32_t first_event, std::size_t bytes_max) {
    const auto chunks = co_await a.events(numbered_id(3), first_event, bytes_max);
    std::vector<std::uint32_t> out;
    EXPECT_TRUE(chunks.has_value());
    if (!chunks) co_return out;
    for (const auto& each : *chunks) {
        out.push_back(each.first_event);
        EXPECT_EQ(each.bytes, std::string(100'000, static_cast<char>(each.first_event)));
    }
    co_return out;
}

using chunks_at = std::vector<std::uint32_t>;

task<void> reads_chunks(archive& a) {
    document big = numbered_document(3);
    big.chunks.clear();
    for (const std::uint32_t first : {1U, 10U, 200U, 0x10000U})
        big.chunks.push_back({first, std::string(100'000, static_cast<char>(first))});
    co_await put_now(a, std::move(big));
    // Neighbours whose chunks must not be mixed in.
    co_await put_now(a, numbered_document(2));
    co_await put_now(a, numbered_document(4));
    for (int round = 0; round < 2; ++round) {
        const auto all = co_await chunk_numbers(a, 1, 1'000'000);
        EXPECT_EQ(all, (chunks_at{1, 10, 200, 0x10000}));
        const auto from_the_middle = co_await chunk_numbers(a, 57, 1'000'000);
        EXPECT_EQ(from_the_middle, (chunks_at{10, 200, 0x10000}));
        const auto at_a_border = co_await chunk_numbers(a, 200, 1'000'000);
        EXPECT_EQ(at_a_border, (chunks_at{200, 0x10000}));
        const auto at_least_one = co_await chunk_numbers(a, 10, 1);
        EXPECT_EQ(at_least_one, chunks_at{10});
        const auto as_many_as_fit = co_await chunk_numbers(a, 1, 250'000);
        EXPECT_EQ(as_many_as_fit, (chunks_at{1, 10}));
        const auto before_the_first = co_await chunk_numbers(a, 0, 1);
        EXPECT_EQ(before_the_first, chunks_at{1});
        const auto behind_the_last = co_await chunk_numbers(a, 0x20000, 1'000'000);
        EXPECT_EQ(behind_the_last, chunks_at{0x10000});
        // The same from the disk.
        const auto flushed = co_await a.flush();
        EXPECT_TRUE(flushed.has_value());
    }
}

TEST_P(archive_conformance, events_come_from_the_chunk_that_holds_the_number) {
    const auto rig = GetParam().make();
    rig->shards().run(1, [&] { return reads_chunks(rig->on(1)); });
}

task<void> odd_contents(archive& a) {
    document bare = numbered_document(1);
    bare.summary.clear();
    bare.chunks.clear();
    co_await put_now(a, std::move(bare));
    const auto found = co_await a.find(numbered_id(1));
    EXPECT_TRUE(found.has_value() && found->has_value() && (*found)->summary.empty());
    const auto events = co_await a.events(numbered_id(1), 1, 1000);
    EXPECT_TRUE(events.has_value() && events->empty());

    std::string bytes;
    for (int i = 0; i < 300'000; ++i) bytes.push_back(static_cast<char>(i * 7 % 256));
    document binary = numbered_document(2);
    binary.summary = bytes.substr(0, 5000);
    binary.chunks.front().bytes = bytes;
    co_await put_now(a, std::move(binary));
    const auto as_put = co_await a.find(numbered_id(2));
    EXPECT_TRUE(as_put.has_value() && as_put->has_value() && (*as_put)->summary == bytes.substr(0, 5000));
    const auto chunks = co_await a.events(numbered_id(2), 1, 1);
    EXPECT_TRUE(chunks.has_value() && chunks->size() == 1 && chunks->front().bytes == bytes);

    confirmations told;
    const auto nothing = co_await a.put({}, [&told] { told.note(); });
    EXPECT_TRUE(nothing.has_value());
    const auto flushed = co_await a.flush();
    EXPECT_TRUE(flushed.has_value());
    EXPECT_EQ(told.calls, 1);
}

TEST_P(archive_conformance, contents_are_bytes_and_may_be_empty) {
    const auto rig = GetParam().make();
    rig->shards().run(0, [&] { return odd_contents(rig->on(0)); });
}

task<void> put_one(archive& a, std::uint64_t number, int& confirmed) {
    const auto taken = co_await a.put(only(numbered_document(number)), [&confirmed] { ++confirmed; });
    EXPECT_TRUE(taken.has_value());
}

task<void> put_many(archive& a, std::uint64_t first, std::uint64_t count) {
    runtime::shard& home = runtime::shard::here();
    auto all = std::make_unique<runtime::gate>(home);
    int confirmed = 0;
    for (std::uint64_t i = 0; i < count; ++i) runtime::spawn(*all, home, put_one(a, first + i, confirmed));
    co_await all->close();
    const auto flushed = co_await a.flush();
    EXPECT_TRUE(flushed.has_value());
    EXPECT_EQ(confirmed, static_cast<int>(count));
}

task<void> put_many_on_both(archive_rig& rig) {
    auto there = [&rig] { return put_many(rig.on(1), 1000, 300); };
    runtime::gate both(runtime::shard::here());
    runtime::spawn(both, runtime::shard::here(), put_many(rig.on(0), 1, 300));
    co_await runtime::submit(rig.shards()[1], std::move(there));
    co_await both.close();
    const auto all = co_await listed(rig.on(0), tenant_id("acme"), runtime::uuid(), std::nullopt, 1000);
    EXPECT_EQ(all.size(), 600U);
    EXPECT_TRUE(std::is_sorted(all.rbegin(), all.rend()));
}

TEST_P(archive_conformance, takes_many_at_once_on_two_shards) {
    const auto rig = GetParam().make();
    rig->shards().run(0, [&] { return put_many_on_both(*rig); });
}

task<void> stops(archive& a) {
    confirmations told;
    const auto taken = co_await a.put(only(numbered_document(1)), [&told] { told.note(); });
    EXPECT_TRUE(taken.has_value());
    co_await a.stop();
    EXPECT_EQ(told.calls, 1);
    const auto late = co_await a.put(only(numbered_document(2)), [&told] { told.note(); });
    EXPECT_TRUE(late.has_error() && late.error() == archive_errc::stopped);
    const auto found = co_await a.find(numbered_id(1));
    EXPECT_TRUE(found.has_error() && found.error() == archive_errc::stopped);
    const auto flushed = co_await a.flush();
    EXPECT_TRUE(flushed.has_error() && flushed.error() == archive_errc::stopped);
    co_await a.stop();
    EXPECT_EQ(told.calls, 1);
}

TEST_P(archive_conformance, stop_flushes_and_refuses_what_comes_later) {
    const auto rig = GetParam().make();
    rig->shards().run(0, [&] { return stops(rig->on(0)); });
}

}  // namespace
}  // namespace tests
