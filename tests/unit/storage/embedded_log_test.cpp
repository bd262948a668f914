// The embedded log on the machine's own disk: what the conformance suite cannot see from outside.
#include "storage/embedded/log/embedded_log.hpp"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>

#include "runtime/event.hpp"
#include "runtime/shard_thread.hpp"
#include "runtime/timer.hpp"
#include "storage/embedded/disk/real_disk.hpp"
#include "tests/support/temporary_directory.hpp"

namespace storage::embedded {
namespace {

struct listener final : log_listener {
    std::map<partition_id, offset> through;
    void committed(partition_id partition, offset at) override { through[partition] = at; }
    void failed(partition_id, boost::system::error_code) override {}
    void resumed() override {}
};

record_header header_of(std::uint16_t partition) {
    record_header header;
    header.type = 7;
    header.partition = {partition};
    return header;
}

task<void> write_and_read(std::string path, int records, int expected_before) {
    runtime::shard& home = runtime::shard::here();
    auto on = make_real_disk(home);
    directory_options where;
    where.path = path;
    const auto begin = home.time().steady();
    log_directory directory(home, **on, where);
    const auto opened = co_await directory.open();
    EXPECT_TRUE(opened.has_value()) << directory.recovered().diagnosis;
    embedded_log log(directory, home, **on);
    listener heard;
    int replayed = 0;
    std::vector<partition_id> partitions{{0}, {1}, {255}};
    auto count = [&](const record_view&) {
        ++replayed;
        return true;
    };
    const auto open = co_await log.open(partitions, count, heard);
    EXPECT_TRUE(open.has_value()) << log.diagnosis();
    std::printf("open after %.1f ms; %s\n", static_cast<double>((home.time().steady() - begin).count()) / 1e6,
                log.describe().c_str());
    EXPECT_EQ(replayed, expected_before);
    for (int i = 0; i < records; ++i) {
        const std::string payload = "payload " + std::to_string(i);
        const auto stored = log.append(header_of(i % 2 == 0 ? 1 : 255), payload);
        EXPECT_TRUE(stored.has_value());
        if (i % 10 == 0) log.hurry();
        if (i % 7 == 0) co_await runtime::sleep_for(runtime::microseconds(10));
    }
    const auto closed = co_await log.close({{255}});
    EXPECT_TRUE(closed.has_value());
    const auto back = co_await log.read({1}, 1, 1 << 20, 10);
    EXPECT_TRUE(back.has_value());
    EXPECT_EQ(back->size(), 10U);
    EXPECT_EQ(back->front().payload, "payload 0");
    EXPECT_EQ(back->back().header.at, 10U);
    co_await log.stop();
    co_await directory.stop();
}

TEST(embedded_log, keeps_records_over_restarts) {
    const tests::temporary_directory data;
    runtime::shard_group group(1);
    group.start();
    group.run_and_wait(0, [&] { return write_and_read(data.path(), 1000, 0); });
    group.run_and_wait(0, [&] { return write_and_read(data.path(), 1000, 1000); });
    group.run_and_wait(0, [&] { return write_and_read(data.path(), 20, 2000); });
    group.stop();
}

// What a shard has ready when the first record is waited for: each of the first pieces appends one and asks for haste,
// and each makes the next piece ready.
struct ready_work {
    runtime::shard& home;
    embedded_log& log;
    std::shared_ptr<int> left;
    int records;
    void operator()() const {
        if (*left == 0) return;
        --*left;
        if (records > 0) static_cast<void>(log.append(header_of(1), "payload"));
        if (records > 0) log.hurry();
        home.post(ready_work{home, log, left, std::max(0, records - 1)});
    }
};

// What the first write carried, and how much work was left when it was durable.
struct first_write final : log_listener {
    explicit first_write(runtime::shard& home, int pieces) : came(home), left(std::make_shared<int>(pieces)) {}
    void committed(partition_id, offset at) override {
        if (carried != 0) return;
        carried = at;
        left_then = *left;
        came.notify_all();
    }
    void failed(partition_id, boost::system::error_code) override { FAIL(); }
    void resumed() override {}

