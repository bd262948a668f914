// What every archive promises about retention.
#include <set>

#include "tests/unit/storage/archive_conformance.hpp"
#include "tests/unit/storage/numbered_documents.hpp"

namespace tests {

using runtime::task;
using storage::archive;
using storage::document;
using storage::retention_limits;
using storage::retention_step;

namespace {

using numbers = std::vector<std::uint64_t>;

constexpr std::size_t many = 1000;

// The ids of these documents rise with their numbers; when they ended is said apart.
document ended(std::uint64_t number, std::int64_t minute, std::string_view user = "ann") {
    document out = numbered_document(number, "acme", user);
    out.ended_at = {minute * 60'000'000};
    return out;
}

runtime::utc_time at_minute(std::int64_t minute) { return {minute * 60'000'000}; }

task<void> put_durably(archive& a, std::vector<document> documents) {
    const auto taken = co_await a.put(std::move(documents), {});
    EXPECT_TRUE(taken.has_value());
    const auto flushed = co_await a.flush();
    EXPECT_TRUE(flushed.has_value());
}

task<void> put_all(archive& a, std::uint64_t count) {
    std::vector<document> documents;
    for (std::uint64_t i = 1; i <= count; ++i) documents.push_back(ended(i, static_cast<std::int64_t>(i)));
    co_await put_durably(a, std::move(documents));
}

// Until a look finds nothing more to do now.
task<retention_step> remove(archive& a, retention_limits limits, std::int64_t minute, std::size_t step = many) {
    retention_step sum;
    sum.more = true;
    while (sum.more) {
        const auto one = co_await a.remove_oldest(limits, at_minute(minute), step);
        EXPECT_TRUE(one.has_value());
        if (!one) co_return sum;
        EXPECT_LE(one->documents(), step);
        EXPECT_TRUE(one->documents() > 0 || !one->more);
        sum.by_age += one->by_age;
        sum.by_count += one->by_count;
        sum.by_bytes += one->by_bytes;
        sum.bytes += one->bytes;
        sum.more = one->more;
    }
    co_return sum;
}

task<numbers> listed(archive& a, std::string_view user = {}) {
    const auto who = user.empty() ? runtime::uuid() : user_id(user);
    const auto page = co_await a.list(tenant_id("acme"), who, std::nullopt, many);
    EXPECT_TRUE(page.has_value());
    numbers out;
    if (page)
        for (const auto& each : *page) out.push_back(std::stoull(each.summary.substr(8)));
    co_return out;
}

task<void> gone_altogether(archive& a, std::uint64_t number) {
    const auto found = co_await a.find(numbered_id(number));
    EXPECT_TRUE(found.has_value() && !found->has_value());
    const auto events = co_await a.events(numbered_id(number), 0, 1000);
    EXPECT_TRUE(events.has_value() && events->empty());
}

task<void> nothing_without_limits(archive& a) {
    co_await put_all(a, 5);
    const auto before = a.totals();
    const auto step = co_await remove(a, {}, 1'000'000);
    EXPECT_EQ(step.documents(), 0U);
    EXPECT_EQ(before.documents, 5U);
    EXPECT_EQ(a.totals().documents, 5U);
    EXPECT_GT(before.bytes, 0U);
}

TEST_P(archive_conformance, retention_without_limits_removes_nothing) {
    const auto rig = GetParam().make();
    rig->shards().run(0, [&] { return nothing_without_limits(rig->on(0)); });
}

task<void> by_age(archive& a) {
    co_await put_all(a, 6);
    retention_limits limits;
    limits.age_max = std::chrono::minutes(3);
    const auto none = co_await remove(a, limits, 4);
    EXPECT_EQ(none.documents(), 0U);
    const auto step = co_await remove(a, limits, 6);
    EXPECT_EQ(step.by_age, 2U);
    EXPECT_EQ(step.documents(), 2U);
    const auto left = co_await listed(a);
    EXPECT_EQ(left, (numbers{6, 5, 4, 3}));
    co_await gone_altogether(a, 1);
    co_await gone_altogether(a, 2);
    const auto all = co_await remove(a, limits, 1000);
    EXPECT_EQ(all.by_age, 4U);
    EXPECT_EQ(a.totals().documents, 0U);
    EXPECT_EQ(a.totals().bytes, 0U);
    const auto nothing = co_await listed(a, "ann");
    EXPECT_EQ(nothing, numbers{});
}

TEST_P(archive_conformance, retention_goes_by_age_since_the_end) {
    const auto rig = GetParam().make();
    rig->shards().run(0, [&] { return by_age(rig->on(0)); });
}

task<void> by_count_and_bytes(archive& a) {
    co_await put_all(a, 9);
    const auto before = a.totals();
    retention_limits limits;
    limits.documents_max = 6;
    const auto counted = co_await remove(a, limits, 10);
    EXPECT_EQ(counted.by_count, 3U);
    EXPECT_EQ(a.totals().documents, 6U);
    EXPECT_EQ(a.totals().bytes, before.bytes - counted.bytes);
    limits.bytes_max = before.bytes / 9 * 4;
    const auto weighed = co_await remove(a, limits, 10);
    EXPECT_EQ(weighed.by_bytes, 2U);
    EXPECT_LE(a.totals().bytes, limits.bytes_max);
    const auto left = co_await listed(a);
    EXPECT_EQ(left, (numbers{9, 8, 7, 6}));
}

TEST_P(archive_conformance, retention_goes_by_count_and_bytes) {
    const auto rig = GetParam().make();
    rig->shards().run(1, [&] { return by_count_and_bytes(rig->on(1)); });
}

task<void> by_end_not_by_begin(archive& a) {
    std::vector<document> documents;
    // 1 began first and ended last.
    documents.push_back(ended(1, 50));
    documents.push_back(ended(2, 20, "bob"));
    documents.push_back(ended(3, 30));
    documents.push_back(ended(4, 10));
    co_await put_durably(a, std::move(documents));
    retention_limits limits;
    limits.documents_max = 2;
    const auto step = co_await remove(a, limits, 60);
    EXPECT_EQ(step.by_count, 2U);
    const auto left = co_await listed(a);
    EXPECT_EQ(left, (numbers{3, 1}));
    const auto of_bob = co_await listed(a, "bob");
    EXPECT_EQ(of_bob, numbers{});
    // Older than what was removed already, in both orders.
    std::vector<document> late;
    late.push_back(ended(0, 5));
    co_await put_durably(a, std::move(late));
    const auto again = co_await listed(a);
    EXPECT_EQ(again, (numbers{3, 1, 0}));
    const auto latest = co_await remove(a, limits, 60);
    EXPECT_EQ(latest.by_count, 1U);
    co_await gone_altogether(a, 0);
}

TEST_P(archive_conformance, retention_takes_first_what_ended_first) {
    const auto rig = GetParam().make();
    rig->shards().run(0, [&] { return by_end_not_by_begin(rig->on(0)); });
}

task<void> in_small_steps(archive& a) {
    co_await put_all(a, 50);
    retention_limits limits;
    limits.documents_max = 7;
    const auto first = co_await a.remove_oldest(limits, at_minute(60), 5);
    EXPECT_TRUE(first.has_value() && first->documents() == 5 && first->more);
    EXPECT_EQ(a.totals().documents, 45U);
    const auto rest = co_await remove(a, limits, 60, 5);
    EXPECT_EQ(rest.by_count, 38U);
    const auto left = co_await listed(a);
    EXPECT_EQ(left, (numbers{50, 49, 48, 47, 46, 45, 44}));
    // Pages that were begun before go on.
    const auto page = co_await a.list(tenant_id("acme"), runtime::uuid(), numbered_id(20), 10);
    EXPECT_TRUE(page.has_value() && page->empty());
}

TEST_P(archive_conformance, retention_goes_in_small_steps) {
    const auto rig = GetParam().make();
    rig->shards().run(0, [&] { return in_small_steps(rig->on(0)); });
}

task<void> put_again(archive& a) {
    co_await put_all(a, 4);
    co_await put_all(a, 4);
    EXPECT_EQ(a.totals().documents, 4U);
    const auto bytes = a.totals().bytes;
    retention_limits limits;
    limits.documents_max = 3;
    const auto step = co_await remove(a, limits, 60);
    EXPECT_EQ(step.by_count, 1U);
    // The log brings it back after a crash; it goes once more.
    std::vector<document> back;
    back.push_back(ended(1, 1));
    co_await put_durably(a, std::move(back));
    EXPECT_EQ(a.totals().documents, 4U);
    EXPECT_EQ(a.totals().bytes, bytes);
    const auto again = co_await remove(a, limits, 60);
    EXPECT_EQ(again.by_count, 1U);
    const auto left = co_await listed(a);
    EXPECT_EQ(left, (numbers{4, 3, 2}));
}

TEST_P(archive_conformance, what_is_put_again_is_counted_once_and_removed_again) {
    const auto rig = GetParam().make();
    rig->shards().run(0, [&] { return put_again(rig->on(0)); });
}

task<void> not_before_it_is_durable(archive& a) {
    retention_limits limits;
    limits.documents_max = 1;
    std::set<std::uint64_t> durable;
    // A flush may come at any time; what it has not confirmed must be there.
    for (std::uint64_t i = 1; i <= 40; ++i) {
        std::vector<document> one;
        one.push_back(ended(i, static_cast<std::int64_t>(i)));
        const auto taken = co_await a.put(std::move(one), [&durable, i] { durable.insert(i); });
        EXPECT_TRUE(taken.has_value());
        const auto step = co_await a.remove_oldest(limits, at_minute(100), many);
        EXPECT_TRUE(step.has_value());
        for (std::uint64_t j = 1; j <= i; ++j) {
            const auto found = co_await a.find(numbered_id(j));
            EXPECT_TRUE(found.has_value());
            const bool there = found && found->has_value();
            EXPECT_TRUE(there || durable.contains(j)) << j << " was removed and not confirmed";
        }
    }
    const auto flushed = co_await a.flush();
    EXPECT_TRUE(flushed.has_value());
}

TEST_P(archive_conformance, nothing_unconfirmed_is_removed) {
    const auto rig = GetParam().make();
    rig->shards().run(0, [&] { return not_before_it_is_durable(rig->on(0)); });
}

}  // namespace
}  // namespace tests
