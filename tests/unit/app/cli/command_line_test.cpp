#include "app/cli/command_line.hpp"

#include <gtest/gtest.h>

namespace app::cli {
namespace {

using strings = std::vector<std::string>;

template <class Command>
Command parse(const strings& arguments) {
    const auto out = parse_command_line(arguments, "");
    EXPECT_TRUE(out.parsed) << out.message;
    if (!out.parsed) return {};
    EXPECT_TRUE(std::holds_alternative<Command>(out.parsed->command));
    return std::get<Command>(out.parsed->command);
}

common_options common(const strings& arguments, const std::string& variable = "") {
    const auto out = parse_command_line(arguments, variable);
    EXPECT_TRUE(out.parsed) << out.message;
    return out.parsed ? out.parsed->common : common_options{};
}

TEST(command_line, takes_everything_of_run) {
    const auto run = parse<run_command>({"run",        "a.py",    "--lang",     "python",  "--lang-version=3.11",
                                         "--arg",      "one",     "--arg",      "two",     "--stdin",
                                         "-",          "--limit", "wall_ms=5s", "--limit", "processes=3",
                                         "--priority", "high",    "--label",    "k=v=w",   "--key",
                                         "K",          "-d",      "three",      "--",      "-x",
                                         "--lang"});
    EXPECT_EQ(run.file, "a.py");
    EXPECT_EQ(run.lang, "python");
    EXPECT_EQ(run.lang_version, "3.11");
    EXPECT_EQ(run.arguments, (strings{"one", "two", "three", "-x", "--lang"}));
    EXPECT_EQ(run.standard_input, "-");
    EXPECT_EQ(run.limits, (text_pairs{{"wall_ms", "5s"}, {"processes", "3"}}));
    EXPECT_EQ(run.labels, (text_pairs{{"k", "v=w"}}));
    EXPECT_EQ(run.priority, "high");
    EXPECT_EQ(run.key, "K");
    EXPECT_TRUE(run.detach);
}

TEST(command_line, takes_the_other_commands) {
    EXPECT_TRUE(parse<logs_command>({"logs", "-f", "ID", "--after", "7"}).follow);
    EXPECT_EQ(parse<logs_command>({"logs", "ID", "--after", "7"}).after, 7U);
    EXPECT_EQ(parse<show_command>({"show", "ID"}).id, "ID");
    const auto list = parse<list_command>({"list", "--status", "running", "--label", "a=b", "--limit", "5"});
    EXPECT_EQ(list.status, "running");
    EXPECT_EQ(list.labels, (text_pairs{{"a", "b"}}));
    EXPECT_EQ(list.limit, 5U);
    EXPECT_EQ(parse<cancel_command>({"cancel", "A", "B"}).ids, (strings{"A", "B"}));
    EXPECT_EQ(parse<attach_command>({"attach", "ID", "--after", "7"}).id, "ID");
    EXPECT_EQ(parse<attach_command>({"attach", "ID", "--after", "7"}).after, 7U);
    parse<stuck_command>({"admin", "stuck"});
    EXPECT_EQ(parse<verify_command>({"log", "verify"}).directory, "./data");
    const auto dump = parse<dump_command>({"log", "dump", "/x", "--partition", "7", "--from", "12"});
    EXPECT_EQ(dump.directory, "/x");
    EXPECT_EQ(dump.partition, 7U);
    EXPECT_EQ(dump.from, 12U);
    const auto repair = parse<repair_command>({"log", "repair", "--drop-after", "/a:b/1-0-1.segment:4096", "/x"});
    EXPECT_EQ(repair.directory, "/x");
    ASSERT_EQ(repair.drop_after.size(), 1U);
    EXPECT_EQ(repair.drop_after[0].first, "/a:b/1-0-1.segment");
    EXPECT_EQ(repair.drop_after[0].second, 4096U);
    EXPECT_EQ(parse_command_line({"log", "repair", "/x"}, "").exit_code, 2) << "without a place there is nothing to do";
    EXPECT_EQ(parse_command_line({"log", "repair", "--drop-after", "file", "/x"}, "").exit_code, 2);
    EXPECT_EQ(parse<verify_command>({"log", "verify", "/x"}).directory, "/x");
    EXPECT_EQ(parse<verify_command>({"log", "verify", "--data", "/x"}).directory, "/x");
    EXPECT_FALSE(parse<archive_command>({"archive", "verify"}).repair);
    EXPECT_TRUE(parse<archive_command>({"archive", "repair", "/x"}).repair);
    EXPECT_EQ(parse<archive_command>({"archive", "repair", "/x"}).directory, "/x");
    EXPECT_TRUE(parse<backup_command>({"backup", "http://127.0.0.1:1", "/t"}).from_server());
    EXPECT_FALSE(parse<backup_command>({"backup", "./data", "/t"}).from_server());
    EXPECT_EQ(parse<backup_command>({"backup", "./data", "/t"}).target, "/t");
    EXPECT_EQ(parse<restore_command>({"restore", "/t", "/d"}).source, "/t");
    EXPECT_EQ(parse<restore_command>({"restore", "/t", "/d"}).directory, "/d");
    parse<version_command>({"version"});
    parse<version_command>({"--version"});
}

TEST(command_line, takes_hosts_to_reach) {
    const auto run = parse<run_command>({"run", "a.py", "--allow", "a.org:443", "--allow", "b.org:80", "x"});
    EXPECT_EQ(run.allow, (strings{"a.org:443", "b.org:80"}));
    EXPECT_EQ(run.arguments, strings{"x"});
    EXPECT_EQ(parse<run_command>({"run", "--network", "open", "a.py"}).network, "open");
    EXPECT_EQ(parse_command_line({"run", "a.py", "--network", "all"}, "").exit_code, 2);
}

TEST(command_line, a_terminal_is_interactive) {
    EXPECT_FALSE(parse<run_command>({"run", "a.py"}).interactive);
    EXPECT_TRUE(parse<run_command>({"run", "-i", "a.py"}).interactive);
    EXPECT_FALSE(parse<run_command>({"run", "-i", "a.py"}).terminal);
    EXPECT_TRUE(parse<run_command>({"run", "-t", "a.py"}).interactive);
    EXPECT_TRUE(parse<run_command>({"run", "-it", "a.py"}).terminal);
}

TEST(command_line, takes_common_options_anywhere) {
    for (const strings& where : {strings{"-o", "json", "--server", "h:1", "--color=never", "list"},
                                 strings{"list", "-o", "json", "--server", "h:1", "--color=never"}}) {
        const auto options = common(where);
        EXPECT_EQ(options.output, output_format::json);
        EXPECT_EQ(options.server, "h:1");
        EXPECT_EQ(options.color, color_choice::never);
    }
    EXPECT_EQ(common({"list"}).server, "http://127.0.0.1:8080");
    EXPECT_EQ(common({"list"}, "http://e:2").server, "http://e:2");
    EXPECT_EQ(common({"list", "--server", "h:1"}, "http://e:2").server, "h:1");
}

TEST(command_line, answers_mistakes_with_2_and_help_with_0) {
    for (const strings& wrong :
         {strings{}, strings{"nope"}, strings{"run"}, strings{"run", "a", "--nope"}, strings{"show"}, strings{"cancel"},
          strings{"admin"}, strings{"log"}, strings{"list", "x"}, strings{"list", "--limit", "0"},
          strings{"list", "--limit", "x"}, strings{"run", "a", "--label", "novalue"},
          strings{"run", "a", "--limit", "=1"}, strings{"list", "-o", "yaml"}, strings{"list", "--color", "x"},
          strings{"show", "A", "--", "B"}, strings{"logs", "A", "--after", "-1"}}) {
        const auto out = parse_command_line(wrong, "");
        EXPECT_FALSE(out.parsed);
        EXPECT_EQ(out.exit_code, 2);
        EXPECT_FALSE(out.message.empty());
    }
    const auto help = parse_command_line({"run", "--help"}, "");
    EXPECT_EQ(help.exit_code, 0);
    EXPECT_NE(help.message.find("--priority"), std::string::npos);
    const auto nested = parse_command_line({"log", "verify", "-h"}, "");
    EXPECT_NE(nested.message.find("DIR"), std::string::npos) << nested.message;
}

TEST(command_line, hands_everything_behind_bench_to_the_harness) {
    const strings arguments = {"--server", "http://other:1", "-o", "json", "bench", "rate", "--rate", "5", "--help"};
    EXPECT_EQ(parse<bench_command>(arguments).arguments, (strings{"rate", "--rate", "5", "--help"}));
    EXPECT_EQ(common(arguments).server, "http://other:1");
    EXPECT_EQ(common(arguments).output, output_format::json);
    EXPECT_EQ(parse<bench_command>({"bench", "--help"}).arguments, strings{"--help"});
}

}  // namespace
}  // namespace app::cli
