// Event streams over real sockets: every second execution is at home on the other shard than the one that accepted.
#include "http/sse/event_stream.hpp"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <thread>

#include "http/api/render.hpp"
#include "tests/unit/http/support/running_server.hpp"

namespace http::testing {
namespace {

using std::chrono::milliseconds;

const std::string route = "/api/v1/events/executions/";

// The frames of a stream, without retry and comments.
std::vector<std::string> frames_of(const std::string& body) {
    std::vector<std::string> out;
    std::size_t at = 0;
    while (at < body.size()) {
        const auto end = body.find("\n\n", at);
        if (end == std::string::npos) break;
        const auto frame = body.substr(at, end - at);
        if (!frame.starts_with("retry:") && !frame.starts_with(":")) out.push_back(frame);
        at = end + 2;
    }
    return out;
}

std::string numbers_of(const std::string& body) {
    std::string out;
    for (const auto& frame : frames_of(body)) out += frame.substr(0, frame.find('\n')) + " ";
    return out;
}

TEST(event_stream, gives_a_finished_execution_whole) {
    running_server server;
    for (int i = 0; i < 20; ++i) {
        const auto id = server.accept("echo hi");
        auto client = server.connect();
        const auto answer = client.ask(get(route + id));
        ASSERT_EQ(answer.status, 200);
        EXPECT_TRUE(answer.whole);
        EXPECT_EQ(answer.field("content-type"), "text/event-stream");
        EXPECT_EQ(answer.field("cache-control"), "no-store");
        EXPECT_EQ(answer.field("x-accel-buffering"), "no");
        EXPECT_EQ(answer.field("connection"), "close");
        EXPECT_TRUE(answer.body.starts_with("retry: 1000\n\n"));
        EXPECT_EQ(numbers_of(answer.body), "id: 1 id: 2 id: 3 id: 4 id: 5 id: 6 id: 7 ");
        const auto frames = frames_of(answer.body);
        EXPECT_EQ(frames[0],
                  "id: 1\nevent: execution_requested\ndata: {\"seq\":1,\"event_type\":\"execution_requested\","
                  "\"event_version\":1,\"execution_id\":\"" +
                      id +
                      "\",\"attempt\":1,"
                      "\"timestamp\":\"2026-11-18T11:06:40.000000Z\",\"lang\":\"python\",\"lang_version\":\"3.11\","
                      "\"priority\":\"normal\"}");
        EXPECT_NE(frames[5].find("\"stream\":\"stdout\",\"offset\":0,\"text\":\"hi\"}"), std::string::npos);
        EXPECT_NE(
            frames[6].find(
                "\"status\":\"completed\",\"exit_code\":0,\"signal\":null,\"error_type\":null,\"error_message\":null,"
                "\"resource_usage\":{"),
            std::string::npos);
        EXPECT_TRUE(client.closed());
    }
    // Half of the clients met the wrong shard, and their sockets moved.
    EXPECT_GT(server.metric("weir_http_connections_moved_total"), 0);
    EXPECT_EQ(server.metric("weir_sse_streams_total"), 20);
    EXPECT_EQ(server.metric("weir_sse_streams_open"), 0);
}

TEST(event_stream, gives_the_same_bytes_every_time) {
    running_server server;
    const auto id = server.accept("echo \\u0001\\n\\\"");
    const auto first = server.connect().ask(get(route + id)).body;
    EXPECT_FALSE(first.empty());
    for (int i = 0; i < 8; ++i) EXPECT_EQ(server.connect().ask(get(route + id)).body, first);
}

TEST(event_stream, sends_events_while_they_happen) {
    running_server server;
    for (int i = 0; i < 8; ++i) {
        const auto id = server.accept("hold");
        auto client = server.connect();
        client.send(get(route + id));
        ASSERT_TRUE(client.wait_for("id: 5\n"));
        server.output(id, "first");
        ASSERT_TRUE(client.wait_for("\"text\":\"first\""));
        server.output(id, std::string("\xff\x00", 2));
        ASSERT_TRUE(client.wait_for("\"base64\":\"/wA=\""));
        pipeline::verdict_view how;
        how.status = pipeline::status::failed;
        how.signal = 11;
        how.error_type = pipeline::error_type::signal;
        how.error_message = "killed by a signal";
        server.conclude(id, how);
        const auto answer = client.answer();
        EXPECT_TRUE(answer.whole);
        EXPECT_EQ(numbers_of(answer.body), "id: 1 id: 2 id: 3 id: 4 id: 5 id: 6 id: 7 id: 8 ");
        EXPECT_NE(answer.body.find("event: execution_failed\n"), std::string::npos);
        EXPECT_NE(
            answer.body.find(
                R"("exit_code":null,"signal":"SIGSEGV","error_type":"signal","error_message":"killed by a signal","resource_usage":null)"),
            std::string::npos);
    }
}

TEST(event_stream, resumes_after_a_number) {
    running_server server;
    const auto id = server.accept("echo hi");
    const auto ask = [&](const std::string& query, const std::string& fields) {
        return server.connect().ask(get(route + id + query, fields));
    };
    EXPECT_EQ(numbers_of(ask("?after=5", "").body), "id: 6 id: 7 ");
    EXPECT_EQ(numbers_of(ask("", "Last-Event-ID: 6\r\n").body), "id: 7 ");
    EXPECT_EQ(numbers_of(ask("?after=0", "").body).substr(0, 6), "id: 1 ");
    // The header wins.
    EXPECT_EQ(numbers_of(ask("?after=1", "Last-Event-ID: 6\r\n").body), "id: 7 ");
    EXPECT_EQ(numbers_of(ask("?after=x", "Last-Event-ID: 6\r\n").body), "id: 7 ");
    EXPECT_EQ(ask("?after=7", "").status, 204);
    EXPECT_EQ(ask("", "Last-Event-ID: 7\r\n").status, 204);
    for (const std::string bad : {"8", "x", "-1", "", "1.0", "4294967296", "99999999999999999999"}) {
        const auto answer = ask("", "Last-Event-ID: " + bad + "\r\n");
        EXPECT_EQ(answer.status, 400) << bad;
        EXPECT_EQ(member(answer.body, "code"), "bad_event_number") << bad;
    }
    EXPECT_EQ(ask("?after=8", "").status, 400);
    EXPECT_EQ(ask("?after=", "").status, 400);
    EXPECT_EQ(server.connect().ask(get(route + "01890000-0000-7000-8000-000000000000")).status, 404);
    EXPECT_EQ(server.connect().ask(get(route + "x")).status, 404);
}

TEST(event_stream, goes_on_with_requests_where_there_was_no_stream) {
    running_server server;
    for (int i = 0; i < 8; ++i) {
        const auto id = server.accept("echo hi");
        auto client = server.connect();
        // Also from the shard that the connection has moved to, with what was pipelined behind.
        client.send(get(route + id, "Last-Event-ID: 7\r\n") + get("/livez", "X-Request-Id: behind\r\n"));
        EXPECT_EQ(client.answer().status, 204);
        EXPECT_EQ(client.answer().field("x-request-id"), "behind");
        EXPECT_EQ(client.ask(get("/livez")).status, 200);
    }
}

TEST(event_stream, answers_head_and_http_1_0) {
    running_server server;
    const auto id = server.accept("echo hi");
    auto client = server.connect();
    const auto head = client.ask("HEAD " + route + id + " HTTP/1.1\r\nHost: a\r\n\r\n", true);
    EXPECT_EQ(head.status, 200);
    EXPECT_EQ(head.field("content-type"), "text/event-stream");
    auto old = server.connect();
    const auto answer = old.ask("GET " + route + id + " HTTP/1.0\r\n\r\n");
    EXPECT_FALSE(answer.fields.contains("transfer-encoding"));
    EXPECT_EQ(frames_of(answer.body).size(), 7U);
}

TEST(event_stream, breaks_the_silence) {
    server_config config;
    config.limits.sse_heartbeat_ms = 100;
    running_server server(config);
    const auto id = server.accept("hold");
    auto client = server.connect();
    client.send(get(route + id));
    ASSERT_TRUE(client.wait_for("id: 5\n"));
    client.received().clear();
    ASSERT_TRUE(client.wait_for(": still here\n\n"));
    client.received().clear();
    ASSERT_TRUE(client.wait_for(": still here\n\n"));
}

TEST(event_stream, forgets_clients_that_go) {
    running_server server;
    const auto id = server.accept("hold");
    {
        std::vector<raw_client> clients;
        for (int i = 0; i < 20; ++i) {
            clients.push_back(server.connect());
            clients.back().send(get(route + id));
            ASSERT_TRUE(clients.back().wait_for("id: 5\n"));
        }
        EXPECT_EQ(server.subscriptions(), 20U);
        EXPECT_EQ(server.metric("weir_sse_streams_open"), 20);
        for (std::size_t i = 0; i < clients.size(); i += 2) clients[i].reset();
    }
    for (int i = 0; i < 200 && server.metric("weir_http_connections_open") > 0; ++i)
        std::this_thread::sleep_for(milliseconds(10));
    EXPECT_EQ(server.subscriptions(), 0U);
    EXPECT_EQ(server.metric("weir_sse_streams_open"), 0);
    EXPECT_EQ(server.metric("weir_http_connections_open"), 0);
    server.conclude(id);
}

TEST(event_stream, closes_on_a_client_that_takes_nothing) {
    server_config config;
    config.limits.sse_stalled_ms = 300;
    running_server server(config);
    const auto id = server.accept("hold");
    auto client = server.connect();
    const int small = 4096;
    ::setsockopt(client.handle(), SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    client.send(get(route + id));
    ASSERT_TRUE(client.wait_for("id: 5\n"));
    for (int i = 0; i < 400; ++i) server.output(id, std::string(60'000, 'x'));
    for (int i = 0; i < 500 && server.metric("weir_sse_streams_open") > 0; ++i)
        std::this_thread::sleep_for(milliseconds(10));
    EXPECT_EQ(server.metric("weir_sse_streams_open"), 0);
    EXPECT_EQ(server.metric("weir_limit_reached_total{limit=\"sse.stalled_s\"}"), 1);
    // A slow client that does take something is served to the end.
    server.conclude(id);
    auto patient = server.connect();
    const auto answer = patient.ask(get(route + id));
    EXPECT_TRUE(answer.whole);
    EXPECT_EQ(frames_of(answer.body).size(), 406U);
}

TEST(event_stream, bounds_streams_of_the_node_and_of_a_user) {
    server_config config;
    config.limits.sse_connections_max = 2;
    running_server server(config);
    const auto id = server.accept("hold");
    std::vector<raw_client> clients;
    for (int i = 0; i < 2; ++i) {
        clients.push_back(server.connect());
        clients.back().send(get(route + id));
        ASSERT_TRUE(clients.back().wait_for("id: 5\n"));
    }
    auto third = server.connect();
    const auto full = third.ask(get(route + id));
    EXPECT_EQ(full.status, 503);
    EXPECT_EQ(member(full.body, "limit"), "sse.connections_max");
    EXPECT_EQ(member(full.body, "limit_value"), "2");
    EXPECT_FALSE(full.field("retry-after").empty());
    EXPECT_EQ(third.ask(get("/livez")).status, 200);
    clients.pop_back();
    int status = 0;
    for (int i = 0; i < 200 && status != 200; ++i) {
        auto again = server.connect();
        again.send(get(route + id));
        again.wait_for("\r\n\r\n");
        status = std::stoi(again.received().substr(9, 3));
        std::this_thread::sleep_for(milliseconds(5));
    }
    EXPECT_EQ(status, 200);

    server_config mine;
    mine.limits.sse_user_connections_max = 1;
    running_server other(mine);
    const auto held = other.accept("hold");
    auto first = other.connect();
    first.send(get(route + held));
    ASSERT_TRUE(first.wait_for("id: 5\n"));
    const auto limited = other.connect().ask(get(route + held));
    EXPECT_EQ(limited.status, 429);
    EXPECT_EQ(member(limited.body, "limit"), "sse.user_connections_max");
}

TEST(event_stream, tells_when_the_server_drains) {
    running_server server;
    const auto id = server.accept("hold");
    std::vector<raw_client> clients;
    for (int i = 0; i < 10; ++i) {
        clients.push_back(server.connect());
        clients.back().send(get(route + id));
        ASSERT_TRUE(clients.back().wait_for("id: 5\n"));
    }
    server.drain();
    for (auto& client : clients) {
        const auto answer = client.answer();
        EXPECT_TRUE(answer.whole);
        EXPECT_EQ(frames_of(answer.body).back(), "event: drain\ndata: {\"reason\":\"shutting_down\"}");
        EXPECT_TRUE(client.closed());
    }
    EXPECT_EQ(server.subscriptions(), 0U);
    EXPECT_EQ(server.connect().ask(get(route + id)).status, 503);
}

TEST(event_stream, drains_in_the_midst_of_a_burst) {
    running_server server;
    const auto id = server.accept("hold");
    std::vector<raw_client> clients;
    for (int i = 0; i < 4; ++i) {
        clients.push_back(server.connect());
        clients.back().send(get(route + id));
    }
    for (auto& client : clients) ASSERT_TRUE(client.wait_for("id: 5\n"));
    std::thread talker([&] {
        for (int i = 0; i < 100; ++i) server.output(id, std::string(50'000, 'x'));
    });
    std::this_thread::sleep_for(milliseconds(20));
    server.drain();
    for (auto& client : clients) {
        const auto answer = client.answer();
        EXPECT_TRUE(answer.whole);
        const auto frames = frames_of(answer.body);
        ASSERT_GE(frames.size(), 6U);
        for (std::size_t i = 0; i + 1 < frames.size(); ++i)
            EXPECT_TRUE(frames[i].starts_with("id: " + std::to_string(i + 1) + "\n"));
        EXPECT_TRUE(frames.back().starts_with("event: drain\n"));
    }
    talker.join();
}

TEST(event_stream, stops_in_time_with_streams_that_take_nothing) {
    running_server server;
    const auto id = server.accept("hold");
    auto client = server.connect();
    const int small = 4096;
    ::setsockopt(client.handle(), SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    client.send(get(route + id));
    ASSERT_TRUE(client.wait_for("id: 5\n"));
    for (int i = 0; i < 200; ++i) server.output(id, std::string(60'000, 'x'));
    const auto begin = std::chrono::steady_clock::now();
    server.stop(runtime::milliseconds(300));
    EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(3));
    EXPECT_EQ(server.subscriptions(), 0U);
}

}  // namespace
}  // namespace http::testing
