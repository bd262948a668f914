// What a backup asks of the log: to stand still, to hold what it has, and which files there are.
#include <gtest/gtest.h>

#include <filesystem>

#include "runtime/shard_thread.hpp"
#include "runtime/timer.hpp"
#include "storage/embedded/disk/real_disk.hpp"
#include "storage/embedded/log/embedded_log.hpp"
#include "tests/support/temporary_directory.hpp"

namespace storage::embedded {
namespace {

struct listener final : log_listener {
    offset through = 0;
    void committed(partition_id, offset at) override { through = at; }
    void failed(partition_id, boost::system::error_code) override {}
    void resumed() override {}
};

directory_options small_segments(const std::string& path) {
    directory_options where;
    where.path = path;
    where.partition_bits = 2;
    where.segment_bytes = where.small_segment_bytes = 1 << 20;
    return where;
}

task<void> append_some(embedded_log& log, listener& heard, int records) {
    record_header header;
    header.type = 7;
    header.partition = {1};
    offset last = 0;
    for (int i = 0; i < records; ++i) {
        const auto stored = log.append(header, std::string(20'000, 'p'));
        EXPECT_TRUE(stored.has_value());
        last = stored->at;
        if (i % 5 != 0) continue;
        log.hurry();
        while (heard.through < last) co_await runtime::sleep_for(runtime::microseconds(200));
    }
    log.hurry();
    while (heard.through < last) co_await runtime::sleep_for(runtime::microseconds(200));
}

void copy_files(const log_directory& directory, const std::map<log_id, log_position>& ends, const std::string& to) {
    std::filesystem::create_directories(to);
    for (const auto& part : directory.files_until(ends)) {
        std::filesystem::copy_file(directory.options().path + "/" + part.name, to + "/" + part.name);
        std::filesystem::resize_file(to + "/" + part.name, part.bytes);
    }
}

// A copy is taken while writes go on behind the moment that it shows.
task<void> back_up(std::string path, std::string copy, offset& shown) {
    runtime::shard& home = runtime::shard::here();
    auto on = make_real_disk(home);
    log_directory directory(home, **on, small_segments(path));
    const auto opened = co_await directory.open();
    EXPECT_TRUE(opened.has_value());
    embedded_log log(directory, home, **on);
    listener heard;
    std::vector<partition_id> partitions{{0}, {1}, {2}, {3}};
    auto replay = [](const record_view&) { return true; };
    const auto open = co_await log.open(partitions, replay, heard);
    EXPECT_TRUE(open.has_value());
    co_await append_some(log, heard, 200);

    log.hold_releases();
    directory.hold();
    const auto end = co_await log.pause();
    EXPECT_TRUE(end.has_value());
    shown = heard.through;
    record_header header;
    header.type = 7;
    header.partition = {1};
    const auto appended = log.append(header, "not before resume()");
    EXPECT_TRUE(appended.has_value());
    log.hurry();
    co_await runtime::sleep_for(runtime::milliseconds(20));
    EXPECT_EQ(heard.through, shown) << "something was written during the pause";
    log.resume();

    // Several segments more, and everything is let go: nothing of it may show in the copy.
    co_await append_some(log, heard, 300);
    log.release({1}, heard.through);
    co_await append_some(log, heard, 100);
    co_await runtime::sleep_for(runtime::milliseconds(200));
    copy_files(directory, {{log.id(), *end}}, copy);
    const auto held = directory.count().segments;
    directory.let_go();
    log.let_releases_go();
    co_await runtime::sleep_for(runtime::milliseconds(200));
    EXPECT_LT(directory.count().segments, held) << "what was held is let go later";
    co_await log.stop();
    co_await directory.stop();
}

task<void> expect_records(std::string path, offset records) {
    runtime::shard& home = runtime::shard::here();
    auto on = make_real_disk(home);
    log_directory directory(home, **on, small_segments(path));
    const auto opened = co_await directory.open();
    EXPECT_TRUE(opened.has_value()) << directory.recovered().diagnosis;
    embedded_log log(directory, home, **on);
    listener heard;
    offset last = 0;
    std::vector<partition_id> partitions{{1}};
    auto replay = [&last](const record_view& record) {
        EXPECT_EQ(record.header.at, last + 1);
        last = record.header.at;
        return true;
    };
    const auto open = co_await log.open(partitions, replay, heard);
    EXPECT_TRUE(open.has_value()) << log.diagnosis();
    EXPECT_EQ(last, records);
    co_await log.stop();
    co_await directory.stop();
}

TEST(log_backup, a_copy_shows_the_moment_of_the_pause_and_nothing_later) {
    const tests::temporary_directory data;
    runtime::shard_group group(1);
    group.start();
    offset shown = 0;
    const std::string copy = data.path() + "/copy";
    group.run_and_wait(0, [&] { return back_up(data.path() + "/log", copy, shown); });
    EXPECT_EQ(shown, 200U);
    group.run_and_wait(0, [&] { return expect_records(copy, shown); });
    group.stop();
}

}  // namespace
}  // namespace storage::embedded
