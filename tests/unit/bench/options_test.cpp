#include "bench/options.hpp"

#include <gtest/gtest.h>

namespace bench {
namespace {

load_options loaded(std::vector<std::string> arguments) {
    const auto parsed = parse_bench_command(std::move(arguments), {});
    EXPECT_TRUE(parsed.command) << parsed.message;
    return parsed.command ? parsed.command->load : load_options();
}

std::string mistake_of(std::vector<std::string> arguments) {
    const auto parsed = parse_bench_command(std::move(arguments), {});
    EXPECT_FALSE(parsed.command);
    EXPECT_EQ(parsed.exit_code, 2);
    return parsed.message;
}

TEST(bench_options, have_defaults_that_work) {
    const auto options = loaded({"rate"});
    EXPECT_EQ(options.mode, bench_mode::rate);
    EXPECT_EQ(options.server, "http://127.0.0.1:8080");
    EXPECT_EQ(options.watch, watch_kind::stream);
    EXPECT_TRUE(options.keys);
    EXPECT_EQ(options.expect, expectation::automatic);
    EXPECT_EQ(options.duration.count(), 30);
}

TEST(bench_options, are_taken_as_typed) {
    const auto options = loaded(
        {"users",   "--users", "7",         "--think", "250ms",       "--thinking", "fixed",          "-d",    "2m",
         "--watch", "wait",    "--no-keys", "--limit", "wall_ms=100", "--fail-if",  "errors.count>3", "--arg", "x",
         "--arg",   "y",       "--expect",  "out",     "--server",    "http://h:1", "--audit",        "all"});
    EXPECT_EQ(options.mode, bench_mode::users);
    EXPECT_EQ(options.users, 7U);
    EXPECT_EQ(options.think.count(), 250);
    EXPECT_FALSE(options.think_varies);
    EXPECT_EQ(options.duration.count(), 120);
    EXPECT_EQ(options.watch, watch_kind::wait);
    EXPECT_FALSE(options.keys);
    EXPECT_EQ(options.text.limits[0].second, 100U);
    EXPECT_EQ(options.text.arguments, (std::vector<std::string>{"x", "y"}));
    EXPECT_EQ(options.text.expected_output, "out");
    EXPECT_EQ(options.server, "http://h:1");
    EXPECT_EQ(options.audit, UINT64_MAX);
}

TEST(bench_options, take_the_server_from_before_the_word) {
    command_defaults defaults;
    defaults.server = "http://other:9";
    EXPECT_EQ(parse_bench_command({"rate"}, defaults).command->load.server, "http://other:9");
    EXPECT_EQ(parse_bench_command({"rate", "--server", "x:1"}, defaults).command->load.server, "x:1");
}

TEST(bench_options, name_what_does_not_fit) {
    EXPECT_NE(mistake_of({"rate", "-d", "soon"}).find("no duration"), std::string::npos);
    EXPECT_NE(mistake_of({"rate", "--fail-if", "nonsense>1"}).find("no figure"), std::string::npos);
    EXPECT_NE(mistake_of({"rate", "-d", "5s", "--warmup", "5s"}).find("--warmup"), std::string::npos);
    EXPECT_NE(mistake_of({"rate", "--no-keys", "--ledger", "f"}).find("--ledger"), std::string::npos);
    EXPECT_NE(mistake_of({"rate", "--expect", "x", "--expect-nothing"}).find("only one"), std::string::npos);
    EXPECT_NE(mistake_of({"rate", "--audit", "most"}).find("--audit"), std::string::npos);
    EXPECT_NE(mistake_of({"rate", "--rate", "0"}).find("--rate"), std::string::npos);
    mistake_of({});
    mistake_of({"fly"});
}

TEST(bench_options, help_is_no_mistake) {
    const auto parsed = parse_bench_command({"rate", "--help"}, {});
    EXPECT_EQ(parsed.exit_code, 0);
    EXPECT_NE(parsed.message.find("--lateness-max"), std::string::npos);
    EXPECT_EQ(parsed.message.find("--part"), std::string::npos) << "it is no option for people";
}

TEST(parse_duration, knows_its_units) {
    EXPECT_EQ(parse_duration("250ms")->count(), 250);
    EXPECT_EQ(parse_duration("2")->count(), 2'000);
    EXPECT_EQ(parse_duration("1.5s")->count(), 1'500);
    EXPECT_EQ(parse_duration("2m")->count(), 120'000);
    EXPECT_EQ(parse_duration("1h")->count(), 3'600'000);
    for (const auto* text : {"", "s", "-1s", "5x", "1 s", "99999999h"}) EXPECT_FALSE(parse_duration(text)) << text;
}

}  // namespace
}  // namespace bench
