// The reserve on the simulated disk, and on a small ext4 of the machine: a full disk is no dead end.
#include <gtest/gtest.h>
#include <sys/mount.h>

#include <cstdlib>
#include <fstream>

#include "runtime/shard_thread.hpp"
#include "tests/support/temporary_directory.hpp"
#include "tests/unit/storage/log_conformance.hpp"
#include "tests/unit/storage/log_rigs.hpp"

namespace tests {
namespace {

using runtime::task;
using storage::partition_id;

constexpr std::uint64_t kib = 1024;
constexpr std::uint64_t mib = 1024 * 1024;
const std::string reserve_path = "log/reserve";

storage::embedded::directory_options with_reserve() {
    storage::embedded::directory_options where;
    where.path = "log";
    where.partition_bits = 4;
    where.segment_bytes = mib;
    where.small_segment_bytes = 704 * kib;
    where.reserve_bytes = 12 * mib;
    where.reserve_after_ms = 20;  // the logs have their first segments by then
    return where;
}

struct counting_listener final : storage::log_listener {
    std::map<std::uint16_t, storage::offset> through;
    int full = 0;
    int broken = 0;
    void committed(partition_id partition, storage::offset at) override { through[partition.value] = at; }
    void failed(partition_id, boost::system::error_code why) override {
        ++(why == storage::log_errc::no_space ? full : broken);
    }
    void resumed() override {}
};

task<void> open_one(storage::log& log, counting_listener& listener, std::uint64_t& replayed) {
    const std::vector<partition_id> partitions{{1}};
    auto replay = [&replayed](const storage::record_view&) {
        ++replayed;
        return true;
    };
    const auto opened = co_await log.open(partitions, replay, listener);
    EXPECT_TRUE(opened.has_value()) << opened.error().message();
}

// Appends until `enough` says so; each record is durable before the next. False if one never became durable.
task<void> append_until(storage::log& log, counting_listener& listener, std::function<bool()> enough,
                        std::uint64_t& appended) {
    const std::string payload(60 * kib, 'r');
    for (int i = 0; i < 1000 && !enough(); ++i) {
        const auto stored = log.append(header_for({1}), payload);
        if (stored.has_error()) co_return;
        log.hurry();
        const auto deadline = runtime::shard::here().time().steady() + runtime::seconds(5);
        while (listener.through[1] < stored->at && runtime::shard::here().time().steady() < deadline)
            co_await runtime::sleep_for(runtime::milliseconds(1));
        if (listener.through[1] < stored->at) co_return;
        ++appended;
    }
}

task<void> wait_until(std::function<bool()> holds) {
    const auto deadline = runtime::shard::here().time().steady() + runtime::seconds(30);
    while (!holds() && runtime::shard::here().time().steady() < deadline)
        co_await runtime::sleep_for(runtime::milliseconds(10));
    EXPECT_TRUE(holds());
}

class reserve : public testing::Test {
  protected:
    bool is_there() {
        const auto files = rig_.disk().files();
        return std::find(files.begin(), files.end(), reserve_path) != files.end();
    }
    void begin() {
        ASSERT_EQ(rig_.begin_life(1), "");
        rig_.run(0, [&] { return open_one(rig_.log(0), listener_, replayed_); });
    }
    void append(std::function<bool()> enough) {
        rig_.run(0, [&] { return append_until(rig_.log(0), listener_, enough, appended_); });
    }
    void wait(std::function<bool()> holds) {
        rig_.run(0, [&] { return wait_until(holds); });
    }
    // Durable ones; and there is a reserve.
    void crash_behind_three_records() {
        begin();
        wait([this] { return is_there(); });
        append([this] { return appended_ >= 3; });
        rig_.crash([](std::uint64_t) { return 0U; });
    }
    void leave_space(std::uint64_t bytes) { rig_.disk().behaviour().space_bytes = rig_.disk().bytes_used() + bytes; }

