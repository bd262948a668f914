#include "runtime/base/log.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <limits>

#include "runtime/base/ids.hpp"
#include "runtime/simulation/world.hpp"

namespace runtime {
namespace {

class fixed_clock final : public clock {
  public:
    std::int64_t us = 1'800'000'000'000'006;
    [[nodiscard]] utc_time utc() const override { return {us}; }
    [[nodiscard]] steady_time steady() const override { return {us * 1000}; }
};

class log_lines : public testing::Test {
  protected:
    log_lines() : before_(exchange_log_speaker({3, &time_})) {}
    ~log_lines() override { exchange_log_speaker(before_); }
    fixed_clock time_;

  private:
    log_speaker before_;
};

TEST_F(log_lines, are_key_value_pairs) {
    const log_capture out;
    execution_id id(*uuid::parse("0192f3c1-0000-7000-8000-000000000001"));
    log(log_level::warning, "slow client", {{"execution_id", id}, {"bytes", 7}, {"ok", false}, {"part", 0.25}});
    ASSERT_EQ(out.lines().size(), 1U);
    EXPECT_EQ(out.lines()[0],
              "time=2027-01-15T08:00:00.000006Z level=warning shard=3 msg=\"slow client\" "
              "execution_id=0192f3c1-0000-7000-8000-000000000001 bytes=7 ok=false part=0.25");
}

TEST_F(log_lines, quote_what_needs_it) {
    const log_capture out;
    log(log_level::info, "m",
        {{"a", ""},
         {"b", "x=y"},
         {"c", "say \"hi\"\n\x1b[31m"},
         {"d", "caf\xc3\xa9"},
         {"e", "\xff"},
         {"f", std::string("plain-1.5/x")}});
    EXPECT_NE(out.lines()[0].find(" msg=m a=\"\" b=\"x=y\" c=\"say \\\"hi\\\"\\n\\u001b[31m\" d=\"caf\xc3\xa9\" "
                                  "e=\"\\ufffd\" f=plain-1.5/x"),
              std::string::npos)
        << out.lines()[0];
}

TEST_F(log_lines, can_be_json) {
    const log_capture out({.format = log_format::json});
    log(log_level::error, "disk \"a\"",
        {{"n", std::uint64_t{18446744073709551615U}}, {"x", std::nan("")}, {"t", true}});
    EXPECT_EQ(out.lines()[0],
              "{\"time\":\"2027-01-15T08:00:00.000006Z\",\"level\":\"error\",\"shard\":3,\"msg\":\"disk \\\"a\\\"\","
              "\"n\":18446744073709551615,\"x\":null,\"t\":true}");
}

TEST_F(log_lines, have_levels) {
    const log_capture out({.level = log_level::warning});
    log(log_level::info, "no");
    log(log_level::warning, "yes");
    EXPECT_EQ(out.lines().size(), 1U);
    EXPECT_FALSE(log_enabled(log_level::debug));
    EXPECT_EQ(parse_log_level("debug"), log_level::debug);
    EXPECT_FALSE(parse_log_level("loud"));
}

TEST_F(log_lines, are_bounded_in_length) {
    for (const auto format : {log_format::text, log_format::json}) {
        const log_capture out({.format = format});
        const std::string nasty(5000, '\x01');
        log(log_level::info, "m", {{"a", nasty}, {"b", nasty}, {"c", 1}});
        EXPECT_LT(out.lines()[0].size(), log_line_bytes_max);
        EXPECT_NE(out.lines()[0].find(format == log_format::json ? "\"cut\":true}" : " cut=true"), std::string::npos);
        log(log_level::info, "n", {{"a", std::string(1023, 'x') + "\xc3\xa9"}, {"c", 1}});
        EXPECT_EQ(out.lines()[1].find("ufffd"), std::string::npos) << "cut inside of a character";
        EXPECT_NE(out.lines()[1].find("c"), std::string::npos);
    }
}

TEST_F(log_lines, of_one_message_are_bounded_per_second) {
    const log_capture out({.repeated_per_second_max = 2});
    const auto before = count_log_lines().dropped_repeated;
    for (int i = 0; i < 10; ++i) log(log_level::info, "again", {{"i", i}});
    log(log_level::info, "other");
    EXPECT_EQ(out.lines().size(), 3U);
    EXPECT_EQ(count_log_lines().dropped_repeated - before, 8U);
    time_.us += 1'000'000;
    log(log_level::info, "again");
    EXPECT_TRUE(out.contains("msg=again dropped_before=8"));
}

TEST(log_standard_error, writes_whole_lines_and_never_waits) {
    int ends[2];
    ASSERT_EQ(::pipe(ends), 0);
    const int kept = ::dup(STDERR_FILENO);
    ::dup2(ends[1], STDERR_FILENO);
    set_log_options({.repeated_per_second_max = 0});
    const auto before = count_log_lines();
    const std::string big(1000, 'x');
    // Nobody reads: far more than the pipe holds.
    for (int i = 0; i < 1000; ++i) log(log_level::info, "full", {{"big", big}});
    ::dup2(kept, STDERR_FILENO);
    ::close(kept);
    ::close(ends[1]);
    set_log_options({});
    const auto after = count_log_lines();
    EXPECT_EQ(after.written - before.written + after.dropped_blocked - before.dropped_blocked, 1000U);
    EXPECT_GT(after.dropped_blocked, before.dropped_blocked);
    std::string all(1 << 20, '\0');
    std::size_t size = 0;
    for (ssize_t n = 0; (n = ::read(ends[0], all.data() + size, all.size() - size)) > 0;)
        size += static_cast<std::size_t>(n);
    ::close(ends[0]);
    all.resize(size);
    EXPECT_EQ(static_cast<std::uint64_t>(std::ranges::count(all, '\n')), after.written - before.written);
    EXPECT_TRUE(all.ends_with("x\n"));
}

TEST(log_simulated, uses_the_virtual_clock_and_the_shards_name) {
    const log_capture out;
    simulation::world w(1);
    auto& s = w.add_shard(5);
    s.post([] { log(log_level::info, "hello"); });
    static_cast<void>(w.run_until([&] { return !out.lines().empty(); }, seconds(1)));
    ASSERT_EQ(out.lines().size(), 1U);
    EXPECT_TRUE(out.contains("time=2027-01-15T08:00:00.00"));
    EXPECT_TRUE(out.contains(" shard=5 msg=hello"));
}

}  // namespace
}  // namespace runtime
