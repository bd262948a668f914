// The embedded log on the machine's own disk: what the conformance suite cannot see from outside.
#include "storage/embedded/log/embedded_log.hpp"

#include <gtest/gtest.h>

#include <filesystem>

#include "runtime/shard_thread.hpp"
#include "runtime/submit.hpp"
#include "storage/embedded/disk/real_disk.hpp"

namespace storage::embedded {
namespace {

struct listener final : log_listener {
    std::map<partition_id, offset> through;
    void committed(partition_id partition, offset at) override { through[partition] = at; }
    void failed(partition_id, boost::system::error_code) override {}
    void resumed() override {}
};

class folder {
  public:
    folder() {
        std::string name = std::filesystem::current_path() / "log_test_XXXXXX";
        path = ::mkdtemp(name.data());
    }
    ~folder() { std::filesystem::remove_all(path); }
    std::string path;
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
    std::printf("ready after %.1f ms; %s\n", static_cast<double>((home.time().steady() - begin).count()) / 1e6,
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
    const folder data;
    runtime::shard_group group(1);
    group.start();
    group.run_and_wait(0, [&] { return write_and_read(data.path, 1000, 0); });
    group.run_and_wait(0, [&] { return write_and_read(data.path, 1000, 1000); });
    group.run_and_wait(0, [&] { return write_and_read(data.path, 20, 2000); });
    group.stop();
}

}  // namespace
}  // namespace storage::embedded
