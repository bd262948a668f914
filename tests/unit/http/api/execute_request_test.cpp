#include "http/api/execute_request.hpp"

#include <gtest/gtest.h>

#include "runtime/base/encoding.hpp"

namespace http::api {
namespace {

pipeline::operator_limits operator_limits() {
    pipeline::operator_limits out;
    out.runtimes.push_back({"python", {"3.11", "3.9"}, "py", ""});
    out.runtimes.push_back({"bash", {"5.2"}, "sh", ""});
    return out;
}

struct answer {
    std::optional<problem> wrong;
    pipeline::script_request request;
    // "pointer code" of each error.
    [[nodiscard]] std::vector<std::string> errors() const {
        std::vector<std::string> out;
        if (wrong)
            for (const auto& one : wrong->errors) out.push_back(one.pointer + " " + one.code);
        return out;
    }
};

answer read(std::string body, const pipeline::operator_limits& limits = operator_limits()) {
    execute_reader reader(32, 32);
    answer out;
    out.wrong = reader.read(body, limits, out.request);
    return out;
}

using errors = std::vector<std::string>;

TEST(execute_request, fills_in_the_defaults) {
    const auto out = read(R"json({"script": "print(1)"})json");
    ASSERT_FALSE(out.wrong);
    EXPECT_EQ(out.request.script, "print(1)");
    EXPECT_EQ(out.request.lang, "python");
    EXPECT_EQ(out.request.lang_version, "3.11");
    EXPECT_EQ(out.request.priority, pipeline::priority::normal);
    EXPECT_EQ(out.request.limits.wall_ms, 300'000U);
    EXPECT_EQ(out.request.retry.attempts_max, 3U);
    EXPECT_EQ(out.request.retry.on, std::vector{pipeline::error_type::infrastructure});
}

TEST(execute_request, takes_every_field) {
    const auto out =
        read(R"({"script": "x\u00e4\ud83d\ude00", "lang": "python", "lang_version": "3.9", "args": ["a", ""],
        "stdin": {"base64": "AAEC"}, "priority": "high", "labels": {"k": "v"},
        "limits": {"wall_ms": 1, "cpu_ms": 2, "memory_bytes": 3, "processes": 4, "output_bytes": 5, "disk_bytes": 6,
                   "on_output_limit": "kill"},
        "retry": {"max_attempts": 10, "on": ["exit_code", "infrastructure", "exit_code"], "backoff_ms": 0}})");
    ASSERT_FALSE(out.wrong);
    EXPECT_EQ(out.request.script, "x\xc3\xa4\xf0\x9f\x98\x80");
    EXPECT_EQ(out.request.lang_version, "3.9");
    EXPECT_EQ(out.request.args, (std::vector<std::string>{"a", ""}));
    EXPECT_EQ(out.request.standard_input, std::string("\0\1\2", 3));
    EXPECT_EQ(out.request.priority, pipeline::priority::high);
    EXPECT_EQ(out.request.labels.at("k"), "v");
    EXPECT_EQ(out.request.limits.disk_bytes, 6U);
    EXPECT_TRUE(out.request.limits.kill_on_output_limit);
    EXPECT_EQ(out.request.retry.attempts_max, 10U);
    EXPECT_EQ(out.request.retry.on.size(), 2U);
}

TEST(execute_request, tells_malformed_json) {
    for (const std::string body :
         {"", " ", "{", "{\"script\": 1,}", "{'script': 1}", "{\"script\": \"\xff\"}", "{\"script\": \"\\ud800\"}",
          "nul", "{\"script\": \"a\nb\"}", "{} {}", "{\"script\": 01}", "[1,]", "{\"a\" 1}", "\xef\xbb\xbf{}",
          "{\"a\": NaN}", "{\"script\": \"x\", \"n\": 123456789012345678901234567890}"}) {
        const auto out = read(body);
        ASSERT_TRUE(out.wrong) << body;
        EXPECT_EQ(out.wrong->kind->code, "malformed_json") << body;
    }
    EXPECT_EQ(read(std::string(100'000, '[')).wrong->kind->code, "malformed_json");
    EXPECT_EQ(read("{\"script\": " + std::string(40, '[') + std::string(40, ']') + "}").wrong->kind->code,
              "malformed_json");
}

TEST(execute_request, refuses_what_is_no_object) {
    EXPECT_EQ(read("[]").errors(), errors{" wrong_type"});
    EXPECT_EQ(read("\"x\"").errors(), errors{" wrong_type"});
    EXPECT_EQ(read("null").errors(), errors{" wrong_type"});
}

TEST(execute_request, collects_every_error) {
    const auto out =
        read(R"({"lang": 1, "args": [1, "ok", null], "priority": "urgent", "limits": {"wall_ms": 0, "x": 1},
        "retry": {"max_attempts": 11, "on": ["sometimes"]}, "labels": {"k": 1}, "stdin": [], "a/b~c": 1})");
    ASSERT_TRUE(out.wrong);
    EXPECT_EQ(out.wrong->kind->code, "invalid");
    EXPECT_EQ(out.wrong->kind->status, 422);
    EXPECT_EQ(out.errors(),
              (errors{"/lang wrong_type", "/args/0 wrong_type", "/args/2 wrong_type", "/priority unknown_value",
                      "/limits/wall_ms below_minimum", "/limits/x unknown_field", "/retry/max_attempts above_maximum",
                      "/retry/on/0 unknown_value", "/labels/k wrong_type", "/stdin wrong_type",
                      "/a~1b~0c unknown_field", "/script required"}));
}

TEST(execute_request, finds_duplicates_at_every_level) {
    EXPECT_EQ(read(R"({"script": "a", "script": "b", "script": "c"})").errors(), errors{"/script duplicate_member"});
    EXPECT_EQ(read(R"({"script": "a", "limits": {"wall_ms": 1, "wall_ms": 1}})").errors(),
              errors{"/limits/wall_ms duplicate_member"});
    EXPECT_EQ(read(R"({"script": "a", "retry": {"on": [], "on": []}})").errors(), errors{"/retry/on duplicate_member"});
    EXPECT_EQ(read(R"({"script": "a", "labels": {"k": "1", "\u006b": "2"}})").errors(),
              errors{"/labels/k duplicate_member"});
    EXPECT_EQ(read(R"({"script": "a", "stdin": {"base64": "", "base64": ""}})").errors(),
              errors{"/stdin/base64 duplicate_member"});
}

TEST(execute_request, counts_the_script_in_characters) {
    const auto script = [](std::size_t count, const std::string& one) {
        std::string out = "{\"script\": \"";
        for (std::size_t i = 0; i < count; ++i) out += one;
        return out + "\"}";
    };
    EXPECT_FALSE(read(script(50'000, "a")).wrong);
    EXPECT_FALSE(read(script(50'000, "\xf0\x9f\x98\x80")).wrong);
    EXPECT_EQ(read(script(50'001, "a")).errors(), errors{"/script too_long"});
    EXPECT_EQ(read(script(50'001, "\xc3\xa4")).errors(), errors{"/script too_long"});
    EXPECT_EQ(read(script(0, "")).errors(), errors{"/script too_short"});
}

TEST(execute_request, bounds_arguments_input_and_labels) {
    const auto list = [](std::size_t count, const std::string& one) {
        std::string out;
        for (std::size_t i = 0; i < count; ++i) out += (i == 0 ? "" : ",") + one;
        return out;
    };
    EXPECT_FALSE(read("{\"script\": \"x\", \"args\": [" + list(64, "\"a\"") + "]}").wrong);
    EXPECT_EQ(read("{\"script\": \"x\", \"args\": [" + list(65, "\"a\"") + "]}").errors(), errors{"/args too_many"});
    EXPECT_FALSE(read("{\"script\": \"x\", \"args\": [\"" + std::string(4096, 'a') + "\"]}").wrong);
    EXPECT_EQ(read("{\"script\": \"x\", \"args\": [\"" + std::string(4097, 'a') + "\"]}").errors(),
              errors{"/args/0 too_long"});
    EXPECT_EQ(read(R"({"script": "x", "args": ["a\u0000b"]})").errors(), errors{"/args/0 invalid_character"});

    const std::string mebibyte(1U << 20, 'a');
    EXPECT_FALSE(read("{\"script\": \"x\", \"stdin\": \"" + mebibyte + "\"}").wrong);
    EXPECT_EQ(read("{\"script\": \"x\", \"stdin\": \"" + mebibyte + "a\"}").errors(), errors{"/stdin too_long"});
    EXPECT_EQ(read("{\"script\": \"x\", \"stdin\": {\"base64\": \"" + runtime::base64_encode(mebibyte + "a") + "\"}}")
                  .errors(),
              errors{"/stdin/base64 too_long"});
    EXPECT_EQ(read(R"({"script": "x", "stdin": {"base64": "A"}})").errors(), errors{"/stdin/base64 invalid_base64"});
    EXPECT_EQ(read(R"({"script": "x", "stdin": {"hex": "00"}})").errors(),
              (errors{"/stdin/hex unknown_field", "/stdin/base64 required"}));

    std::string labels;
    for (int i = 0; i < 17; ++i) labels += (i == 0 ? "" : ",") + ("\"k" + std::to_string(i) + "\":\"\"");
    EXPECT_EQ(read("{\"script\": \"x\", \"labels\": {" + labels + "}}").errors(), errors{"/labels too_many"});
    EXPECT_EQ(read("{\"script\": \"x\", \"labels\": {\"" + std::string(65, 'k') + "\": \"\"}}").wrong->errors[0].code,
              "too_long");
    EXPECT_EQ(read("{\"script\": \"x\", \"labels\": {\"k\": \"" + std::string(257, 'v') + "\"}}").errors(),
              errors{"/labels/k too_long"});
    EXPECT_EQ(read(R"({"script": "x", "labels": {"": "v"}})").errors(), errors{"/labels/ too_short"});
}

TEST(execute_request, names_the_operators_maximum) {
    const auto out = read(R"({"script": "x", "limits": {"wall_ms": 3600001, "memory_bytes": 18446744073709551615}})");
    EXPECT_EQ(out.errors(), (errors{"/limits/wall_ms above_maximum", "/limits/memory_bytes above_maximum"}));
    EXPECT_NE(out.wrong->errors[0].detail.find("3600000"), std::string::npos);
    EXPECT_EQ(out.wrong->limit, "limits.wall_ms_max");
    EXPECT_EQ(out.wrong->limit_value, 3'600'000U);
    EXPECT_FALSE(read(R"({"script": "x", "limits": {"wall_ms": 3600000}})").wrong);
    EXPECT_EQ(read(R"({"script": "x", "limits": {"wall_ms": -1}})").errors(), errors{"/limits/wall_ms below_minimum"});
    EXPECT_EQ(read(R"({"script": "x", "limits": {"wall_ms": 1.5}})").errors(), errors{"/limits/wall_ms wrong_type"});
    EXPECT_EQ(read(R"({"script": "x", "limits": {"wall_ms": "1"}})").errors(), errors{"/limits/wall_ms wrong_type"});
}

TEST(execute_request, checks_language_and_version) {
    EXPECT_EQ(read(R"({"script": "x", "lang": "cobol"})").errors(), errors{"/lang unknown_value"});
    EXPECT_EQ(read(R"({"script": "x", "lang": "cobol", "lang_version": "85"})").errors(),
              errors{"/lang unknown_value"});
    EXPECT_EQ(read(R"({"script": "x", "lang_version": "2.7"})").errors(), errors{"/lang_version unknown_value"});
    EXPECT_EQ(read(R"({"script": "x", "lang": "bash", "lang_version": ""})").errors(),
              errors{"/lang_version unknown_value"});
    EXPECT_EQ(read(R"({"script": "x", "lang": "bash"})").request.lang_version, "5.2");
    auto any = operator_limits();
    any.any_runtime = true;
    EXPECT_FALSE(read(R"({"script": "x", "lang": "cobol", "lang_version": "85"})", any).wrong);
    EXPECT_FALSE(read(R"({"script": "x", "lang": "bash", "lang_version": "1"})", any).wrong);
    EXPECT_TRUE(read("{\"script\": \"x\", \"lang\": \"" + std::string(65, 'a') + "\"}", any).wrong);
}

TEST(execute_request, takes_files_and_outputs) {
    const auto out = read(R"({"script": "x", "files": [{"path": "a/b", "text": "\u00e4"},
        {"base64": "AAEC", "path": "a/c"}], "outputs": ["o", "a/b"]})");
    ASSERT_FALSE(out.wrong);
    ASSERT_EQ(out.request.files.size(), 2U);
    EXPECT_EQ(out.request.files[0].path, "a/b");
    EXPECT_EQ(out.request.files[0].bytes, "\xc3\xa4");
    EXPECT_EQ(out.request.files[1].bytes, std::string("\0\1\2", 3));
    EXPECT_EQ(out.request.outputs, (std::vector<std::string>{"o", "a/b"}));
}

TEST(execute_request, takes_how_the_program_may_begin) {
    EXPECT_FALSE(read(R"({"script": "x"})").request.cold_start);
    EXPECT_FALSE(read(R"({"script": "x", "isolation": "warm"})").request.cold_start);
    EXPECT_TRUE(read(R"({"script": "x", "isolation": "cold"})").request.cold_start);
    EXPECT_EQ(read(R"({"script": "x", "isolation": "hot"})").errors(), errors{"/isolation unknown_value"});
    EXPECT_EQ(read(R"({"script": "x", "isolation": null})").errors(), errors{"/isolation wrong_type"});
}

TEST(execute_request, names_what_is_wrong_with_files_and_outputs) {
    auto limits = operator_limits();
    limits.runtimes[0].own_files = {"main.py"};
    const auto expect_errors = [&limits](const std::string& fields, const errors& expected) {
        EXPECT_EQ(read(R"({"script": "x", )" + fields + "}", limits).errors(), expected) << fields;
    };
    expect_errors(R"("files": 1)", {"/files wrong_type"});
    expect_errors(R"("files": [1])", {"/files/0 wrong_type"});
    expect_errors(R"("files": [{}])", {"/files/0/path required", "/files/0/text required"});
    expect_errors(R"("files": [{"path": 1, "text": 2}])", {"/files/0/path wrong_type", "/files/0/text wrong_type"});
    expect_errors(R"("files": [{"path": "a", "text": "", "base64": ""}])", {"/files/0 conflict"});
    expect_errors(R"("files": [{"path": "a", "base64": "?"}])", {"/files/0/base64 invalid_base64"});
    expect_errors(R"("files": [{"path": "a", "text": "", "x": 1}])", {"/files/0/x unknown_field"});
    expect_errors(R"("files": [{"path": "a", "path": "b", "text": ""}])", {"/files/0/path duplicate_member"});
    for (const char* path : {"/a", "../a", "a/..", "a//b", "a/", "."})
        expect_errors(R"("files": [{"text": "", "path": ")" + std::string(path) + "\"}]",
                      {"/files/0/path invalid_path"});
    expect_errors(R"("outputs": ["", "a\u0000b"])", {"/outputs/0 too_short", "/outputs/1 invalid_character"});
    expect_errors(R"("outputs": [")" + std::string(256, 'a') + "\"]", {"/outputs/0 too_long"});
    expect_errors(R"("outputs": ["a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a"])", {"/outputs/0 too_deep"});
    expect_errors(R"("outputs": ["a", "a"])", {"/outputs/1 duplicate"});
    expect_errors(R"("outputs": {})", {"/outputs wrong_type"});
    expect_errors(R"("files": [{"path": "main.py", "text": ""}])", {"/files/0/path reserved"});
    expect_errors(R"("files": [{"path": "main.py/x", "text": ""}])", {"/files/0/path conflict"});
    const std::string file = R"({"path": "PATH", "text": ""})";
    const auto both = [&file](std::string one, std::string other) {
        std::string first = file, second = file;
        first.replace(first.find("PATH"), 4, one);
        second.replace(second.find("PATH"), 4, other);
        return "\"files\": [" + first + "," + second + "]";
    };
    expect_errors(both("a", "a"), {"/files/1/path duplicate"});
    expect_errors(both("a", "a/b"), {"/files/1/path conflict"});
    expect_errors(both("a/b", "a"), {"/files/1/path conflict"});
    expect_errors(both("a/b", "a/c"), {});
}

TEST(execute_request, takes_a_network) {
    const auto with = [](const std::string& network) { return read(R"({"script": "x", "network": )" + network + "}"); };
    EXPECT_EQ(with("\"none\"").request.network.mode, pipeline::network_mode::none);
    EXPECT_EQ(with("\"none\"").request.retry.attempts_max, 3U);
    EXPECT_EQ(with("\"open\"").request.network.mode, pipeline::network_mode::open);
    EXPECT_EQ(with("\"open\"").request.retry.attempts_max, 1U) << "what it did outside is done";
    const auto some = with(R"({"allow": ["a.org:443", "*.b.org:*", "[2606::1]:80"]})");
    EXPECT_EQ(some.request.network.mode, pipeline::network_mode::allow);
    EXPECT_EQ(some.request.network.allow.size(), 3U);
    EXPECT_EQ(some.request.retry.attempts_max, 1U);
    EXPECT_EQ(with("\"all\"").errors(), errors{"/network unknown_value"});
    EXPECT_EQ(with("true").errors(), errors{"/network wrong_type"});
    EXPECT_EQ(with("{}").errors(), errors{"/network/allow required"});
    EXPECT_EQ(with(R"({"allow": []})").errors(), errors{"/network/allow too_few"});
    EXPECT_EQ(with(R"({"allow": "a:1"})").errors(), errors{"/network/allow wrong_type"});
    EXPECT_EQ(with(R"({"allow": ["a:1"], "deny": []})").errors(), errors{"/network/deny unknown_field"});
    EXPECT_EQ(with(R"({"allow": ["a:1", "a", 5, "127.1:80", "2130706433:80", "a:0"]})").errors(),
              (errors{"/network/allow/1 bad_host", "/network/allow/2 wrong_type", "/network/allow/3 bad_host",
                      "/network/allow/4 bad_host", "/network/allow/5 bad_host"}));
    std::string many;
    for (std::size_t i = 0; i <= pipeline::network_allow_max; ++i) many += (i > 0 ? "," : "") + std::string("\"a:1\"");
    const auto too_many = with("{\"allow\": [" + many + "]}");
    EXPECT_EQ(too_many.errors(), errors{"/network/allow too_many"});
    EXPECT_EQ(too_many.wrong->limit, "network_allow_max");
}

TEST(execute_request, a_network_is_the_operators_to_give) {
    pipeline::network_policy policy;
    pipeline::principal who;
    who.admin = false;
    auto asked = read(R"({"script": "x", "network": {"allow": ["a.org:443", "b.org:443"]}})").request;
    auto wrong = refused_network(policy, who, asked);
    ASSERT_TRUE(wrong);
    EXPECT_EQ(wrong->kind->status, 403);
    EXPECT_EQ(wrong->kind->code, "network_not_allowed");
    ASSERT_EQ(wrong->errors.size(), 2U);
    EXPECT_EQ(wrong->errors[1].pointer, "/network/allow/1");
    EXPECT_NE(wrong->errors[1].detail.find("network.hosts"), std::string::npos);
    policy.hosts = {*pipeline::parse_host_rule("a.org:*"), *pipeline::parse_host_rule("*:443")};
    EXPECT_FALSE(refused_network(policy, who, asked));
    asked = read(R"({"script": "x", "lang": "bash", "network": "open"})").request;
    wrong = refused_network(policy, who, asked);
    ASSERT_TRUE(wrong);
    EXPECT_EQ(wrong->errors[0].pointer, "/network");
    policy.open = {"bash"};
    EXPECT_FALSE(refused_network(policy, who, asked));
    policy.open = {"admin"};
    EXPECT_TRUE(refused_network(policy, who, asked));
    who.admin = true;
    EXPECT_FALSE(refused_network(policy, who, asked));
    EXPECT_FALSE(refused_network({}, who, read(R"({"script": "x"})").request));
}

TEST(execute_request, files_have_named_bounds) {
    const auto with = [](std::size_t count, const std::string& bytes) {
        std::string body = R"({"script": "x", "files": [)";
        for (std::size_t i = 0; i < count; ++i)
            body += (i > 0 ? "," : "") + std::string(R"({"path": "f)") + std::to_string(i) + R"(", "text": ")" + bytes +
                    "\"}";
        return read(body + "]}");
    };
    EXPECT_FALSE(with(pipeline::files_max, "").wrong);
    const auto many = with(pipeline::files_max + 1, "");
    EXPECT_EQ(many.errors(), errors{"/files too_many"});
    EXPECT_EQ(many.wrong->limit, "files_max");
    EXPECT_FALSE(with(4, std::string(pipeline::files_bytes_max / 4, 'a')).wrong);
    const auto large = with(5, std::string(pipeline::files_bytes_max / 4, 'a'));
    EXPECT_EQ(large.errors(), errors{"/files too_large"});
    EXPECT_EQ(large.wrong->limit, "files_bytes_max");
    EXPECT_EQ(large.wrong->limit_value, pipeline::files_bytes_max);
}

TEST(execute_request, bounds_what_it_tells) {
    std::string many = "{\"script\": \"x\"";
    for (int i = 0; i < 100; ++i) many += ", \"u" + std::to_string(i) + "\": 1";
    const auto out = read(many + "}");
    EXPECT_EQ(out.wrong->errors.size(), 32U);
    EXPECT_NE(out.wrong->detail.find("100 fields"), std::string::npos);
    for (int i = 100; i < 400; ++i) many += ", \"u" + std::to_string(i) + "\": 1";
    EXPECT_EQ(read(many + "}").errors(), errors{" too_many"});
    EXPECT_LT(read("{\"" + std::string(100'000, 'a') + "\": 1}").wrong->errors[0].pointer.size(), 300U);
}

TEST(execute_request, reads_on_after_a_large_body) {
    execute_reader reader(32, 32);
    const auto limits = operator_limits();
    for (int i = 0; i < 3; ++i) {
        pipeline::script_request request;
        std::string large = "{\"script\": \"x\", \"nothing\": \"" + std::string(3U << 20, 'a') + "\"}";
        EXPECT_TRUE(reader.read(large, limits, request));
        pipeline::script_request again;
        std::string small = R"({"script": "y"})";
        EXPECT_FALSE(reader.read(small, limits, again));
        EXPECT_EQ(again.script, "y");
    }
}

}  // namespace
}  // namespace http::api
