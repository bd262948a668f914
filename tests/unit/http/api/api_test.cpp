// The routes over real sockets and two shards.
#include <gtest/gtest.h>

#include <thread>

#include "http/api/render.hpp"
#include "runtime/base/encoding.hpp"
#include "tests/unit/http/support/running_server.hpp"

namespace http::testing {
namespace {

const std::string no_such_id = "01890000-0000-7000-8000-000000000000";

std::string body_of(std::string_view script) { return "{\"script\": \"" + std::string(script) + "\"}"; }

TEST(api, accepts_and_tells_what_it_knows) {
    running_server server;
    auto client = server.connect();
    const auto accepted = client.ask(post("/api/v1/execute", R"({"script": "echo hi\n", "labels": {"k": "v"}})"));
    ASSERT_EQ(accepted.status, 202);
    const auto id = member(accepted.body, "execution_id");
    EXPECT_EQ(accepted.field("location"), "/api/v1/executions/" + id);
    EXPECT_EQ(accepted.body, "{\"execution_id\":\"" + id + "\",\"status\":\"queued\"}");
    EXPECT_FALSE(accepted.fields.contains("idempotent-replayed"));

    const auto view = client.ask(get("/api/v1/executions/" + id));
    EXPECT_EQ(view.status, 200);
    EXPECT_EQ(view.field("content-type"), "application/json");
    EXPECT_EQ(member(view.body, "status"), "completed");
    EXPECT_NE(view.body.find("\"labels\":{\"k\":\"v\"}"), std::string::npos);
    EXPECT_EQ(member(view.body, "queue_position"), "null");

    const auto result = client.ask(get("/api/v1/executions/" + id + "/result"));
    EXPECT_EQ(result.status, 200);
    EXPECT_EQ(
        result.body,
        "{\"execution_id\":\"" + id +
            "\",\"status\":\"completed\",\"exit_code\":0,\"signal\":null,\"error_type\":null,\"error_message\":null,"
            "\"stdout\":\"hi\\n\",\"stderr\":\"\",\"stdout_encoding\":\"utf-8\",\"stderr_encoding\":\"utf-8\","
            "\"stdout_truncated\":false,\"stderr_truncated\":false,\"resource_usage\":{\"execution_time_wall_seconds\":"
            "1.5,"
            "\"cpu_time_seconds\":0.25,\"cpu_time_jiffies\":25,\"clk_tck_hertz\":100,\"peak_memory_kb\":null,"
            "\"peak_processes\":null,\"output_bytes\":0},\"isolation\":null,\"network\":null,\"artifacts\":[],\"lang\":"
            "\"python\","
            "\"lang_version\":\"3.11\",\"priority\":"
            "\"normal\"}");
}

TEST(api, waits_for_a_result_if_asked_to) {
    running_server server;
    auto client = server.connect();
    const auto met = client.ask(post("/api/v1/execute", body_of("echo hi"), "Prefer: wait=5\r\n"));
    EXPECT_EQ(met.status, 200);
    EXPECT_EQ(met.field("preference-applied"), "wait");
    EXPECT_EQ(member(met.body, "stdout"), "hi");
    const auto begin = std::chrono::steady_clock::now();
    const auto unmet = client.ask(post("/api/v1/execute", body_of("hold"), "Prefer: respond-async, wait=1\r\n"));
    EXPECT_EQ(unmet.status, 202);
    EXPECT_GE(std::chrono::steady_clock::now() - begin, std::chrono::milliseconds(990));
    EXPECT_FALSE(unmet.fields.contains("preference-applied"));
    client.send(
        post("/api/v1/execute", body_of("hold"), "Prefer: wait=60\r\nX-Request-Id: w\r\nIdempotency-Key: w\r\n"));
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    const auto again = server.connect().ask(post("/api/v1/execute", body_of("hold"), "Idempotency-Key: w\r\n"));
    server.conclude(member(again.body, "execution_id"));
    const auto later = client.answer();
    EXPECT_EQ(later.status, 200);
    EXPECT_EQ(later.field("x-request-id"), "w");
}

TEST(api, binds_an_idempotency_key_to_one_execution) {
    running_server server;
    auto client = server.connect();
    const auto first = client.ask(post("/api/v1/execute", body_of("echo 1"), "Idempotency-Key: \"a key!\"\r\n"));
    // A space is not visible.
    EXPECT_EQ(first.status, 400);
    const auto made = client.ask(post("/api/v1/execute", body_of("echo 1"), "Idempotency-Key: \"key-1\"\r\n"));
    ASSERT_EQ(made.status, 202);
    EXPECT_FALSE(made.fields.contains("idempotent-replayed"));
    const auto again = client.ask(post("/api/v1/execute", body_of("echo 1"), "Idempotency-Key: key-1\r\n"));
    EXPECT_EQ(again.status, 202);
    EXPECT_EQ(again.field("idempotent-replayed"), "true");
    EXPECT_EQ(member(again.body, "execution_id"), member(made.body, "execution_id"));
    EXPECT_EQ(member(again.body, "status"), "completed");
    const auto waited =
        client.ask(post("/api/v1/execute", body_of("echo 1"), "Idempotency-Key: key-1\r\nPrefer: wait=1\r\n"));
    EXPECT_EQ(waited.status, 200);
    EXPECT_EQ(waited.field("idempotent-replayed"), "true");
    EXPECT_EQ(waited.field("preference-applied"), "wait");
    const auto other = client.ask(post("/api/v1/execute", body_of("echo 2"), "Idempotency-Key: key-1\r\n"));
    EXPECT_EQ(other.status, 422);
    EXPECT_EQ(member(other.body, "code"), "idempotency_key_reused");
    for (const std::string& bad : std::vector<std::string>{"", "\"\"", "a b", "\xc3\xa4", std::string(256, 'k')})
        EXPECT_EQ(client.ask(post("/api/v1/execute", body_of("x"), "Idempotency-Key: " + bad + "\r\n")).status, 400)
            << bad;
    EXPECT_EQ(
        client.ask(post("/api/v1/execute", body_of("x"), "Idempotency-Key: " + std::string(255, 'k') + "\r\n")).status,
        202);
    EXPECT_EQ(client.ask(post("/api/v1/execute", body_of("x"), "Idempotency-Key: a\r\nIdempotency-Key: a\r\n")).status,
              400);
}

TEST(api, tells_why_it_does_not_accept) {
    running_server server;
    auto client = server.connect();
    const auto limited = client.ask(post("/api/v1/execute", body_of("refuse limited")));
    EXPECT_EQ(limited.status, 429);
    EXPECT_EQ(limited.field("retry-after"), "7");
    EXPECT_EQ(member(limited.body, "limit"), "admission.queued_max");
    EXPECT_EQ(member(limited.body, "limit_value"), "100");
    EXPECT_EQ(member(limited.body, "retryable"), "true");
    EXPECT_EQ(client.ask(post("/api/v1/execute", body_of("refuse overloaded"))).status, 503);
    EXPECT_EQ(client.ask(post("/api/v1/execute", body_of("refuse no_space"))).status, 507);
    const auto failed = client.ask(post("/api/v1/execute", body_of("refuse storage_failed")));
    EXPECT_EQ(failed.status, 503);
    EXPECT_EQ(failed.field("retry-after"), "1");
}

TEST(api, takes_json_alone) {
    running_server server;
    auto client = server.connect();
    const auto with_type = [&](const std::string& fields) {
        const auto body = body_of("x");
        return client.ask("POST /api/v1/execute HTTP/1.1\r\nHost: a\r\n" + fields +
                          "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body);
    };
    EXPECT_EQ(with_type("").status, 415);
    EXPECT_EQ(with_type("Content-Type: text/plain\r\n").status, 415);
    EXPECT_EQ(with_type("Content-Type: application/json2\r\n").status, 415);
    EXPECT_EQ(with_type("Content-Type: application/json\r\nContent-Encoding: gzip\r\n").status, 415);
    EXPECT_EQ(with_type("Content-Type: Application/JSON; charset=utf-8\r\n").status, 202);
    const auto invalid = client.ask(post("/api/v1/execute", R"({"skript": 1})"));
    EXPECT_NE(invalid.body.find(R"("errors":[{"pointer":"/skript","code":"unknown_field","detail":)"),
              std::string::npos);
}

TEST(api, keeps_unfinished_and_unknown_apart) {
    running_server server;
    auto client = server.connect();
    const auto id = server.accept("hold");
    EXPECT_EQ(member(client.ask(get("/api/v1/executions/" + id + "/result")).body, "code"), "not_finished");
    EXPECT_EQ(client.ask(get("/api/v1/executions/" + id + "/output/stdout")).status, 409);
    for (const std::string tail : {"", "/result", "/output/stdout", "/output/stderr"}) {
        EXPECT_EQ(client.ask(get("/api/v1/executions/" + no_such_id + tail)).status, 404);
        EXPECT_EQ(client.ask(get("/api/v1/executions/x" + tail)).status, 404);
    }
    EXPECT_EQ(client.ask(post("/api/v1/executions/" + no_such_id + "/cancel", "")).status, 404);
}

TEST(api, cancels) {
    running_server server;
    auto client = server.connect();
    const auto id = server.accept("hold");
    for (int i = 0; i < 2; ++i) {
        const auto answer = client.ask("POST /api/v1/executions/" + id + "/cancel HTTP/1.1\r\nHost: a\r\n\r\n");
        EXPECT_EQ(answer.status, 202);
        EXPECT_EQ(answer.body, "{\"execution_id\":\"" + id + "\",\"status\":\"cancellation_requested\"}");
    }
    server.conclude(id);
    const auto late = client.ask(post("/api/v1/executions/" + id + "/cancel", ""));
    EXPECT_EQ(late.status, 409);
    EXPECT_EQ(member(late.body, "code"), "already_finished");
}

TEST(api, gives_output_in_ranges) {
    running_server server;
    auto client = server.connect();
    const auto id = server.accept("echo 0123456789");
    const auto target = "/api/v1/executions/" + id + "/output/stdout";
    const auto whole = client.ask(get(target));
    EXPECT_EQ(whole.status, 200);
    EXPECT_EQ(whole.field("content-type"), "application/octet-stream");
    EXPECT_EQ(whole.field("accept-ranges"), "bytes");
    EXPECT_EQ(whole.body, "0123456789");
    const auto part = [&](const std::string& range) { return client.ask(get(target, "Range: " + range + "\r\n")); };
    const auto middle = part("bytes=2-4");
    EXPECT_EQ(middle.status, 206);
    EXPECT_EQ(middle.body, "234");
    EXPECT_EQ(middle.field("content-range"), "bytes 2-4/10");
    EXPECT_EQ(part("bytes=8-").body, "89");
    EXPECT_EQ(part("bytes=-3").body, "789");
    EXPECT_EQ(part("bytes=-30").body, "0123456789");
    EXPECT_EQ(part("bytes=5-500").body, "56789");
    const auto beyond = part("bytes=10-");
    EXPECT_EQ(beyond.status, 416);
    EXPECT_EQ(beyond.field("content-range"), "bytes */10");
    EXPECT_EQ(part("bytes=-0").status, 416);
    for (const std::string ignored :
         {"bytes=4-2", "bytes=0-1,3-4", "lines=0-1", "bytes=x-1", "bytes=", "bytes=1", "bytes=--1"})
        EXPECT_EQ(part(ignored).status, 200) << ignored;
    const auto tag = whole.field("etag");
    EXPECT_EQ(client.ask(get(target, "Range: bytes=0-0\r\nIf-Range: " + tag + "\r\n")).status, 206);
    EXPECT_EQ(client.ask(get(target, "Range: bytes=0-0\r\nIf-Range: \"other\"\r\n")).status, 200);
    EXPECT_EQ(client.ask(get(target, "If-None-Match: " + tag + "\r\n")).status, 304);
    EXPECT_EQ(client.ask(get("/api/v1/executions/" + id + "/output/stderr")).body, "");
}

TEST(api, gives_large_results_whole) {
    running_server server;
    auto client = server.connect();
    const auto id = server.accept("hold");
    std::string text;
    for (int i = 0; i < 300'000; ++i) text += "\xc3\xa4\n";
    server.output(id, text);
    server.conclude(id);
    const auto result = client.ask(get("/api/v1/executions/" + id + "/result"));
    ASSERT_EQ(result.status, 200);
    ASSERT_TRUE(result.whole);
    EXPECT_EQ(result.field("transfer-encoding"), "chunked");
    std::string escaped;
    append_escaped(escaped, text);
    EXPECT_NE(result.body.find("\"stdout\":\"" + escaped + "\",\"stderr\":\"\",\"stdout_encoding\":\"utf-8\""),
              std::string::npos);
    EXPECT_EQ(result.body.back(), '}');
    const auto bytes = client.ask(get("/api/v1/executions/" + id + "/output/stdout"));
    EXPECT_EQ(bytes.body, text);

    const auto binary = server.accept("hold");
    const std::string raw = std::string(400'000, '\xff') + "ab";
    server.output(binary, raw);
    server.conclude(binary);
    const auto encoded = client.ask(get("/api/v1/executions/" + binary + "/result"));
    EXPECT_EQ(member(encoded.body, "stdout"), runtime::base64_encode(raw));
    EXPECT_EQ(member(encoded.body, "stdout_encoding"), "base64");
    // HTTP/1.0 gets it up to the connection's end.
    auto old = server.connect();
    const auto unframed = old.ask("GET /api/v1/executions/" + binary + "/result HTTP/1.0\r\n\r\n");
    EXPECT_EQ(unframed.body, encoded.body);
    const auto head = client.ask("HEAD /api/v1/executions/" + binary + "/result HTTP/1.1\r\nHost: a\r\n\r\n", true);
    EXPECT_EQ(head.status, 200);
    EXPECT_EQ(client.ask(get("/livez")).status, 200);
}

std::vector<std::string> ids_of(const std::string& page) {
    std::vector<std::string> out;
    std::size_t at = 0;
    while ((at = page.find("\"execution_id\":\"", at)) != std::string::npos) {
        out.push_back(page.substr(at + 16, 36));
        at += 16;
    }
    return out;
}

TEST(api, lists_newest_first_page_by_page) {
    running_server server;
    auto client = server.connect();
    std::vector<std::string> ids;
    for (int i = 0; i < 7; ++i) ids.push_back(server.accept(i % 2 == 0 ? "hold" : "x"));
    std::sort(ids.rbegin(), ids.rend());
    std::vector<std::string> seen;
    std::string cursor;
    for (int page = 0; page < 4; ++page) {
        const auto answer = client.ask(get("/api/v1/executions?limit=2" + (cursor.empty() ? "" : "&cursor=" + cursor)));
        ASSERT_EQ(answer.status, 200);
        for (auto& id : ids_of(answer.body)) seen.push_back(id);
        cursor = member(answer.body, "next_cursor");
    }
    EXPECT_EQ(cursor, "null");
    EXPECT_EQ(seen, ids);
    EXPECT_EQ(ids_of(client.ask(get("/api/v1/executions?status=running")).body).size(), 4U);
    EXPECT_EQ(ids_of(client.ask(get("/api/v1/executions?status=completed&lang=python")).body).size(), 3U);
    EXPECT_EQ(ids_of(client.ask(get("/api/v1/executions?label=no%3Asuch&label=a:b")).body).size(), 0U);

    const auto bound = member(client.ask(get("/api/v1/executions?limit=1&status=running")).body, "next_cursor");
    EXPECT_EQ(client.ask(get("/api/v1/executions?limit=1&status=running&cursor=" + bound)).status, 200);
    EXPECT_EQ(member(client.ask(get("/api/v1/executions?limit=1&cursor=" + bound)).body, "code"), "bad_cursor");
    EXPECT_EQ(member(client.ask(get("/api/v1/executions?cursor=zz")).body, "code"), "bad_cursor");
    EXPECT_EQ(member(client.ask(get("/api/v1/executions?cursor=")).body, "code"), "bad_cursor");
}

TEST(api, refuses_bad_lists) {
    running_server server;
    auto client = server.connect();
    for (const std::string query :
         {"limit=0", "limit=1001", "limit=x", "limit=", "status=done", "status=", "lang=", "label=k", "label=:v",
          "staus=queued", "limit=1&limit=2", "status=%ff", "status=queued&status=running"})
        EXPECT_EQ(client.ask(get("/api/v1/executions?" + query)).status, 400) << query;
    std::string many;
    for (int i = 0; i < 65; ++i) many += "label=a:b&";
    EXPECT_EQ(client.ask(get("/api/v1/executions?" + many)).status, 400);
    EXPECT_EQ(client.ask(get("/api/v1/executions?limit=1000")).status, 200);
}

TEST(api, tells_limits_and_examples) {
    running_server server;
    auto client = server.connect();
    const auto limits = client.ask(get("/api/v1/k8s-limits"));
    EXPECT_EQ(limits.status, 200);
    EXPECT_NE(limits.body.find(R"("supported_runtimes":{"python":{"versions":["3.11"],"file_ext":"py"})"),
              std::string::npos);
    EXPECT_NE(limits.body.find(R"("maxima":{"wall_ms":3600000)"), std::string::npos);
    const auto examples = client.ask(get("/api/v1/example-scripts"));
    EXPECT_NE(examples.body.find(R"("python":"print('hello')\n")"), std::string::npos);
}

TEST(api, tells_how_it_is) {
    running_server server;
    auto client = server.connect();
    EXPECT_EQ(client.ask(get("/readyz")).body, "ok\n");
    const auto verbose = client.ask(get("/readyz?verbose"));
    EXPECT_EQ(verbose.status, 200);
    EXPECT_NE(verbose.body.find("fake engine"), std::string::npos);
    server.world().ready = false;
    const auto unready = client.ask(get("/readyz"));
    EXPECT_EQ(unready.status, 503);
    EXPECT_EQ(member(unready.body, "code"), "not_ready");
    EXPECT_EQ(client.ask(get("/readyz?verbose")).status, 503);
    EXPECT_EQ(client.ask(get("/livez")).status, 200);
    const auto metrics = client.ask(get("/metrics"));
    EXPECT_NE(metrics.body.find("\nweir_http_requests_total 6\n"), std::string::npos) << metrics.body;
    EXPECT_NE(metrics.body.find("weir_limit_reached_total{limit=\"http.body_bytes_max\"} 0"), std::string::npos);
    const auto contract = client.ask(get("/openapi.json"));
    EXPECT_EQ(contract.status, 200);
    EXPECT_EQ(contract.field("content-type"), "application/json");
}

TEST(api, explains_every_problem) {
    running_server server;
    auto client = server.connect();
    for (const auto& kind : problem_kinds()) {
        const auto answer = client.ask(get("/problems/" + std::string(kind.code)));
        EXPECT_EQ(answer.status, 200);
        EXPECT_EQ(member(answer.body, "status"), std::to_string(kind.status));
    }
    EXPECT_EQ(client.ask(get("/problems/nothing")).status, 404);
}

}  // namespace
}  // namespace http::testing
