// The engine on real shards, disk and archive, without the front door: accepted means durable, over restarts on any
// number of shards.
#include "app/shard_services.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <set>

#include "tests/unit/app/life.hpp"

namespace app {
namespace {

using pipeline::execution_id;
using runtime::task;
using tests::life;

class shard_services_test : public ::testing::Test {
  protected:
    shard_services_test() {
        static int number = 0;
        folder_ = "shard_services_test_" + std::to_string(getpid()) + "_" + std::to_string(++number);
        std::filesystem::create_directories(folder_);
    }
    ~shard_services_test() override { std::filesystem::remove_all(folder_); }
    std::string folder_;
};

const pipeline::principal& somebody() {
    static const auto who = pipeline::make_principal("default", "local", true);
    return who;
}

pipeline::script_request script(std::string text) {
    pipeline::script_request out;
    out.script = std::move(text);
    out.lang_version = "3.11";
    return out;
}

task<void> post_and_wait(pipeline::engine& engine, int count, std::vector<execution_id>& ids) {
    for (int i = 0; i < count; ++i) {
        auto request = script(std::string(static_cast<std::size_t>(i % 3 == 0 ? 20'000 : 10), 'x'));
        const auto accepted = co_await engine.execute(somebody(), std::move(request), std::nullopt);
        EXPECT_TRUE(accepted) << accepted.error().detail;
        if (!accepted) co_return;
        ids.push_back(accepted->id);
    }
    for (const auto id : ids) {
        const auto deadline = runtime::shard::here().time().steady() + runtime::seconds(20);
        const auto ended = co_await engine.result_in_time(somebody(), id, deadline);
        EXPECT_TRUE(ended && *ended);
    }
}

task<void> expect_completed(pipeline::engine& engine, std::vector<execution_id> ids) {
    for (const auto id : ids) {
        const auto view = co_await engine.find(somebody(), id);
        EXPECT_TRUE(view) << view.error().detail;
        if (!view) continue;
        EXPECT_EQ(view->status, pipeline::status::completed);
        EXPECT_EQ(view->last_event, 6U);
        const auto result = co_await engine.result_of(somebody(), id);
        EXPECT_TRUE(result && result->verdict.exit_code == 0);
    }
    std::vector<execution_id> listed;
    std::optional<execution_id> below;
    do {
        const auto page = co_await engine.list(somebody(), {}, below, 7);
        EXPECT_TRUE(page);
        if (!page) break;
        for (const auto& item : page->items) listed.push_back(item.id);
        below = page->next;
    } while (below);
    std::sort(ids.begin(), ids.end(), std::greater<>());
    EXPECT_EQ(listed, ids);
}

TEST_F(shard_services_test, what_was_accepted_is_there_after_restarts_on_other_numbers_of_shards) {
    std::vector<execution_id> ids;
    for (const std::size_t shards : {2U, 1U, 3U}) {
        life now(folder_, shards, runtime::milliseconds(0));
        std::vector<execution_id> mine;
        now.on(shards - 1, [&] { return post_and_wait(now.engine(shards - 1), 30, mine); });
        ids.insert(ids.end(), mine.begin(), mine.end());
        now.on(0, [&] { return expect_completed(now.engine(0), ids); });
    }
    life last(folder_, 2, runtime::milliseconds(0));
    last.on(1, [&] { return expect_completed(last.engine(1), ids); });
}

task<void> same_key(pipeline::engine& engine, std::string body,
                    std::vector<pipeline::outcome<pipeline::accepted>>& out) {
    auto request = script(body);
    std::optional<pipeline::idempotency> key;
    key.emplace();
    key->key = "the key";
    key->body_sha256 = runtime::sha256(body);
    out.push_back(co_await engine.execute(somebody(), std::move(request), std::move(key)));
}

TEST_F(shard_services_test, a_key_gives_one_execution_over_shards_and_restarts) {
    std::vector<pipeline::outcome<pipeline::accepted>> answers;
    {
        life now(folder_, 2, runtime::milliseconds(0));
        now.on(0, [&] { return same_key(now.engine(0), "a", answers); });
        now.on(1, [&] { return same_key(now.engine(1), "a", answers); });
    }
    life later(folder_, 1, runtime::milliseconds(0));
    later.on(0, [&] { return same_key(later.engine(0), "a", answers); });
    ASSERT_EQ(answers.size(), 3U);
    for (const auto& answer : answers) {
        ASSERT_TRUE(answer);
        EXPECT_EQ(answer->id, answers[0]->id);
        EXPECT_EQ(answer->replayed, &answer != &answers[0]);
    }
    later.on(0, [&] { return same_key(later.engine(0), "b", answers); });
    ASSERT_FALSE(answers[3]);
    EXPECT_EQ(answers[3].error().code, pipeline::failure_code::idempotency_key_reused);
}

// It ran when its server stopped, and had no other attempt.
task<void> expect_lost(pipeline::engine& engine, execution_id id) {
    const auto deadline = runtime::shard::here().time().steady() + runtime::seconds(20);
    const auto ended = co_await engine.result_in_time(somebody(), id, deadline);
    EXPECT_TRUE(ended && *ended);
    const auto view = co_await engine.find(somebody(), id);
    EXPECT_TRUE(view && view->status == pipeline::status::failed);
}

task<void> wait_with_key(pipeline::engine& engine, std::string key, runtime::milliseconds patience,
                         pipeline::outcome<pipeline::accepted>& out) {
    std::optional<pipeline::idempotency> idempotency;
    if (!key.empty()) idempotency = pipeline::idempotency{key, runtime::sha256("a")};
    const auto deadline = runtime::shard::here().time().steady() + patience;
    out = co_await engine.execute_and_wait(somebody(), script("a"), std::move(idempotency), deadline);
}

TEST_F(shard_services_test, a_post_that_waits_has_its_result_on_any_shard) {
    life now(folder_, 2, runtime::milliseconds(1));
    pipeline::outcome<pipeline::accepted> answer = pipeline::failure();
    std::set<std::size_t> homes;
    for (int i = 0; i < 20; ++i) {
        // Keys are at home on either shard; without one it is the shard of the door.
        const std::string key = i < 18 ? "key " + std::to_string(i) : "";
        now.on(0, [&] { return wait_with_key(now.engine(0), key, runtime::seconds(60), answer); });
        ASSERT_TRUE(answer) << answer.error().detail;
        ASSERT_TRUE(answer->result.has_value());
        EXPECT_FALSE(answer->replayed);
        EXPECT_EQ(answer->result->id, answer->id);
        EXPECT_EQ(answer->result->verdict.exit_code, 0);
        homes.insert(now.engine(0).home_of(answer->id).id());
    }
    EXPECT_EQ(homes.size(), 2U);
    // Another post under a key is told of the first one, and waits for nothing.
    now.on(1, [&] { return wait_with_key(now.engine(1), "key 3", runtime::seconds(60), answer); });
    ASSERT_TRUE(answer);
    EXPECT_TRUE(answer->replayed && !answer->result);
}

TEST_F(shard_services_test, a_post_that_waited_in_vain_is_accepted_all_the_same) {
    pipeline::outcome<pipeline::accepted> answer = pipeline::failure();
    {
        life now(folder_, 1, runtime::milliseconds(60'000));
        now.on(0, [&] { return wait_with_key(now.engine(0), "", runtime::milliseconds(20), answer); });
        ASSERT_TRUE(answer);
        EXPECT_FALSE(answer->result.has_value());
    }
    life later(folder_, 1, runtime::milliseconds(0));
    later.on(0, [&] { return expect_lost(later.engine(0), answer->id); });
}

task<void> leave_running(pipeline::engine& engine, std::vector<execution_id>& ids) {
    auto request = script("long");
    request.retry = {2, {pipeline::error_type::infrastructure}, 0};
    const auto accepted = co_await engine.execute(somebody(), std::move(request), std::nullopt);
    EXPECT_TRUE(accepted);
    ids.push_back(accepted->id);
    co_await runtime::sleep_for(runtime::milliseconds(100));
}

task<void> expect_second_attempt(pipeline::engine& engine, execution_id id) {
    const auto deadline = runtime::shard::here().time().steady() + runtime::seconds(20);
    const auto ended = co_await engine.result_in_time(somebody(), id, deadline);
    EXPECT_TRUE(ended && *ended);
    const auto view = co_await engine.find(somebody(), id);
    EXPECT_TRUE(view && view->status == pipeline::status::completed);
    EXPECT_TRUE(view && view->attempt == 2U);
}

TEST_F(shard_services_test, what_ran_at_a_stop_is_a_lost_attempt_and_follows_its_policy) {
    std::vector<execution_id> ids;
    {
        life now(folder_, 1, runtime::milliseconds(60'000));
        now.on(0, [&] { return leave_running(now.engine(0), ids); });
    }
    life later(folder_, 2, runtime::milliseconds(1));
    later.on(0, [&] { return expect_second_attempt(later.engine(0), ids.at(0)); });
}

task<void> post_and_cancel(pipeline::engine& engine, int count, std::size_t bytes) {
    for (int i = 0; i < count; ++i) {
        const auto accepted = co_await engine.execute(somebody(), script(std::string(bytes, 'x')), std::nullopt);
        EXPECT_TRUE(accepted) << accepted.error().detail;
        if (!accepted) co_return;
        const auto cancelled = co_await engine.cancel(somebody(), accepted->id);
        EXPECT_TRUE(cancelled);
    }
}

task<void> wait_for_freed_segment(storage::embedded::log_directory& directory, std::uint64_t before) {
    const auto deadline = runtime::shard::here().time().steady() + runtime::seconds(20);
    while (directory.count().freed_total == before && runtime::shard::here().time().steady() < deadline)
        co_await runtime::sleep_for(runtime::milliseconds(10));
    EXPECT_GT(directory.count().freed_total, before);
}

// An execution that stays open, among others that come and go: the log lets go of the segment that it began in.
TEST_F(shard_services_test, an_old_execution_holds_no_old_segments) {
    std::vector<execution_id> old;
    {
        life now(folder_, 1, runtime::milliseconds(3'600'000));
        now.on(0, [&] { return leave_running(now.engine(0), old); });
        for (int round = 0; round < 3; ++round) {
            // Each round fills a segment.
            const auto freed = now.directory().count().freed_total;
            now.on(0, [&] { return post_and_cancel(now.engine(0), 150, 30'000); });
            now.on(0, [&] { return wait_for_freed_segment(now.directory(), freed); });
        }
        EXPECT_GE(now.engine(0).snapshots_taken(), 3U);
        EXPECT_LE(now.directory().count().segments, 3U);
    }
    life later(folder_, 2, runtime::milliseconds(1));
    later.on(0, [&] { return expect_second_attempt(later.engine(0), old.at(0)); });
}

}  // namespace
}  // namespace app
