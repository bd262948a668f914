#include "runtime/base/config.hpp"

#include <gtest/gtest.h>

#include <array>

namespace runtime {
namespace {

using enum property_kind;
using strings = std::vector<std::string>;

constexpr std::array table{
    property{.name = "listen", .kind = address, .default_value = "127.0.0.1:8080", .help = "Where."},
    property{.name = "admission.queued_max",
             .kind = integer,
             .unit = "executions",
             .default_value = "100",
             .min = 1,
             .max = 1000,
             .help = "How many."},
    property{.name = "grace_s",
             .kind = duration,
             .unit = "s",
             .default_value = "5",
             .min = 0,
             .max = 60,
             .help = "How long."},
    property{.name = "poll_ms", .kind = duration, .unit = "ms", .default_value = "1s", .help = "How often."},
    property{.name = "log.segment_bytes",
             .kind = bytes,
             .default_value = "1MiB",
             .min = 4096,
             .max = 1 << 30,
             .help = "How much."},
    property{.name = "insecure", .kind = boolean, .default_value = "false", .help = "Whether.", .flag = "no-auth"},
    property{.name = "executor",
             .kind = text,
             .default_value = "sandbox",
             .choices = "sandbox|noop|noop:…",
             .help = "Which."},
};

TEST(configuration, has_defaults_in_every_kind) {
    const configuration c(table);
    EXPECT_EQ(c.address("listen").port, 8080);
    EXPECT_EQ(c.integer("admission.queued_max"), 100);
    EXPECT_EQ(c.duration("grace_s"), milliseconds(5000));
    EXPECT_EQ(c.duration("poll_ms"), milliseconds(1000));
    EXPECT_EQ(c.integer("log.segment_bytes"), 1 << 20);
    EXPECT_FALSE(c.boolean("insecure"));
    EXPECT_EQ(c.text("executor"), "sandbox");
    EXPECT_TRUE(c.unread().empty());
    EXPECT_EQ(c.origin("listen").place, "default");
}

TEST(configuration, lets_the_later_source_win_and_keeps_the_origin) {
    configuration c(table);
    c.read_yaml("grace_s: 1\nadmission:\n  queued_max: 7\nlisten: '[::1]:0'\n", "weir.yaml");
    EXPECT_EQ(c.origin("admission.queued_max").place, "weir.yaml:3");
    c.read_environment(strings{"WEIR_ADMISSION__QUEUED_MAX=8", "WEIR_GRACE_S=2", "PATH=/bin"});
    EXPECT_EQ(c.origin("admission.queued_max").place, "WEIR_ADMISSION__QUEUED_MAX");
    c.read_flags(strings{"--admission.queued_max=9", "--no-auth", "--executor", "noop:5"});
    EXPECT_EQ(c.errors(), strings{});
    EXPECT_EQ(c.integer("admission.queued_max"), 9);
    EXPECT_EQ(c.duration("grace_s"), milliseconds(2000));
    EXPECT_EQ(c.address("listen"), (network_address{"::1", 0}));
    EXPECT_TRUE(c.boolean("insecure"));
    EXPECT_EQ(c.text("executor"), "noop:5");
    EXPECT_EQ(c.origin("insecure").place, "--no-auth");
    EXPECT_NE(c.show().find("grace_s = 2"), std::string::npos);
    EXPECT_NE(c.show().find("# WEIR_GRACE_S"), std::string::npos);
}

TEST(configuration, takes_units) {
    configuration c(table);
    c.read_flags(strings{"--grace_s=1m", "--poll_ms=2h", "--log.segment_bytes=64KiB"});
    EXPECT_EQ(c.errors(), strings{});
    EXPECT_EQ(c.duration("grace_s"), milliseconds(60'000));
    EXPECT_EQ(c.duration("poll_ms"), milliseconds(7'200'000));
    EXPECT_EQ(c.integer("log.segment_bytes"), 65536);
}

std::string one_error(const strings& flags) {
    configuration c(table);
    c.read_flags(flags);
    return c.errors().size() == 1 ? c.errors()[0] : std::to_string(c.errors().size()) + " errors";
}

TEST(configuration, names_property_value_and_bound) {
    EXPECT_EQ(one_error({"--admission.queued_max=0"}),
              "--admission.queued_max: admission.queued_max: \"0\" is below the least allowed, 1 executions");
    EXPECT_EQ(one_error({"--grace_s=61"}), "--grace_s: grace_s: \"61\" is above the most allowed, 60 s");
    EXPECT_EQ(one_error({"--log.segment_bytes=2GiB"}),
              "--log.segment_bytes: log.segment_bytes: \"2GiB\" is above the most allowed, 1073741824 bytes");
}

TEST(configuration, refuses_what_is_no_value) {
    for (const auto* wrong : {"", "x", "1x", "1.5", "+5", " 5", "99999999999999999999"})
        EXPECT_NE(one_error({"--admission.queued_max", wrong}).find("is not a whole number"), std::string::npos)
            << wrong;
    for (const auto* wrong : {"5KiB", "1500ms", "s", "1d", "9223372036854775807h"})
        EXPECT_NE(one_error({"--grace_s", wrong}).find("is not a duration"), std::string::npos) << wrong;
    for (const auto* wrong : {"5k", "5MB", "-", "9223372036854775807GiB"})
        EXPECT_NE(one_error({"--log.segment_bytes", wrong}).find("is not a number of bytes"), std::string::npos)
            << wrong;
    for (const auto* wrong : {"8080", "host:", ":1", "::1:1", "[::1]", "[a]:1", "h:65536", "h:-1", "h:1x"})
        EXPECT_NE(one_error({"--listen", wrong}).find("is not an address"), std::string::npos) << wrong;
    EXPECT_NE(one_error({"--insecure=maybe"}).find("is neither true nor false"), std::string::npos);
    EXPECT_NE(one_error({"--executor=noop:"}).find("is not one of"), std::string::npos);
}

TEST(configuration, refuses_unknown_flags_and_helps) {
    EXPECT_EQ(one_error({"--admission.queue_max=5"}),
              "--admission.queue_max: there is no such flag or property; did you mean admission.queued_max?");
    EXPECT_EQ(one_error({"--zzzzzzzzzz"}), "--zzzzzzzzzz: there is no such flag or property");
    EXPECT_EQ(one_error({"serve"}), "\"serve\" is not a flag");
    EXPECT_EQ(one_error({"--grace_s"}), "--grace_s: its value is missing");
}

TEST(configuration, warns_of_unknown_variables_only) {
    configuration c(table);
    const std::array<std::string_view, 1> elsewhere{"WEIR_SERVER"};
    c.read_environment(strings{"WEIR_NOPE=1", "WEIR_SERVER=x", "WEIRD=2"}, elsewhere);
    EXPECT_EQ(c.errors(), strings{});
    EXPECT_EQ(c.warnings(), strings{"WEIR_NOPE: there is no such property; the variable is ignored"});
}

strings yaml_errors(const std::string& text) {
    configuration c(table);
    c.read_yaml(text, "f");
    return c.errors();
}

TEST(configuration_file, names_the_line_of_each_mistake) {
    EXPECT_EQ(yaml_errors("grace_s: 1\n\nadmission:\n  queued_max: 5\n  nope: 1\n"),
              strings{"f:5: admission.nope: there is no such property"});
    EXPECT_EQ(yaml_errors("grace_s: 1\ngrace_s: 2\n"), strings{"f:2: grace_s: it is set twice in this file"});
    EXPECT_EQ(yaml_errors("grace_s: 1\nadmission:\n  queued_max: 5000\n"),
              strings{"f:3: admission.queued_max: \"5000\" is above the most allowed, 1000 executions"});
    EXPECT_EQ(yaml_errors("grace_s: [1, 2]\n"), strings{"f:1: grace_s: its value must be one word or number"});
    EXPECT_EQ(yaml_errors("- a\n"), strings{"f:1: a configuration is a map of properties"});
    ASSERT_EQ(yaml_errors("a: [\n").size(), 1U);
    EXPECT_NE(yaml_errors("a: [\n")[0].find("not valid YAML"), std::string::npos);
    EXPECT_EQ(yaml_errors("? [a]\n: 1\n"), strings{"f:1: a key must be a plain word"});
}

TEST(configuration_file, may_be_empty_or_have_empty_sections) {
    EXPECT_EQ(yaml_errors(""), strings{});
    EXPECT_EQ(yaml_errors("# nothing\nadmission:\nlog: {}\n"), strings{});
    EXPECT_EQ(yaml_errors("admission.queued_max: 5\n"), strings{});
}

TEST(configuration_file, is_bounded) {
    // Ten aliases of ten aliases … of a small map: a billion nodes in a few hundred bytes.
    std::string bomb = "a0: &a0 {x: 1}\n";
    for (int i = 1; i <= 9; ++i) {
        bomb += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " {";
        for (int j = 0; j < 10; ++j) {
            const std::string key = "k" + std::to_string(j);
            bomb.append(key).append(": *a").append(std::to_string(i - 1)).append(", ");
        }
        bomb += "}\n";
    }
    const strings errors = yaml_errors(bomb);
    EXPECT_LT(errors.size(), 20'000U);
    EXPECT_NE(errors.back().find("larger or deeper"), std::string::npos);
    std::string deep;
    for (int i = 0; i < 20; ++i) deep += "{a: ";
    deep += "1" + std::string(20, '}');
    EXPECT_NE(yaml_errors(deep).back().find("larger or deeper"), std::string::npos);
}

TEST(configuration, makes_a_table_for_the_pages) {
    const std::string page = configuration::markdown_table(table);
    EXPECT_NE(page.find("| `grace_s` | duration, s | `5` | 0 to 60 | How long. | yes |\n"), std::string::npos);
    EXPECT_NE(page.find("| `executor` | text | `sandbox` | sandbox, noop, noop:… | Which. | yes |\n"),
              std::string::npos);
    EXPECT_NE(page.find("Whether. Flag: `--no-auth`."), std::string::npos);
}

TEST(configuration_death, refuses_a_name_nobody_declared) {
    const configuration c(table);
    EXPECT_DEATH(static_cast<void>(c.integer("nope")), "");
    EXPECT_DEATH(static_cast<void>(c.integer("executor")), "");
}

}  // namespace
}  // namespace runtime