    runtime::event came;
    std::shared_ptr<int> left;
    offset carried = 0;
    int left_then = 0;
};

struct gathered {
    offset carried = 0;
    int left = 0;
    std::uint64_t full = 0;
    std::uint64_t late = 0;
};

task<void> gather(std::string path, log_options options, int records, int pieces, gathered& out) {
    runtime::shard& home = runtime::shard::here();
    auto on = make_real_disk(home);
    directory_options where;
    where.path = path;
    log_directory directory(home, **on, where);
    EXPECT_TRUE((co_await directory.open()).has_value());
    embedded_log log(directory, home, **on, options);
    first_write heard(home, pieces);
    const std::vector<partition_id> partitions{{1}};
    auto replay = [](const record_view&) { return true; };
    EXPECT_TRUE((co_await log.open(partitions, replay, heard)).has_value());
    home.post(ready_work{home, log, heard.left, records});
    while (heard.carried == 0) co_await heard.came.wait();
    out = {heard.carried, heard.left_then, home.metrics().declare_limit("log.gather_records_max").value(),
           home.metrics().declare_limit("log.gather_us_max").value()};
    *heard.left = 0;
    co_await log.stop();
    co_await directory.stop();
}

gathered first_write_of(std::size_t records_max, std::uint64_t us_max, int records, int pieces) {
    log_options options;
    options.gather_records_max = records_max;
    options.gather_us_max = us_max;
    options.batch_delay_us = 60'000'000;
    options.release_delay_ms = 60'000;
    const tests::temporary_directory data;
    runtime::shard_group group(1);
    gathered out;
    group.start();
    group.run_and_wait(0, [&] { return gather(data.path(), options, records, pieces, out); });
    group.stop();
    return out;
}

TEST(embedded_log, writes_once_for_all_that_is_ready) {
    const auto first = first_write_of(1000, 60'000'000, 500, 500);
    EXPECT_EQ(first.carried, 500U);
    EXPECT_EQ(first.full + first.late, 0U);
}

// Named bound: gather_records_max.
TEST(embedded_log, does_not_wait_for_more_than_one_write_should_carry) {
    const auto first = first_write_of(100, 60'000'000, 1000, 1000);
    EXPECT_GE(first.carried, 100U);
    EXPECT_LT(first.carried, 1000U);
    EXPECT_GE(first.full, 1U);
}

// Named bound: gather_us_max.
TEST(embedded_log, does_not_wait_for_the_end_of_work_that_has_none) {
    constexpr int pieces = 10'000'000;
    const auto first = first_write_of(1000, 500, 1, pieces);
    EXPECT_GT(first.left, 0);
    EXPECT_GE(first.late, 1U);
}

// A process that is killed while it writes. Each commit goes through the pipe before anything else happens.
struct told {
    std::uint16_t partition;
    offset through;
};

struct telling_listener final : log_listener {
    explicit telling_listener(int to) : pipe(to) {}
    void committed(partition_id partition, offset at) override {
        const told what{partition.value, at};
        static_cast<void>(!::write(pipe, &what, sizeof what));
    }
    void failed(partition_id, boost::system::error_code) override { ::_exit(3); }
    void resumed() override {}
    int pipe;
};

std::string payload_at(std::uint16_t partition, offset at) {
    return std::to_string(partition) + "/" + std::to_string(at) + std::string((partition * 131 + at * 17) % 3000, 'p');
}

task<void> write_for_ever(std::string path, writer_kind writer, int pipe) {
    runtime::shard& home = runtime::shard::here();
    real_disk_options options;
    options.writer = writer;
    auto on = make_real_disk(home, options);
    directory_options where;
    where.path = path;
    where.segment_bytes = where.small_segment_bytes = 1 << 20;
    log_directory directory(home, **on, where);
    if (!(co_await directory.open()).has_value()) ::_exit(4);
    embedded_log log(directory, home, **on);
    telling_listener heard(pipe);
    const std::vector<partition_id> partitions{{0}, {1}, {2}};
    auto replay = [](const record_view&) { return true; };
    if (!(co_await log.open(partitions, replay, heard)).has_value()) ::_exit(5);
    for (std::uint64_t i = 0;; ++i) {
        const auto partition = static_cast<std::uint16_t>(i % 3);
        // Only the log knows the next offset; the payload says it.
        static std::array<offset, 3> next{};
        if (next[partition] == 0) {
            const auto probe = log.append(header_of(partition), "probe");
            next[partition] = probe->at + 1;
            continue;
        }
        const auto stored = log.append(header_of(partition), payload_at(partition, next[partition]));
        if (stored.has_value()) ++next[partition];
        if (i % 5 == 0) log.hurry();
        if (i % 20 == 0 || stored.has_error()) co_await runtime::sleep_for(runtime::microseconds(100));
    }
}

task<void> check(std::string path, std::map<std::uint16_t, offset> committed) {
    runtime::shard& home = runtime::shard::here();
    auto on = make_real_disk(home);
    directory_options where;
    where.path = path;
    where.segment_bytes = where.small_segment_bytes = 1 << 20;
    log_directory directory(home, **on, where);
    const auto opened = co_await directory.open();
    EXPECT_TRUE(opened.has_value()) << directory.recovered().diagnosis;
    if (opened.has_error()) co_return;
    embedded_log log(directory, home, **on);
    listener heard;
    std::map<std::uint16_t, offset> seen;
    auto replay = [&seen](const record_view& view) {
        const std::uint16_t partition = view.header.partition.value;
        EXPECT_EQ(view.header.at, ++seen[partition]);
        if (view.payload != "probe") EXPECT_EQ(view.payload, payload_at(partition, view.header.at));
        return true;
    };
    const std::vector<partition_id> partitions{{0}, {1}, {2}};
    const auto ready = co_await log.open(partitions, replay, heard);
    EXPECT_TRUE(ready.has_value()) << log.diagnosis();
    for (const auto& [partition, through] : committed) EXPECT_GE(seen[partition], through);
    co_await log.stop();
    co_await directory.stop();
}

void kill_and_check(writer_kind writer, int cycles) {
    const tests::temporary_directory data;
    std::map<std::uint16_t, offset> committed;
    runtime::random_source random(7);
    for (int cycle = 0; cycle < cycles && !testing::Test::HasFailure(); ++cycle) {
        int ends[2];
        ASSERT_EQ(::pipe(ends), 0);
        std::fflush(nullptr);
        const pid_t child = ::fork();
        if (child == 0) {
            ::close(ends[0]);
            runtime::shard_group group(1);
            group.start();
            group.run_and_wait(0, [&] { return write_for_ever(data.path(), writer, ends[1]); });
            ::_exit(6);
        }
        ::close(ends[1]);
        // It is killed some time after its first commit.
        told what{};
        bool killed = false;
        std::uint64_t left = 1 + random.below(300);
        while (::read(ends[0], &what, sizeof what) == static_cast<ssize_t>(sizeof what)) {
            committed[what.partition] = std::max(committed[what.partition], what.through);
            if (--left > 0 || killed) continue;
            ::kill(child, SIGKILL);
            killed = true;
        }
        ::close(ends[0]);
        int status = 0;
        ::waitpid(child, &status, 0);
        EXPECT_TRUE(killed) << "it ended by itself: " << status;
        runtime::shard_group group(1);
        group.start();
        group.run_and_wait(0, [&] { return check(data.path(), committed); });
        group.stop();
    }
    EXPECT_GT(committed[0], 0U);
}

TEST(embedded_log, what_was_committed_survives_kill_9_with_io_uring) { kill_and_check(writer_kind::automatic, 5); }
TEST(embedded_log, what_was_committed_survives_kill_9_with_the_thread) { kill_and_check(writer_kind::thread, 5); }

}  // namespace
}  // namespace storage::embedded
