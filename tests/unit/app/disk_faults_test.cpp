// The engine on real shards, writers and archive while the log's disk fails, fills up, stalls or is out of files: what
// is refused, in which words, and what is there after a restart.
#include <gtest/gtest.h>

#include <cerrno>
#include <filesystem>

#include "runtime/spawn.hpp"
#include "tests/support/faulty_disk.hpp"
#include "tests/unit/app/life.hpp"

namespace tests {
namespace {

using pipeline::execution_id;
using pipeline::failure_code;
using storage::embedded::writer_kind;

using answer = pipeline::outcome<pipeline::accepted>;

const pipeline::principal& somebody() {
    static const auto who = pipeline::make_principal("default", "local", true);
    return who;
}

task<void> post(pipeline::engine& engine, std::size_t bytes, std::vector<answer>& out) {
    pipeline::script_request request;
    request.script = "a script";
    request.lang_version = "3.11";
    request.standard_input.assign(bytes, 'i');
    auto came = co_await engine.execute(somebody(), std::move(request), std::nullopt);
    out.push_back(std::move(came));
}

// Many at once, each for itself.
task<void> post_many(pipeline::engine& engine, std::size_t count, std::size_t bytes, std::vector<answer>& out) {
    runtime::gate gate(runtime::shard::here());
    for (std::size_t i = 0; i < count; ++i) runtime::spawn(gate, runtime::shard::here(), post(engine, bytes, out));
    co_await gate.close();
}

task<void> expect_there(pipeline::engine& engine, std::vector<execution_id> ids) {
    for (const auto id : ids) {
        const auto deadline = runtime::shard::here().time().steady() + runtime::seconds(60);
        const auto ended = co_await engine.result_in_time(somebody(), id, deadline);
        EXPECT_TRUE(ended && *ended) << id.to_string();
    }
}

class disk_faults_test : public ::testing::TestWithParam<writer_kind> {
  protected:
    disk_faults_test() {
        static int number = 0;
        folder_ = "disk_faults_test_" + std::to_string(getpid()) + "_" + std::to_string(++number);
        std::filesystem::create_directories(folder_);
    }
    ~disk_faults_test() override { std::filesystem::remove_all(folder_); }

