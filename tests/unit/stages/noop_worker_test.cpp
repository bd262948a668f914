#include "stages/worker/noop_worker.hpp"

#include <gtest/gtest.h>

#include "tests/support/two_shards.hpp"

namespace stages::worker {
namespace {

using runtime::milliseconds;
using runtime::task;

struct noted final : observer {
    task<void> started() override {
        ++starts;
        co_return;
    }
    task<void> output(output_stream stream, std::string bytes) override {
        EXPECT_EQ(stream, output_stream::standard_output);
        EXPECT_EQ(bytes.size(), noop_line_bytes);
        EXPECT_EQ(bytes.find('\n'), bytes.size() - 1);
        ++lines;
        if (lines == stop_after) stop.request_stop();
        co_return;
    }

    int starts = 0;
    std::size_t lines = 0;
    std::size_t stop_after = 0;
    std::stop_source stop;
};

task<verdict> run(noop_behaviour behaviour, noted& watch) {
    noop_worker worker(behaviour);
    launch_request request;
    const auto stop = watch.stop.get_token();
    co_return co_await worker.run(std::move(request), watch, stop);
}

task<void> ends_at_once() {
    noted watch;
    const auto got = co_await run({}, watch);
    EXPECT_EQ(got.ended_by, cause::exited);
    EXPECT_EQ(got.exit_code, 0);
    EXPECT_EQ(watch.starts, 1);
    EXPECT_EQ(watch.lines, 0U);
}

task<void> prints_each_period() {
    noted watch;
    const auto got = co_await run({milliseconds(1000), 8, milliseconds(300)}, watch);
    EXPECT_EQ(got.exit_code, 0);
    EXPECT_EQ(watch.lines, 24U) << "at 300, 600 and 900 ms";
    EXPECT_EQ(got.usage.output_bytes, 24 * noop_line_bytes);
    EXPECT_GE(got.usage.wall_us, 1'000'000U);
}

task<void> stops_between_bursts() {
    noted watch;
    watch.stop_after = 8;
    const auto got = co_await run({milliseconds(1000), 8, milliseconds(300)}, watch);
    EXPECT_EQ(got.ended_by, cause::cancelled);
    EXPECT_FALSE(got.exit_code);
    EXPECT_EQ(watch.lines, 8U);
    EXPECT_LT(got.usage.wall_us, 301'000U);
}

TEST(noop_worker, ends_at_once_unless_told_otherwise) {
    tests::simulated_shards shards(1);
    shards.run(0, [] { return ends_at_once(); });
}

TEST(noop_worker, prints_bursts_of_lines_while_it_lasts) {
    tests::simulated_shards shards(1);
    shards.run(0, [] { return prints_each_period(); });
}

TEST(noop_worker, can_be_stopped_between_bursts) {
    tests::simulated_shards shards(1);
    shards.run(0, [] { return stops_between_bursts(); });
}

}  // namespace
}  // namespace stages::worker