    simulated_embedded_rig rig_{1, with_reserve()};
    counting_listener listener_;
    std::uint64_t replayed_ = 0;
    std::uint64_t appended_ = 0;
};

TEST_F(reserve, is_made_at_the_start_given_up_on_a_full_disk_and_comes_back) {
    begin();
    wait([this] { return is_there(); });
    EXPECT_EQ(rig_.disk().content(reserve_path).size(), 12 * mib);
    EXPECT_FALSE(rig_.log(0).lives_on_reserve());
    leave_space(1500 * kib);
    append([this] { return rig_.log(0).lives_on_reserve(); });
    EXPECT_FALSE(is_there());
    EXPECT_EQ(listener_.full, 0) << "what runs was not held up";
    // There is room to conclude in.
    const auto before = appended_;
    append([&] { return appended_ >= before + 5; });
    EXPECT_EQ(appended_, before + 5);
    EXPECT_NE(rig_.log(0).describe().find("given up"), std::string::npos);
    // Then it is full for good, and heals.
    append([this] { return listener_.full > 0; });
    EXPECT_GT(listener_.full, 0);
    EXPECT_EQ(listener_.broken, 0);
    rig_.disk().behaviour().space_bytes = UINT64_MAX;
    wait([this] { return !rig_.log(0).lives_on_reserve(); });
    EXPECT_TRUE(is_there());
    rig_.end_life();
    begin();
    EXPECT_GE(replayed_, appended_);
    rig_.end_life();
}

TEST_F(reserve, lets_a_start_recover_on_a_full_disk) {
    crash_behind_three_records();
    leave_space(0);
    begin();
    EXPECT_EQ(replayed_, 3U);
    EXPECT_TRUE(rig_.log(0).lives_on_reserve());
    append([this] { return appended_ >= 5; });
    EXPECT_EQ(appended_, 5U);
    rig_.end_life();
}

TEST_F(reserve, is_taken_back_behind_a_start_that_did_not_need_it) {
    crash_behind_three_records();
    leave_space(1900 * kib);  // workable, but less than half of it
    begin();
    EXPECT_EQ(replayed_, 3U);
    wait([this] { return !rig_.log(0).lives_on_reserve(); });
    EXPECT_TRUE(is_there());
    rig_.end_life();
}

TEST_F(reserve, stays_away_when_the_log_found_no_space_behind_a_start) {
    crash_behind_three_records();
    leave_space(600 * kib);  // workable with what recovery frees, but not beside the first segment
    begin();
    EXPECT_TRUE(rig_.log(0).lives_on_reserve());
    append([this] { return listener_.full > 0; });
    EXPECT_GT(listener_.full, 0);
    rig_.disk().behaviour().space_bytes = rig_.disk().bytes_used() + 18 * mib;
    rig_.run(0, [] { return runtime::sleep_for(runtime::seconds(10)); });
    EXPECT_TRUE(rig_.log(0).lives_on_reserve());
    rig_.disk().behaviour().space_bytes = rig_.disk().bytes_used() + 26 * mib;
    wait([this] { return is_there(); });
    rig_.end_life();
}

TEST_F(reserve, is_not_made_where_it_would_take_the_last_space) {
    leave_space(20 * mib);
    begin();
    append([this] { return appended_ >= 3; });
    EXPECT_FALSE(is_there());
    EXPECT_FALSE(rig_.log(0).lives_on_reserve()) << "there was none to give up";
    EXPECT_EQ(appended_, 3U);
    rig_.end_life();
}

TEST_F(reserve, does_not_come_back_while_there_is_no_space) {
    begin();
    wait([this] { return is_there(); });
    leave_space(500 * kib);
    append([this] { return rig_.log(0).lives_on_reserve(); });
    rig_.disk().behaviour().space_bytes = rig_.disk().bytes_used() + 14 * mib;
    rig_.run(0, [] { return runtime::sleep_for(runtime::seconds(10)); });
    EXPECT_TRUE(rig_.log(0).lives_on_reserve());
    EXPECT_FALSE(is_there());
    rig_.disk().behaviour().space_bytes = rig_.disk().bytes_used() + 26 * mib;
    wait([this] { return is_there(); });
    EXPECT_FALSE(rig_.log(0).lives_on_reserve());
    rig_.end_life();
}

// A file system of the machine's own, on a loop device.
class small_file_system {
  public:
    small_file_system() {
        const std::string image = folder_.path() + "/image";
        mounted_ = folder_.path() + "/mounted";
        const std::string commands = "truncate -s 48M " + image + " && mkfs.ext4 -q -F -m 0 -O ^has_journal " + image +
                                     " && mkdir " + mounted_ + " && mount -o loop " + image + " " + mounted_;
        works_ = std::system(("(" + commands + ") >/dev/null 2>&1").c_str()) == 0;
    }
    ~small_file_system() {
        if (works_) ::umount2(mounted_.c_str(), MNT_DETACH);
    }
    small_file_system(const small_file_system&) = delete;
    small_file_system& operator=(const small_file_system&) = delete;
    [[nodiscard]] bool works() const { return works_; }
    [[nodiscard]] const std::string& path() const { return mounted_; }

