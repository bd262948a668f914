#include "stages/worker/runtimes/installed.hpp"

#include <gtest/gtest.h>

namespace stages::worker::runtimes {
namespace {

manifest shell() {
    manifest out;
    out.language = "shell";
    out.file_name = "main.sh";
    out.executables = {"/bin/sh"};
    out.version_command = {"{executable}", "-c", "echo shell 3.14 >&2"};
    out.version_pattern = "^shell (\\d+\\.\\d+)";
    out.run = {"{executable}", "{file}"};
    out.example = "echo\n";
    return out;
}

TEST(runtimes_installed, a_version_is_the_patterns_group) {
    EXPECT_EQ(version_in("v20.11.1\n", "^v(\\d+)"), "20");
    EXPECT_EQ(version_in("openjdk\njavac 17.0.1", "javac (\\d+)"), "17");
    EXPECT_EQ(version_in("options: x\n7.1\n", "^(\\d+\\.\\d+)$"), "7.1");
    EXPECT_EQ(version_in("nothing", "^v(\\d+)"), "");
    EXPECT_EQ(version_in("v", "^v(\\d*)"), "") << "an empty version";
    EXPECT_EQ(version_in("v1 2", "^v(.*)"), "") << "a space in a version";
    EXPECT_EQ(version_in("v" + std::string(40, '1'), "^v(\\d+)"), "") << "too long";
}

TEST(runtimes_installed, versions_are_numbers_not_texts) {
    EXPECT_TRUE(older("3.9", "3.11"));
    EXPECT_FALSE(older("3.11", "3.9"));
    EXPECT_TRUE(older("3.11", "4"));
    EXPECT_FALSE(older("12", "12"));
}

TEST(runtimes_installed, both_streams_of_the_version_command_are_read) {
    const auto found = detect_runtimes({shell()});
    ASSERT_EQ(found.size(), 1U);
    EXPECT_EQ(found.front().versions, (std::vector<std::string>{"3.14"}));
    EXPECT_EQ(find_executable(found, "shell", ""), "/bin/sh");
    EXPECT_EQ(find_executable(found, "shell", "3.14"), "/bin/sh");
    EXPECT_EQ(find_executable(found, "shell", "2.7"), "");
    EXPECT_EQ(find_executable(found, "cobol", ""), "");
    EXPECT_EQ(find_runtime(found, "cobol"), nullptr);
}

TEST(runtimes_installed, what_is_not_there_or_says_nothing_is_left_out) {
    auto absent = shell();
    absent.executables = {"/usr/bin/no-such-program-*"};
    auto silent = shell();
    silent.version_command = {"{executable}", "-c", "exit 1"};
    auto outside = shell();
    outside.executables = {"/proc/self/exe", "/etc/passwd"};
    EXPECT_TRUE(detect_runtimes({absent, silent, outside}).empty());
}

TEST(runtimes_installed, several_versions_stand_side_by_side_and_the_preferred_one_is_first) {
    auto what = shell();
    what.executables = {"/usr/bin/true", "/bin/sh", "/usr/bin/env"};
    what.version_command = {"/bin/sh", "-c", "case $0 in *true) echo 3.9;; *env) echo 3.10;; *) echo 3.11;; esac",
                            "{executable}"};
    what.version_pattern = "^(3\\.\\d+)";
    auto found = detect_runtimes({what});
    ASSERT_EQ(found.size(), 1U);
    EXPECT_EQ(found.front().versions, (std::vector<std::string>{"3.11", "3.10", "3.9"}));
    what.preferred = "/usr/bin/env";
    found = detect_runtimes({what});
    EXPECT_EQ(found.front().versions, (std::vector<std::string>{"3.10", "3.11", "3.9"}));
}

}  // namespace
}  // namespace stages::worker::runtimes
