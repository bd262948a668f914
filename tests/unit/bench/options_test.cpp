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

TEST(bench_options, of_each_mode_have_its_own_defaults) {
    EXPECT_EQ(loaded({"step"}).duration.count(), 10);
    EXPECT_EQ(loaded({"soak"}).duration.count(), 3'600);
    EXPECT_EQ(loaded({"soak", "-d", "9s"}).duration.count(), 9);
    EXPECT_EQ(loaded({"monkey"}).think.count(), 10);
    EXPECT_EQ(loaded({"monkey", "--think", "1s"}).think.count(), 1'000);
    EXPECT_EQ(loaded({"step", "--from", "7", "--until", "errors.count>0", "--until", "whole.p99_ms>1"}).until.size(),
              2U);
    mistake_of({"monkey", "--no-keys"});
    mistake_of({"monkey", "--ledger", "f"});
    mistake_of({"step", "--processes", "2"});
    mistake_of({"step", "--until", "sometime"});
}

TEST(bench_options, of_tools_name_their_files) {
    const auto compared = parse_bench_command({"compare", "a", "b", "--tolerance", "5"}, {});
    ASSERT_TRUE(compared.command) << compared.message;
    EXPECT_EQ(compared.command->action, bench_action::compare);
    EXPECT_EQ(compared.command->files, (std::vector<std::string>{"a", "b"}));
    EXPECT_DOUBLE_EQ(compared.command->tolerance, 0.05);
    EXPECT_EQ(parse_bench_command({"merge", "a", "b", "c"}, {}).command->files.size(), 3U);
    EXPECT_EQ(parse_bench_command({"report", "a"}, {}).command->action, bench_action::report);
    const auto verify = parse_bench_command({"verify", "--ledger", "l", "--no-repost"}, {});
    EXPECT_EQ(verify.command->action, bench_action::verify);
    EXPECT_FALSE(verify.command->load.repost);
    mistake_of({"compare", "a"});
    mistake_of({"verify"});
}

// What a process of --processes gets: its own part behind what was typed.
TEST(bench_options, that_stand_last_count_where_a_process_is_given_its_part) {
    const auto options = loaded({"rate", "--seed", "1", "--processes", "3", "--json", "a", "--processes=1", "--seed=2",
                                 "--json=b", "--html=/dev/null", "--output=text", "--run-id=r", "--part=1/3"});
    EXPECT_EQ(options.processes, 1U);
    EXPECT_EQ(options.seed, 2U);
    EXPECT_EQ(options.json_file, "b");
    EXPECT_EQ(options.process.index, 1U);
    EXPECT_EQ(options.process.count, 3U);
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
