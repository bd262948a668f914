// The front door over real sockets: framing, order, refusals, deadlines, stop.
#include "http/server.hpp"

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>

#include <thread>

#include "tests/unit/http/support/running_server.hpp"

namespace http::testing {
namespace {

using std::chrono::milliseconds;

// The form that every error has.
void expect_problem(const raw_answer& answer, int status, const std::string& code) {
    EXPECT_EQ(answer.status, status) << answer.body;
    EXPECT_EQ(answer.field("content-type"), "application/problem+json");
    EXPECT_EQ(member(answer.body, "code"), code) << answer.body;
    EXPECT_EQ(member(answer.body, "status"), std::to_string(status));
    EXPECT_EQ(member(answer.body, "type"), "/problems/" + code);
    EXPECT_EQ(member(answer.body, "request_id"), answer.field("x-request-id"));
    EXPECT_FALSE(member(answer.body, "title").empty());
    EXPECT_FALSE(member(answer.body, "detail").empty());
    EXPECT_FALSE(member(answer.body, "retryable").empty());
}

TEST(server, answers_many_requests_on_one_connection) {
    running_server server;
    auto client = server.connect();
    for (int i = 0; i < 200; ++i) {
        const auto answer = client.ask(get("/livez"));
        ASSERT_EQ(answer.status, 200);
        EXPECT_EQ(answer.body, "ok\n");
    }
    const auto answer = client.ask(get("/livez", "Connection: close\r\n"));
    EXPECT_EQ(answer.field("connection"), "close");
    EXPECT_TRUE(client.closed());
    EXPECT_EQ(server.metric("weir_http_requests_total"), 201);
    EXPECT_EQ(server.metric("weir_http_answers_total{status=\"2xx\"}"), 201);
}

TEST(server, answers_pipelined_requests_in_order) {
    running_server server;
    auto client = server.connect();
    std::string all;
    for (int i = 0; i < 500; ++i) all += get("/livez", "X-Request-Id: " + std::to_string(i) + "\r\n");
    all += post("/api/v1/execute", R"({"script": "x"})", "X-Request-Id: post\r\n") +
           get("/nothing", "X-Request-Id: last\r\n");
    std::thread sender([&] { client.send(all); });
    for (int i = 0; i < 500; ++i) {
        const auto answer = client.answer();
        ASSERT_EQ(answer.status, 200);
        ASSERT_EQ(answer.field("x-request-id"), std::to_string(i));
    }
    EXPECT_EQ(client.answer().field("x-request-id"), "post");
    EXPECT_EQ(client.answer().field("x-request-id"), "last");
    sender.join();
}

TEST(server, takes_requests_in_any_pieces) {
    running_server server;
    auto client = server.connect();
    const auto bytes =
        "POST /api/v1/execute HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nTransfer-Encoding: "
        "chunked\r\n\r\n"
        "3;x=y\r\n{\"s\r\n0f\r\ncript\": \"echo h\r\n3\r\ni\"}\r\n0\r\nTrailer: dropped\r\n\r\n" +
        get("/livez");
    for (const char c : std::string(bytes)) {
        ASSERT_TRUE(client.send({&c, 1}));
        if (c == '\n') std::this_thread::sleep_for(milliseconds(1));
    }
    EXPECT_EQ(client.answer().status, 202);
    EXPECT_EQ(client.answer().body, "ok\n");
}

TEST(server, gives_head_without_a_body_and_options_without_a_route) {
    running_server server;
    auto client = server.connect();
    const auto head = client.ask("HEAD /livez HTTP/1.1\r\nHost: a\r\n\r\n", true);
    EXPECT_EQ(head.status, 200);
    EXPECT_EQ(head.field("content-length"), "3");
    const auto options = client.ask("OPTIONS /api/v1/execute HTTP/1.1\r\nHost: a\r\n\r\n");
    EXPECT_EQ(options.status, 204);
    EXPECT_EQ(options.field("allow"), "POST, OPTIONS");
    EXPECT_EQ(client.ask("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n").status, 204);
    EXPECT_EQ(client.ask(get("/livez")).status, 200);
}

TEST(server, speaks_http_1_0) {
    running_server server;
    auto client = server.connect();
    EXPECT_EQ(client.ask("GET /livez HTTP/1.0\r\nConnection: keep-alive\r\n\r\n").field("connection"), "keep-alive");
    EXPECT_EQ(client.ask("GET /livez HTTP/1.0\r\n\r\n").status, 200);
    EXPECT_TRUE(client.closed());
}

TEST(server, gives_every_error_as_a_problem) {
    running_server server;
    auto client = server.connect();
    expect_problem(client.ask(get("/nothing")), 404, "not_found");
    auto wrong_method = client.ask("DELETE /livez HTTP/1.1\r\nHost: a\r\n\r\n");
    expect_problem(wrong_method, 405, "method_not_allowed");
    EXPECT_EQ(wrong_method.field("allow"), "GET, HEAD, OPTIONS");
    expect_problem(client.ask(get("/api/v1/executions/not-an-id")), 404, "not_found");
    expect_problem(client.ask(post("/api/v1/execute", "{}")), 422, "invalid");
    expect_problem(client.ask(post("/api/v1/execute", "{")), 400, "malformed_json");
    expect_problem(client.ask(post("/api/v1/execute", R"({"script": "throw"})")), 500, "internal");
    // After an ordinary error the connection goes on.
    EXPECT_EQ(client.ask(get("/livez")).status, 200);
}

TEST(server, keeps_a_sane_request_id_and_makes_one_otherwise) {
    running_server server;
    auto client = server.connect();
    EXPECT_EQ(client.ask(get("/livez", "X-Request-Id: my-id_1.2~3\r\n")).field("x-request-id"), "my-id_1.2~3");
    EXPECT_EQ(client.ask(get("/livez", "X-Request-Id: <script>\r\n")).field("x-request-id").size(), 16U);
    EXPECT_EQ(client.ask(get("/livez", "X-Request-Id: " + std::string(129, 'a') + "\r\n")).field("x-request-id").size(),
              16U);
    EXPECT_EQ(client.ask(get("/livez")).field("x-request-id").size(), 16U);
}

TEST(server, refuses_and_closes_and_reads_nothing_behind_a_refusal) {
    running_server server;
    struct row {
        std::string request;
        int status;
        std::string code;
    };
    const std::string behind = get("/livez", "X-Request-Id: smuggled\r\n");
    const std::vector<row> rows = {
        {"GET / HTTP/1.1\r\n\r\n", 400, "bad_host"},
        {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n", 400, "bad_transfer_encoding"},
        {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, chunked\r\n\r\n", 400, "bad_transfer_encoding"},
        {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n", 400,
         "ambiguous_length"},
        {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\n", 400, "bad_content_length"},
        {"GET / HTTP/1.1\r\nHost: a\r\nX: y\r\n z\r\n\r\n", 400, "header_fold"},
        {"GET /\x80 HTTP/1.1\r\nHost: a\r\n\r\n", 400, "bad_target"},
        {"GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n", 400, "bad_target"},
        {"GET / HTTP/1.1\nHost: a\n\n", 400, "malformed_request"},
        {"GET /" + std::string(9000, 'a') + " HTTP/1.1\r\nHost: a\r\n\r\n", 414, "target_too_long"},
        {"GET / HTTP/1.1\r\nHost: a\r\nX: " + std::string(20'000, 'a') + "\r\n\r\n", 431, "headers_too_large"},
        {"POST / HTTP/1.1\r\nHost: a\r\nExpect: tea\r\n\r\n", 417, "expectation_failed"},
        {"BREW / HTTP/1.1\r\nHost: a\r\n\r\n", 501, "method_not_implemented"},
        {"GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505, "version_not_supported"},
        {"POST /api/v1/execute HTTP/1.1\r\nHost: a\r\nContent-Length: 10485761\r\n\r\n", 413, "body_too_large"},
        {"POST /api/v1/execute HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nA00001\r\n", 413,
         "body_too_large"},
        {"POST /api/v1/execute HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n", 400, "bad_chunk"},
        {"POST /api/v1/execute HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1;" + std::string(17'000, 'a'),
         400, "chunk_overhead_too_large"},
    };
    for (const auto& [request, status, code] : rows) {
        auto client = server.connect();
        client.send(request + behind);
        const auto answer = client.answer();
        expect_problem(answer, status, code);
        EXPECT_EQ(answer.field("connection"), "close") << code;
        EXPECT_EQ(client.rest(), "") << code;
        EXPECT_TRUE(client.closed()) << code;
    }
    EXPECT_EQ(server.metric("weir_http_refusals_total"), static_cast<double>(rows.size()));
    EXPECT_EQ(server.metric("weir_http_requests_total{}"), 0);
}

TEST(server, gets_a_refusal_through_to_a_client_that_still_sends) {
    running_server server;
    auto client = server.connect();
    client.send("POST /api/v1/execute HTTP/1.1\r\nHost: a\r\nContent-Length: 15000000\r\n\r\n");
    const std::string piece(64 * 1024, 'x');
    for (int i = 0; i < 128; ++i)
        if (!client.send(piece)) break;
    const auto answer = client.answer();
    expect_problem(answer, 413, "body_too_large");
    EXPECT_EQ(member(answer.body, "limit"), "http.body_bytes_max");
    EXPECT_EQ(member(answer.body, "limit_value"), "10485760");
}

TEST(server, lets_a_client_wait_for_continue) {
    running_server server;
    auto client = server.connect();
    const std::string body = R"({"script": "echo hi"})";
    const std::string head = "Host: a\r\nContent-Type: application/json\r\nExpect: 100-continue\r\nContent-Length: " +
                             std::to_string(body.size()) + "\r\n\r\n";
    client.send("POST /api/v1/execute HTTP/1.1\r\n" + head);
    ASSERT_TRUE(client.wait_for("HTTP/1.1 100 Continue\r\n\r\n"));
    client.received().clear();
    client.send(body);
    EXPECT_EQ(client.answer().status, 202);
    // With the body at hand nobody is asked.
    client.send("POST /api/v1/execute HTTP/1.1\r\n" + head + body);
    ASSERT_TRUE(client.wait_for("HTTP/1.1"));
    EXPECT_EQ(client.received().substr(0, 12), "HTTP/1.1 202");
    EXPECT_EQ(client.answer().status, 202);
    // Nor with a part of it.
    client.send("POST /api/v1/execute HTTP/1.1\r\n" + head + body.substr(0, 5));
    EXPECT_FALSE(client.receive(milliseconds(100))) << client.received();
    client.send(body.substr(5));
    EXPECT_EQ(client.answer().status, 202);
    // What nobody wants is answered at once, and the body not waited for.
    client.send("POST /nothing HTTP/1.1\r\n" + head);
    expect_problem(client.answer(), 404, "not_found");
    EXPECT_TRUE(client.closed());
}

// Sends what the socket takes, and waits for it to take more if `patient`. False once it does not.
bool send_some(int to, std::string_view& left, bool patient) {
    while (!left.empty()) {
        const auto sent = ::send(to, left.data(), left.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent > 0) left.remove_prefix(static_cast<std::size_t>(sent));
        pollfd one{to, POLLOUT, 0};
        if (sent <= 0 && (!patient || ::poll(&one, 1, 200) <= 0)) return false;
    }
    return true;
}

// With both ways full the server's socket has taken only a part of an answer.
TEST(server, finishes_its_answers_when_a_client_reads_late) {
    running_server server;
    auto client = server.connect();
    constexpr int count = 100'000;
    const std::string filling(100, 'f');
    std::string requests;
    for (int i = 0; i < count; ++i) requests += get("/livez", "X-Request-Id: " + filling + std::to_string(i) + "\r\n");
    std::string_view left = requests;
    EXPECT_FALSE(send_some(client.handle(), left, true)) << "the sockets took everything at once";
    for (int i = 0; i < count; ++i) {
        const auto answer = client.answer();
        ASSERT_EQ(answer.body, "ok\n") << i;
        ASSERT_EQ(answer.field("x-request-id"), filling + std::to_string(i));
        send_some(client.handle(), left, false);
    }
}

TEST(server, drops_a_body_that_no_route_wants) {
    running_server server;
    auto client = server.connect();
    client.send("GET /livez HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello" + get("/livez"));
    EXPECT_EQ(client.answer().status, 200);
    EXPECT_EQ(client.answer().status, 200);
    client.send("GET /livez HTTP/1.1\r\nHost: a\r\nContent-Length: 500000\r\n\r\nhello");
    const auto answer = client.answer();
    EXPECT_EQ(answer.status, 200);
    EXPECT_EQ(answer.field("connection"), "close");
    EXPECT_TRUE(client.closed());
}

server_config impatient() {
    server_config out;
    out.limits.header_deadline_ms = 200;
    out.limits.body_idle_ms = 200;
    out.limits.body_deadline_ms = 600;
    out.limits.body_rate_min_bytes_per_s = 1 << 20;
    out.limits.idle_deadline_ms = 400;
    out.limits.write_deadline_ms = 300;
    out.limits.linger_ms = 200;
    return out;
}

TEST(server, does_not_wait_for_a_head_for_ever) {
    running_server server(impatient());
    auto silent = server.connect();
    auto slow = server.connect();
    slow.send("GET /livez HT");
    expect_problem(slow.answer(), 408, "request_timeout");
    EXPECT_TRUE(slow.closed());
    // A client that never asked for anything is not answered either.
    EXPECT_EQ(silent.rest(), "");
    EXPECT_TRUE(silent.closed());
}

TEST(server, does_not_wait_longer_because_bytes_drip) {
    running_server server(impatient());
    auto client = server.connect();
    for (const char c : std::string_view("GET /livez HTTP/1.1\r\nHost: a\r\nX: yyyyyyyyyyyyyyyyyyyyyyyy")) {
        if (!client.send({&c, 1})) break;
        std::this_thread::sleep_for(milliseconds(10));
    }
    expect_problem(client.answer(), 408, "request_timeout");
}

TEST(server, does_not_wait_for_a_body_for_ever) {
    running_server server(impatient());
    auto client = server.connect();
    client.send("POST /api/v1/execute HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n{");
    expect_problem(client.answer(), 408, "request_timeout");
    // Dripping keeps the idle deadline away, not the whole one.
    auto dripping = server.connect();
    dripping.send("POST /api/v1/execute HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n");
    const auto begin = std::chrono::steady_clock::now();
    while (!dripping.receive(milliseconds(20)) && dripping.send("x"))
        ASSERT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(3));
    expect_problem(dripping.answer(), 408, "request_timeout");
    EXPECT_GE(std::chrono::steady_clock::now() - begin, milliseconds(550));
}

TEST(server, closes_a_connection_that_rests_too_long) {
    running_server server(impatient());
    auto client = server.connect();
    EXPECT_EQ(client.ask(get("/livez")).status, 200);
    std::this_thread::sleep_for(milliseconds(250));  // longer than a head may take
    EXPECT_EQ(client.ask(get("/livez")).status, 200);
    EXPECT_TRUE(client.closed(milliseconds(2000)));
    EXPECT_EQ(client.rest(), "");
}

TEST(server, turns_away_connections_above_the_limit) {
    server_config config;
    config.limits.connections_max = 4;
    running_server server(config, 1);
    std::vector<raw_client> clients;
    for (int i = 0; i < 4; ++i) {
        clients.push_back(server.connect());
        EXPECT_EQ(clients.back().ask(get("/livez")).status, 200);
    }
    auto fifth = server.connect();
    const auto answer = fifth.answer();
    EXPECT_EQ(answer.status, 503);
    EXPECT_EQ(member(answer.body, "limit"), "http.connections_max");
    EXPECT_TRUE(fifth.closed());
    EXPECT_EQ(server.metric("weir_limit_reached_total{limit=\"http.connections_max\"}"), 1);
    clients.pop_back();
    for (int i = 0; i < 100; ++i) {
        auto again = server.connect();
        if (again.ask(get("/livez")).status == 200) return;
        std::this_thread::sleep_for(milliseconds(10));
    }
    FAIL() << "the place was not given back";
}

TEST(server, bounds_all_bodies_together) {
    server_config config;
    config.limits.bodies_bytes_max = 300'000;
    running_server server(config, 1);
    auto first = server.connect();
    first.send("POST /api/v1/execute HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n" +
               std::string(200'000, ' '));
    auto second = server.connect();
    second.send("POST /api/v1/execute HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n" +
                std::string(200'000, ' '));
    const auto answer = second.answer();
    const auto other = answer.status == 0 ? first.answer() : answer;
    expect_problem(other, 503, "too_many_bodies");
    EXPECT_EQ(other.field("retry-after"), "1");
    EXPECT_EQ(member(other.body, "limit"), "http.bodies_bytes_max");
}

TEST(server, survives_clients_that_vanish) {
    running_server server;
    for (int i = 0; i < 50; ++i) {
        auto client = server.connect();
        if (i % 5 == 1) client.send("GET /li");
        if (i % 5 == 2) client.send(get("/livez"));
        if (i % 5 == 3) client.send("POST /api/v1/execute HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n{");
        if (i % 5 == 4) client.send(post("/api/v1/execute", R"({"script": "hold"})", "Prefer: wait=60\r\n"));
        client.reset();
    }
    auto client = server.connect();
    EXPECT_EQ(client.ask(get("/livez")).status, 200);
    for (int i = 0; i < 300 && server.metric("weir_http_connections_open") > 1; ++i)
        std::this_thread::sleep_for(milliseconds(10));
    EXPECT_EQ(server.metric("weir_http_connections_open"), 1);
}

TEST(server, serves_on_both_shards) {
    running_server server;
    std::vector<raw_client> clients;
    for (int i = 0; i < 64; ++i) clients.push_back(server.connect());
    for (auto& client : clients) EXPECT_EQ(client.ask(get("/livez")).status, 200);
    // The kernel spreads connections by their hash: with 64 of them, none on one shard is a matter of 2^-64.
    EXPECT_EQ(server.metric("weir_http_connections_open"), 64);
}

TEST(server, drains_then_stops) {
    running_server server;
    auto idle = server.connect();
    EXPECT_EQ(idle.ask(get("/readyz")).status, 200);
    auto waiting = server.connect();
    waiting.send(post("/api/v1/execute", R"({"script": "hold"})", "Prefer: wait=60\r\n"));
    std::this_thread::sleep_for(milliseconds(100));
    server.drain();
    const auto ready = idle.ask(get("/readyz"));
    expect_problem(ready, 503, "draining");
    const auto refused = idle.ask(post("/api/v1/execute", R"({"script": "x"})"));
    expect_problem(refused, 503, "draining");
    EXPECT_FALSE(refused.field("retry-after").empty());
    EXPECT_EQ(idle.ask(get("/livez")).status, 200);
    // Whoever waits is told what there is instead.
    const auto answer = waiting.answer();
    EXPECT_EQ(answer.status, 202);
    server.stop();
    EXPECT_TRUE(idle.closed());
    EXPECT_TRUE(waiting.closed());
    EXPECT_THROW(static_cast<void>(server.connect()), std::runtime_error);
}

TEST(server, stops_in_time_whatever_clients_do) {
    running_server server;
    auto half = server.connect();
    half.send("POST /api/v1/execute HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n{");
    auto head = server.connect();
    head.send("GET /livez HT");
    std::this_thread::sleep_for(milliseconds(50));
    const auto begin = std::chrono::steady_clock::now();
    server.stop(runtime::milliseconds(300));
    EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(3));
}

TEST(server, refuses_a_port_that_is_taken) {
    running_server server;
    // Another process would not share the port's group; an address that is not ours stands for it here.
    server_config config;
    config.address = "192.0.2.1";
    EXPECT_THROW(running_server other(config), std::runtime_error);
    config.address = "not an address";
    EXPECT_THROW(running_server other(config), std::runtime_error);
}

}  // namespace
}  // namespace http::testing