  private:
    temporary_directory folder_;
    std::string mounted_;
    bool works_ = false;
};

void fill_up(const std::string& path) {
    std::ofstream file(path, std::ios::binary);
    const std::string some(64 * kib, 'f');
    while (file.write(some.data(), static_cast<std::streamsize>(some.size())).flush()) {
    }
}

TEST(reserve_of_a_start, is_made_behind_it) {
    auto where = with_reserve();
    where.reserve_after_ms = 2000;
    simulated_embedded_rig rig(1, where);
    const auto is_there = [&] { return std::ranges::count(rig.disk().files(), reserve_path) == 1; };
    ASSERT_EQ(rig.begin_life(1), "");
    rig.run(0, [] { return runtime::sleep_for(runtime::milliseconds(1000)); });
    EXPECT_FALSE(is_there());
    rig.run(0, [&] { return wait_until(is_there); });
    rig.end_life();
}

task<void> on_a_real_disk(std::string path) {
    runtime::shard& home = runtime::shard::here();
    auto disk = storage::embedded::make_real_disk(home);
    auto where = with_reserve();
    where.path = path + "/log";
    where.reserve_bytes = 8 * mib;
    storage::embedded::log_directory directory(home, **disk, where);
    const auto opened = co_await directory.open();
    EXPECT_TRUE(opened.has_value()) << directory.recovered().diagnosis;
    storage::embedded::embedded_log log(directory, home, **disk);
    counting_listener listener;
    std::uint64_t count = 0;
    co_await open_one(log, listener, count);
    const std::string reserve_at = where.path + "/reserve";
    co_await wait_until([&] { return std::filesystem::exists(reserve_at); });
    fill_up(path + "/ballast");
    std::uint64_t appended = 0;
    co_await append_until(log, listener, [&] { return log.lives_on_reserve(); }, appended);
    EXPECT_TRUE(log.lives_on_reserve());
    EXPECT_FALSE(std::filesystem::exists(reserve_at));
    const auto before = appended;
    co_await append_until(log, listener, [&] { return appended == before + 20; }, appended);
    EXPECT_EQ(appended, before + 20) << "there is room to conclude in";
    std::filesystem::remove(path + "/ballast");
    co_await wait_until([&] { return !log.lives_on_reserve(); });
    EXPECT_TRUE(std::filesystem::exists(reserve_at));
    EXPECT_EQ(listener.broken, 0);
    co_await log.stop();
    co_await directory.stop();
}

TEST(reserve_on_ext4, is_given_up_and_comes_back) {
    const small_file_system disk;
    if (!disk.works()) GTEST_SKIP() << "this machine mounts no ext4 on a loop device for this user";
    runtime::shard_group group(1);
    group.start();
    group.run_and_wait(0, [&] { return on_a_real_disk(disk.path()); });
    group.stop();
}

}  // namespace
}  // namespace tests