    std::unique_ptr<life> begin(std::size_t shards = 2, bool with_faults = true,
                                runtime::milliseconds stalled = runtime::seconds(60),
                                runtime::milliseconds delay = runtime::milliseconds(0)) {
        life::around wrap = [this](runtime::shard&, std::unique_ptr<storage::disk> inner) {
            return std::make_unique<faulty_disk>(std::move(inner), faults_);
        };
        return std::make_unique<life>(folder_, shards, delay, with_faults ? wrap : life::around(), GetParam(), stalled);
    }
    answer post_one(life& now, std::size_t shard, std::size_t bytes = 10) {
        std::vector<answer> out;
        now.on(shard, [&] { return post(now.engine(shard), bytes, out); });
        if (out[0]) acknowledged_.push_back(out[0]->id);
        return out[0];
    }
    // Posts until something else than an acknowledgement comes.
    answer post_until_refused(life& now, std::size_t shard) {
        for (int i = 0; i < 100; ++i) {
            auto came = post_one(now, shard, 500'000);
            if (!came) return came;
        }
        ADD_FAILURE() << "everything is accepted";
        return answer(pipeline::failure());
    }
    void expect_refused(life& now, std::size_t shard, failure_code code) {
        const auto came = post_one(now, shard);
        ASSERT_FALSE(came);
        EXPECT_EQ(came.error().code, code) << came.error().detail;
        EXPECT_GT(came.error().retry_after_s, 0U);
    }
    // Everything acknowledged is there in a life without faults, which takes more.
    void expect_recovery() {
        faults_.write = faults_.fill = faults_.sync = faults_.open = 0;
        const auto later = begin(3, false);
        later->on(0, [&] { return expect_there(later->engine(0), acknowledged_); });
        for (std::size_t shard = 0; shard < 3; ++shard) EXPECT_TRUE(post_one(*later, shard));
    }

    std::string folder_;
    disk_faults faults_;
    std::vector<execution_id> acknowledged_;
};

std::string name_of(const ::testing::TestParamInfo<writer_kind>& info) {
    return info.param == writer_kind::thread ? "thread" : "automatic";
}
INSTANTIATE_TEST_SUITE_P(writers, disk_faults_test, ::testing::Values(writer_kind::automatic, writer_kind::thread),
                         name_of);

TEST_P(disk_faults_test, a_failed_write_ends_all_acknowledgements_of_the_node_at_once) {
    {
        const auto now = begin();
        for (int i = 0; i < 20; ++i) ASSERT_TRUE(post_one(*now, i % 2));
        faults_.write = EIO;
        expect_refused(*now, 0, failure_code::storage_failed);
        EXPECT_GT(faults_.failed, 0U);
        // The disk works again, but nobody knows what it holds.
        faults_.write = 0;
        for (int i = 0; i < 10; ++i) expect_refused(*now, i % 2, failure_code::storage_failed);
        EXPECT_FALSE(now->engine(0).ready());
        EXPECT_FALSE(now->engine(1).ready());
        EXPECT_NE(now->engine(0).describe().find("Input/output error"), std::string::npos) << now->engine(0).describe();
        faults_.write = EIO;
    }
    expect_recovery();
}

task<void> post_and_wait(pipeline::engine& engine, runtime::seconds patience, answer& out) {
    pipeline::script_request request;
    request.script = "a script";
    request.lang_version = "3.11";
    const auto deadline = runtime::shard::here().time().steady() + patience;
    out = co_await engine.execute_and_wait(somebody(), std::move(request), std::nullopt, deadline);
}

// The program would run for longer than the test may.
TEST_P(disk_faults_test, who_waits_for_the_end_is_told_of_a_failed_write) {
    constexpr runtime::seconds patience{3600};
    {
        const auto now = begin(1, true, runtime::seconds(60), patience);
        faults_.write = EIO;
        answer came = pipeline::failure();
        now->on(0, [&] { return post_and_wait(now->engine(0), patience, came); });
        ASSERT_FALSE(came);
        EXPECT_EQ(came.error().code, failure_code::storage_failed) << came.error().detail;
    }
    expect_recovery();
}

TEST_P(disk_faults_test, a_failed_sync_of_the_next_segment_does_so_too) {
    {
        const auto now = begin();
        ASSERT_TRUE(post_one(*now, 1));
        faults_.sync = EIO;
        const auto refused = post_until_refused(*now, 0);
        EXPECT_EQ(refused.error().code, failure_code::storage_failed);
        faults_.sync = 0;
        // The other log hears of it by a message.
        for (int i = 0; i < 500 && now->engine(1).ready(); ++i) usleep(2000);
        for (int i = 0; i < 10; ++i) expect_refused(*now, i % 2, failure_code::storage_failed);
    }
    expect_recovery();
}

TEST_P(disk_faults_test, a_full_disk_is_said_and_heals_by_itself) {
    {
        const auto now = begin();
        ASSERT_TRUE(post_one(*now, 0));
        faults_.fill = ENOSPC;
        const auto refused = post_until_refused(*now, 0);
        EXPECT_EQ(refused.error().code, failure_code::no_space);
        expect_refused(*now, 0, failure_code::no_space);
        faults_.fill = 0;
        answer came = post_one(*now, 0);
        for (int i = 0; i < 500 && !came; ++i) {
            usleep(10'000);
            came = post_one(*now, 0);
        }
        EXPECT_TRUE(came);
        now->on(0, [&] { return expect_there(now->engine(0), acknowledged_); });
    }
    expect_recovery();
}

TEST_P(disk_faults_test, a_lack_of_files_is_waited_out) {
    {
        const auto now = begin();
        faults_.open = EMFILE;
        std::vector<answer> out;
        std::thread others([&] { now->on(0, [&] { return post_many(now->engine(0), 30, 500'000, out); }); });
        for (int i = 0; i < 500 && faults_.failed < 2; ++i) usleep(10'000);
        EXPECT_GE(faults_.failed, 2U);
        faults_.open = 0;
        others.join();
        for (const auto& came : out) {
            EXPECT_TRUE(came) << came.error().detail;
            if (came) acknowledged_.push_back(came->id);
        }
        EXPECT_TRUE(post_one(*now, 0));
    }
    expect_recovery();
}

// Asks for the next event while none can come, as a stream does that then sends its heartbeat.
task<void> expect_silence_in_time(pipeline::engine& engine, execution_id id) {
    auto made = co_await engine.subscribe(somebody(), id, 0);
    EXPECT_TRUE(made);
    if (!made) co_return;
    const auto subscription = std::move(*made);
    const auto& time = runtime::shard::here().time();
    for (int silences = 0; silences < 3;) {
        const auto begun = time.steady();
        const auto batch = co_await subscription->next(64 * 1024, begun + runtime::milliseconds(200));
        EXPECT_TRUE(batch && !batch->end);
        EXPECT_LT(time.steady() - begun, runtime::seconds(5));
        if (!batch) co_return;
        if (!batch->events.empty()) continue;
        EXPECT_GE(time.steady() - begun, runtime::milliseconds(200));
        ++silences;
    }
}

// A further event of it, which cannot become durable, and load.
task<void> cancel_and_post(pipeline::engine& engine, execution_id id, std::size_t count, std::size_t bytes,
                           std::vector<answer>& out) {
    runtime::gate gate(runtime::shard::here());
    const auto cancel = [](pipeline::engine& on, execution_id which) -> task<void> {
        const auto cancelled = co_await on.cancel(somebody(), which);
        EXPECT_TRUE(cancelled) << cancelled.error().detail;
    };
    runtime::spawn(gate, runtime::shard::here(), cancel(engine, id));
    co_await post_many(engine, count, bytes, out);
    co_await gate.close();
}

TEST_P(disk_faults_test, before_a_stalled_disk_memory_is_bounded_and_load_is_shed) {
    constexpr std::size_t posts = 60;
    constexpr std::size_t bytes = 1'000'000;  // more, all together, than may wait for the disk
    {
        const auto now = begin(1, true, runtime::milliseconds(500), runtime::seconds(60));
        for (int i = 0; i < 5; ++i) ASSERT_TRUE(post_one(*now, 0));
        const auto followed = acknowledged_.front();
        faults_.stalled = true;
        std::vector<answer> out;
        std::thread others(
            [&] { now->on(0, [&] { return cancel_and_post(now->engine(0), followed, posts, bytes, out); }); });
        for (int i = 0; i < 500 && faults_.held_up == 0; ++i) usleep(10'000);
        now->on(0, [&] { return expect_silence_in_time(now->engine(0), followed); });
        // By now the write has taken longer than it may.
        const auto shed = post_one(*now, 0);
        faults_.stalled = false;
        others.join();
        ASSERT_FALSE(shed);
        EXPECT_EQ(shed.error().code, failure_code::overloaded);
        EXPECT_EQ(shed.error().limit, "log.stalled_ms");
        EXPECT_GT(shed.error().retry_after_s, 0U);
        std::size_t refused = 0;
        for (const auto& came : out) {
            if (came) acknowledged_.push_back(came->id);
            if (came) continue;
            ++refused;
            EXPECT_EQ(came.error().code, failure_code::overloaded) << came.error().detail;
            EXPECT_EQ(came.error().limit, "log.append_bytes_max");
            EXPECT_GT(came.error().retry_after_s, 0U);
        }
        EXPECT_EQ(out.size(), posts);
        EXPECT_GT(refused, 10U) << "nothing bounds what waits for the disk";
        EXPECT_LT(refused, posts) << "nothing was taken";
        EXPECT_TRUE(post_one(*now, 0)) << "it takes work again at once";
    }
    expect_recovery();
}

}  // namespace
}  // namespace tests
