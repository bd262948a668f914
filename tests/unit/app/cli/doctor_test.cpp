#include <gtest/gtest.h>
#include <linux/magic.h>

#include "app/cli/cli.hpp"
#include "app/cli/exit_code.hpp"
#include "app/cli/machine_checks.hpp"
#include "tests/unit/app/cli/captured_output.hpp"

namespace app::cli {
namespace {

TEST(doctor, knows_file_systems_that_lose_everything) {
    EXPECT_EQ(judge_file_system(EXT4_SUPER_MAGIC).verdict, health::good);
    EXPECT_EQ(judge_file_system(TMPFS_MAGIC).verdict, health::problem);
    EXPECT_EQ(judge_file_system(NFS_SUPER_MAGIC).verdict, health::problem);
    const auto strange = judge_file_system(0xABCD);
    EXPECT_EQ(strange.verdict, health::warning);
    EXPECT_NE(strange.found.find("0xabcd"), std::string::npos) << strange.found;
}

TEST(doctor, doubts_disks_that_are_slow_or_too_good_to_be_true) {
    EXPECT_EQ(judge_sync_times(std::vector<double>(100, 300)).verdict, health::good);
    EXPECT_EQ(judge_sync_times(std::vector<double>(100, 25'000)).verdict, health::warning);
    EXPECT_EQ(judge_sync_times(std::vector<double>(100, 2)).verdict, health::warning);
    std::vector<double> mixed(100, 300);
    mixed[7] = 90'000;  // one slow write is the p99's matter
    EXPECT_EQ(judge_sync_times(mixed).verdict, health::good);
}

TEST(doctor, warns_of_little_room) {
    EXPECT_EQ(judge_free_space(100ULL << 30).verdict, health::good);
    EXPECT_EQ(judge_free_space(100ULL << 20).verdict, health::warning);
    EXPECT_EQ(judge_open_files(1024, 1'048'576).verdict, health::good);
    EXPECT_EQ(judge_open_files(1024, 4096).verdict, health::warning);
}

TEST(doctor, a_folder_that_cannot_be_written_is_a_problem) {
    const auto all = check_disk("/proc/weir");
    EXPECT_TRUE(std::any_of(all.begin(), all.end(), [](const auto& one) { return one.verdict == health::problem; }));
}

TEST(doctor, prints_every_check_as_json) {
    captured_output captured;
    run_command_line({"doctor", "-o", "json", "--data", "/var/tmp"});
    const std::string out = captured.out();
    for (const char* check : {"kernel", "cpus", "memory", "open_files", "clock", "sandbox", "data_directory",
                              "file_system", "free_space", "log_writer", "sync_time"})
        EXPECT_NE(out.find("{\"check\":\"" + std::string(check) + "\""), std::string::npos) << check << " in " << out;
}

}  // namespace
}  // namespace app::cli
