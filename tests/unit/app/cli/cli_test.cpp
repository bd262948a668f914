// Whole commands against a server that does what each test says.
#include "app/cli/cli.hpp"

#include <gtest/gtest.h>

#include <fstream>

#include "tests/support/temporary_directory.hpp"
#include "tests/unit/app/cli/captured_output.hpp"
#include "tests/unit/http/client/scripted_server.hpp"

namespace app::cli {
namespace {

using http::client::scripted_connection;
using http::client::scripted_server;
using strings = std::vector<std::string>;

constexpr const char* id = "0192f3c1-7a50-7c1e-9d3f-2b8a6c4e0f17";

std::string answer(const std::string& status, const std::string& body) {
    return "HTTP/1.1 " + status +
           "\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: " + std::to_string(body.size()) +
           "\r\n\r\n" + body;
}

std::string stream(const std::string& events) {
    return "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n" + events;
}

std::string event(int seq, const std::string& type, const std::string& rest) {
    const std::string number = std::to_string(seq);
    return "id: " + number + "\nevent: " + type + "\ndata: {\"seq\":" + number + ",\"event_type\":\"" + type + "\"" +
           rest + "}\n\n";
}

std::string text_event(int seq, int offset, const std::string& text) {
    return event(seq, "execution_output",
                 ",\"stream\":\"stdout\",\"offset\":" + std::to_string(offset) + ",\"text\":\"" + text + "\"");
}

std::string failed_event(int seq) {
    return event(seq, "execution_failed", ",\"status\":\"failed\",\"error_type\":\"exit_code\",\"exit_code\":9");
}

const std::string accepted =
    answer("202 Accepted", std::string("{\"execution_id\":\"") + id + "\",\"status\":\"queued\"}");

struct ended {
    int code = -1;
    std::string out;
    std::string error;
};

ended run(const scripted_server& server, strings arguments) {
    arguments.insert(arguments.begin(), {"--server", server.address(), "--color", "never"});
    captured_output captured;
    ended got;
    got.code = run_command_line(arguments);
    got.out = captured.out();
    got.error = captured.error();
    return got;
}

std::string program() {
    static const tests::temporary_directory folder;
    const std::string path = folder.path() + "/program.py";
    std::ofstream(path) << "print()\n";
    return path;
}

// Answers one request and keeps it.
scripted_server::script answers(const std::string& bytes, strings* asked = nullptr) {
    return [bytes, asked](scripted_connection& c) {
        const std::string request = c.read_request();
        if (asked != nullptr) asked->push_back(request);
        c.write(bytes);
    };
}

TEST(weir_run, shows_the_output_over_lost_streams_and_ends_with_the_programs_code) {
    strings asked;
    scripted_server server(
        {answers(accepted, &asked),
         answers(stream(event(1, "a", "") + text_event(2, 0, "one\\n") + "id: 3\ndata: {\"se"), &asked),
         answers("", &asked), answers(stream(text_event(3, 4, "two\\n") + failed_event(4)), &asked)});
    const ended got = run(server, {"run", program(), "--label", "a=b", "--", "-x"});
    server.join();
    EXPECT_EQ(got.code, 9);
    EXPECT_EQ(got.out, "one\ntwo\n");
    EXPECT_EQ(got.error, std::string("weir: failed (exit_code), exit code 9, wall unknown, CPU unknown, "
                                     "peak memory unknown (") +
                             id + ")\n");
    EXPECT_EQ(asked[0].substr(0, 23), "POST /api/v1/execute HT");
    EXPECT_NE(asked[0].find("Idempotency-Key: weir-run-"), std::string::npos);
    EXPECT_NE(asked[0].find("\"args\":[\"-x\"]"), std::string::npos);
    EXPECT_EQ(asked[1].find("Last-Event-ID"), std::string::npos);
    EXPECT_NE(asked[3].find("Last-Event-ID: 2\r\n"), std::string::npos);
}

TEST(weir_run, posts_again_when_the_answer_was_lost) {
    strings asked;
    scripted_server server({answers("", &asked), answers("HTTP/1.1 202", &asked), answers(accepted, &asked)});
    const ended got = run(server, {"run", program(), "-d"});
    server.join();
    EXPECT_EQ(got.code, 0);
    EXPECT_EQ(got.out, std::string(id) + "\n");
    EXPECT_EQ(got.error, "");
    ASSERT_EQ(asked.size(), 3U);
    EXPECT_EQ(asked[0], asked[2]) << "the same key, so that it runs once";
}

TEST(weir_run, as_json_gives_the_result_alone) {
    const std::string result = "{\"execution_id\":\"x\",\"stdout\":\"hi\"}";
    scripted_server server({answers(accepted), answers(stream(text_event(1, 0, "hi") + failed_event(2))),
                            answers(answer("200 OK", result))});
    const ended got = run(server, {"run", program(), "-o", "json"});
    EXPECT_EQ(got.code, 9);
    EXPECT_EQ(got.out, result + "\n");
}

struct refusal {
    const char* status;
    const char* code;
    int exit_code;
};

TEST(weir, maps_refusals_to_exit_codes) {
    for (const refusal& one :
         {refusal{"404 Not Found", "not_found", 3}, refusal{"403 Forbidden", "not_allowed", 4},
          refusal{"401 Unauthorized", "unauthenticated", 4}, refusal{"409 Conflict", "already_finished", 5},
          refusal{"422 Unprocessable", "idempotency_key_reused", 5}, refusal{"422 Unprocessable", "invalid", 2},
          refusal{"400 Bad Request", "bad_query", 2}, refusal{"413 Too Large", "body_too_large", 2},
          refusal{"429 Too Many", "limited", 6}, refusal{"503 Unavailable", "overloaded", 6},
          refusal{"507 Full", "no_space", 6}, refusal{"503 Unavailable", "draining", 7},
          refusal{"500 Oops", "internal", 1}}) {
        const std::string problem = std::string("{\"code\":\"") + one.code +
                                    "\",\"title\":\"T\",\"detail\":\"what\\u001b[2J\",\"limit\":\"a.b_max\",\"errors\":"
                                    "[{\"pointer\":\"/x\",\"code\":\"c\",\"detail\":\"why\"}]}";
        scripted_server server({answers(answer(one.status, problem)), answers(answer(one.status, problem))});
        const ended text = run(server, {"show", id});
        EXPECT_EQ(text.code, one.exit_code) << one.code;
        EXPECT_EQ(text.out, "");
        EXPECT_NE(text.error.find(std::string("weir: what [2J (") + one.code + ")\n  limit: a.b_max\n  /x: why\n"),
                  std::string::npos)
            << text.error;
        EXPECT_EQ(run(server, {"show", id, "-o", "json"}).error, problem + "\n");
    }
}

TEST(weir, says_that_nobody_is_there) {
    scripted_server server(std::vector<scripted_server::script>{});
    server.join();
    for (const strings& command : {strings{"run", program()}, strings{"logs", id}, strings{"show", id}, strings{"list"},
                                   strings{"cancel", id}, strings{"admin", "stuck"}}) {
        const ended got = run(server, command);
        EXPECT_EQ(got.code, 7);
        EXPECT_NE(got.error.find(server.address()), std::string::npos);
    }
}

TEST(weir, does_not_take_garbage_for_an_answer) {
    scripted_server server({answers("garbage\r\n\r\n"), answers("garbage\r\n\r\n"), answers("garbage\r\n\r\n"),
                            answers("garbage\r\n\r\n"), answers("garbage\r\n\r\n"), answers(answer("200 OK", "[1]")),
                            answers(answer("200 OK", "<html>")), answers(answer("502 Bad Gateway", "<html>"))});
    EXPECT_EQ(run(server, {"show", id}).code, 7);
    EXPECT_EQ(run(server, {"show", id}).code, 1);
    EXPECT_EQ(run(server, {"list"}).code, 1);
    EXPECT_EQ(run(server, {"list"}).code, 1);
}

TEST(weir, never_makes_a_path_of_what_is_no_id) {
    scripted_server server(std::vector<scripted_server::script>{});
    for (const auto* wrong : {"x", "../admin/stuck", "0192F3C1-7a50-7c1e-9d3f-2b8a6c4e0f17", ""}) {
        EXPECT_EQ(run(server, {"show", wrong}).code, 3) << wrong;
        EXPECT_EQ(run(server, {"cancel", wrong}).code, 3) << wrong;
        EXPECT_EQ(run(server, {"logs", wrong}).code, 3) << wrong;
    }
}

std::string item(int number, const std::string& status) {
    return "{\"execution_id\":\"id" + std::to_string(number) + "\",\"status\":\"" + status +
           "\",\"lang\":\"python\",\"priority\":\"normal\",\"labels\":{\"k\":\"\\u001b\"},\"created_at\":"
           "\"2026-11-21T03:04:05.000006Z\",\"started_at\":null}";
}

TEST(weir_list, goes_on_over_short_pages) {
    strings asked;
    scripted_server server(
        {answers(answer("200 OK", "{\"items\":[" + item(1, "failed") + "],\"next_cursor\":\"c/1\"}"), &asked),
         answers(answer("200 OK", "{\"items\":[],\"next_cursor\":\"c2\"}"), &asked),
         answers(answer("200 OK", "{\"items\":[" + item(2, "queued") + "],\"next_cursor\":null}"), &asked),
         answers(answer("200 OK", "{\"items\":[" + item(3, "queued") + "],\"next_cursor\":\"c\\\"3\"}"), &asked)});
    const ended got = run(server, {"list", "--status", "failed", "--label", "a b=c", "--limit", "2"});
    EXPECT_EQ(got.code, 0);
    EXPECT_EQ(got.out,
              "ID   STATUS  LANG    PRIORITY  CREATED (UTC)        DURATION  LABELS\n"
              "id1  failed  python  normal    2026-11-21 03:04:05  -         k= \n"
              "id2  queued  python  normal    2026-11-21 03:04:05  -         k= \n");
    const ended json = run(server, {"list", "--limit", "1", "-o", "json"});
    EXPECT_EQ(json.out, "{\"items\":[" + item(3, "queued") + "],\"next_cursor\":\"c\\\"3\"}\n");
    server.join();
    EXPECT_NE(asked[0].find("?limit=2&status=failed&label=a%20b%3Ac "), std::string::npos);
    EXPECT_NE(asked[1].find("?limit=1&status=failed&label=a%20b%3Ac&cursor=c%2F1 "), std::string::npos);
}

std::string execution(const std::string& status, int last_event) {
    return answer("200 OK", std::string("{\"execution_id\":\"") + id + "\",\"status\":\"" + status +
                                "\",\"last_event\":" + std::to_string(last_event) + "}");
}

TEST(weir_logs, prints_what_there_is_and_follows_when_asked) {
    strings asked;
    const std::string unfinished = event(1, "a", "") + text_event(2, 0, "so far");
    scripted_server server({answers(execution("running", 2)), answers(stream(unfinished)),
                            answers(execution("running", 2)), answers(stream(unfinished)),
                            answers(stream(text_event(3, 6, "!") + failed_event(4)), &asked),
                            answers(execution("running", 2))});
    const ended now = run(server, {"logs", id});
    EXPECT_EQ(now.code, 0);
    EXPECT_EQ(now.out, "so far");
    EXPECT_EQ(now.error, "");
    const ended followed = run(server, {"logs", "-f", id});
    EXPECT_EQ(followed.code, 0) << followed.error;
    EXPECT_EQ(followed.out, "so far!");
    EXPECT_NE(followed.error.find("failed"), std::string::npos);
    EXPECT_EQ(run(server, {"logs", id, "--after", "2"}).out, "");
    server.join();
    EXPECT_NE(asked[0].find("Last-Event-ID: 2\r\n"), std::string::npos);
}

TEST(weir_logs, as_json_are_the_events_themselves) {
    const std::string end = failed_event(2);
    scripted_server server({answers(execution("failed", 2)), answers(stream(text_event(1, 0, "x") + end))});
    const ended got = run(server, {"logs", id, "-o", "json"});
    EXPECT_EQ(got.out,
              "{\"seq\":1,\"event_type\":\"execution_output\",\"stream\":\"stdout\",\"offset\":0,\"text\":\"x\"}\n"
              "{\"seq\":2,\"event_type\":\"execution_failed\",\"status\":\"failed\",\"error_type\":\"exit_code\","
              "\"exit_code\":9}\n");
}

TEST(weir_show, tells_the_verdict) {
    strings asked;
    scripted_server server({answers(execution("failed", 7)), answers(stream(failed_event(7)), &asked)});
    const ended got = run(server, {"show", id});
    EXPECT_EQ(got.code, 0);
    EXPECT_NE(got.out.find("verdict     failed (exit_code), exit code 9"), std::string::npos) << got.out;
    server.join();
    EXPECT_NE(asked[0].find("Last-Event-ID: 6\r\n"), std::string::npos);
}

TEST(weir_cancel, asks_for_all_and_ends_with_the_first_refusal) {
    const std::string done = "{\"execution_id\":\"x\",\"status\":\"cancellation_requested\"}";
    scripted_server server({answers(answer("409 Conflict", "{\"code\":\"already_finished\",\"detail\":\"over\"}")),
                            answers(answer("202 Accepted", done))});
    const ended got = run(server, {"cancel", id, id});
    EXPECT_EQ(got.code, 5);
    EXPECT_EQ(got.out, std::string(id) + " cancellation requested\n");
    EXPECT_NE(got.error.find(std::string(id) + ": over (already_finished)"), std::string::npos);
}

TEST(weir_admin_stuck, is_1_when_something_is) {
    const std::string one = "{\"items\":[{\"execution_id\":\"i\",\"status\":\"running\",\"why\":\"no timer\"}]}";
    scripted_server server(
        {answers(answer("200 OK", "{\"items\":[]}")), answers(answer("200 OK", one)), answers(answer("200 OK", one))});
    EXPECT_EQ(run(server, {"admin", "stuck"}).code, 0);
    const ended text = run(server, {"admin", "stuck"});
    EXPECT_EQ(text.code, 1);
    EXPECT_EQ(text.out, "ID  STATUS   WHY\ni   running  no timer\n");
    EXPECT_EQ(run(server, {"admin", "stuck", "-o", "json"}).out, one + "\n");
}

TEST(weir_log_verify, wants_a_log) {
    scripted_server server(std::vector<scripted_server::script>{});
    const ended got = run(server, {"log", "verify", testing::TempDir() + "/nothing-here"});
    EXPECT_EQ(got.code, 1);
    EXPECT_NE(got.error.find("there is no log"), std::string::npos) << got.error;
}

}  // namespace
}  // namespace app::cli
