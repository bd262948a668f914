#include "app/cli/program.hpp"

#include <gtest/gtest.h>
#include <simdjson.h>

#include <fstream>

#include "runtime/base/encoding.hpp"
#include "tests/support/temporary_directory.hpp"

namespace app::cli {
namespace {

std::string file_with(const std::string& name, const std::string& text) {
    static const tests::temporary_directory folder;
    const std::string path = folder.path() + "/" + name;
    std::ofstream(path, std::ios::binary) << text;
    return path;
}

TEST(program, guesses_the_language) {
    EXPECT_EQ(guess_language("a.py", ""), "python");
    EXPECT_EQ(guess_language("dir.py/a.mjs", ""), "node");
    EXPECT_EQ(guess_language("a.sh", "#!/usr/bin/python3"), "bash");
    EXPECT_EQ(guess_language("a", "#!/usr/bin/python3.11\nprint()"), "python");
    EXPECT_EQ(guess_language("a", "#! /usr/bin/env -S FOO=1 node --x\n"), "node");
    EXPECT_EQ(guess_language("-", "#!/bin/sh"), "bash");
    EXPECT_EQ(guess_language("a", "#!/usr/bin/shfmt\n"), "");
    EXPECT_EQ(guess_language("a", "#!/usr/bin/env"), "");
    EXPECT_EQ(guess_language("a", "#!"), "");
    EXPECT_EQ(guess_language("a.txt", "print()"), "");
    EXPECT_EQ(guess_language("a.rb", ""), "ruby");
    EXPECT_EQ(guess_language("Main.java", ""), "java");
    EXPECT_EQ(guess_language("a", "#!/usr/bin/perl -w\n"), "perl");
}

TEST(program, writes_limits_as_json) {
    EXPECT_EQ(limit_as_json("wall_ms", "1500"), "1500");
    EXPECT_EQ(limit_as_json("wall_ms", "10s"), "10000");
    EXPECT_EQ(limit_as_json("cpu_ms", "2m"), "120000");
    EXPECT_EQ(limit_as_json("memory_bytes", "64MiB"), "67108864");
    EXPECT_EQ(limit_as_json("processes", "5"), "5");
    EXPECT_EQ(limit_as_json("on_output_limit", "kill"), "\"kill\"");
    EXPECT_EQ(limit_as_json("wall_ms", "64MiB"), "\"64MiB\"");
    EXPECT_EQ(limit_as_json("wall_ms", "-1"), "\"-1\"");
    EXPECT_EQ(limit_as_json("memory_bytes", "99999999999GiB"), "\"99999999999GiB\"");
    EXPECT_EQ(limit_as_json("x", "a\"b"), "\"a\\\"b\"");
}

TEST(program, becomes_a_body) {
    run_command what;
    what.file = file_with("body.py", "print(\"h\xc3\xa9\")\n");
    what.arguments = {"a \"b\"", "c"};
    what.labels = {{"k", "v"}};
    what.limits = {{"wall_ms", "1s"}, {"on_output_limit", "kill"}};
    what.priority = "high";
    what.standard_input = file_with("input", std::string("\0\xff\n", 3));
    const auto body = execute_body(what);
    ASSERT_TRUE(body.has_value()) << body.error().message;
    simdjson::dom::parser parser;
    simdjson::dom::object root;
    ASSERT_EQ(parser.parse(*body).get(root), simdjson::SUCCESS) << *body;
    EXPECT_EQ(std::string_view(root["script"]), "print(\"h\xc3\xa9\")\n");
    EXPECT_EQ(std::string_view(root["lang"]), "python");
    EXPECT_EQ(std::string_view(root["args"].at(0)), "a \"b\"");
    EXPECT_EQ(std::string_view(root["labels"]["k"]), "v");
    EXPECT_EQ(std::uint64_t(root["limits"]["wall_ms"]), 1000U);
    EXPECT_EQ(std::string_view(root["limits"]["on_output_limit"]), "kill");
    EXPECT_EQ(std::string_view(root["priority"]), "high");
    EXPECT_EQ(runtime::base64_decode(std::string_view(root["stdin"]["base64"])), std::string("\0\xff\n", 3));
    EXPECT_TRUE(root["lang_version"].error());
}

TEST(program, asks_for_a_network) {
    run_command what;
    what.file = file_with("network.py", "print()");
    EXPECT_EQ(execute_body(what)->find("network"), std::string::npos);
    what.allow = {"a.org:443", "*.b.org:80"};
    EXPECT_NE(execute_body(what)->find("\"network\":{\"allow\":[\"a.org:443\",\"*.b.org:80\"]}"), std::string::npos);
    what.network = "open";
    EXPECT_EQ(execute_body(what).error().exit_code, exit_usage);
    what.allow.clear();
    EXPECT_NE(execute_body(what)->find("\"network\":\"open\""), std::string::npos);
}

TEST(program, asks_for_an_input_that_stays_open) {
    run_command what;
    what.file = file_with("typed.py", "print()");
    EXPECT_EQ(execute_body(what)->find("interactive"), std::string::npos);
    what.interactive = true;
    EXPECT_NE(execute_body(what)->find("\"interactive\":true"), std::string::npos) << *execute_body(what);
    what.terminal = true;
    EXPECT_NE(execute_body(what)->find("\"interactive\":{\"pty\":{}}"), std::string::npos) << *execute_body(what);
    what.rows = 40;
    what.columns = 120;
    EXPECT_NE(execute_body(what)->find("\"pty\":{\"rows\":40,\"columns\":120}"), std::string::npos)
        << *execute_body(what);
    what.limits = {{"wall_ms", "1s"}};
    simdjson::dom::parser parser;
    EXPECT_EQ(std::uint64_t(parser.parse(*execute_body(what))["limits"]["wall_ms"]), 1000U);
    what.standard_input = "-";
    EXPECT_EQ(execute_body(what).error().exit_code, exit_usage) << "what is typed comes from there";
}

TEST(program, says_what_is_wrong_before_a_server_is_asked) {
    run_command what;
    what.file = "/nonexistent/x.py";
    EXPECT_EQ(execute_body(what).error().exit_code, exit_usage);
    EXPECT_NE(execute_body(what).error().message.find("No such file"), std::string::npos);
    what.file = file_with("plain.txt", "hello");
    EXPECT_NE(execute_body(what).error().message.find("--lang"), std::string::npos);
    what.lang = "python";
    EXPECT_TRUE(execute_body(what).has_value());
    what.labels = {{"k", "\xff"}};
    EXPECT_NE(execute_body(what).error().message.find("UTF-8"), std::string::npos);
    what.labels.clear();
    what.file = file_with("latin.py", "\xe9");
    EXPECT_NE(execute_body(what).error().message.find("UTF-8"), std::string::npos);
    what.file = what.standard_input = "-";
    EXPECT_EQ(execute_body(what).error().exit_code, exit_usage);
    EXPECT_NE(read_input("/tmp", 10).error().message.find("directory"), std::string::npos);
    EXPECT_NE(read_input(file_with("big", "12345678901"), 10).error().message.find("more than 10"), std::string::npos);
}

}  // namespace
}  // namespace app::cli
