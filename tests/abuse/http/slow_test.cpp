// Clients that take their time, by the hundred, beside a client that does not.
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <algorithm>
#include <atomic>
#include <thread>

#include "tests/unit/http/support/running_server.hpp"

namespace http::testing {
namespace {

using std::chrono::milliseconds;
using clock = std::chrono::steady_clock;

constexpr std::size_t crowd = 300;
// A machine that builds and tests at once is slow itself; who starves waits until the crowd has gone, which is longer.
constexpr milliseconds unbothered(3000);

server_config hurried() {
    server_config out;
    out.limits.header_deadline_ms = 1000;
    out.limits.body_idle_ms = 700;
    out.limits.body_deadline_ms = 1500;
    out.limits.body_rate_min_bytes_per_s = 1 << 20;
    out.limits.write_deadline_ms = 1000;
    out.limits.sse_stalled_ms = 1000;
    return out;
}

// The slowest of some ordinary requests.
milliseconds worst_answer(running_server& server, int count) {
    auto client = server.connect();
    milliseconds worst(0);
    for (int i = 0; i < count; ++i) {
        const auto begin = clock::now();
        const auto answer = client.ask(post("/api/v1/execute", R"({"script":"x"})"));
        EXPECT_EQ(answer.status, 202);
        worst = std::max(worst, std::chrono::duration_cast<milliseconds>(clock::now() - begin));
        std::this_thread::sleep_for(milliseconds(5));
    }
    return worst;
}

void expect_all_gone(running_server& server, std::vector<raw_client>& clients) {
    for (auto& client : clients) EXPECT_TRUE(client.closed(std::chrono::seconds(10)));
    for (int i = 0; i < 300 && server.metric("weir_http_connections_open") > 0; ++i)
        std::this_thread::sleep_for(milliseconds(10));
    EXPECT_EQ(server.metric("weir_http_connections_open"), 0);
}

std::vector<raw_client> connect_all(running_server& server, const std::string& first) {
    std::vector<raw_client> out;
    for (std::size_t i = 0; i < crowd; ++i) {
        out.push_back(server.connect());
        out.back().send(first);
    }
    return out;
}

TEST(slow, heads_that_never_end) {
    running_server server(hurried());
    auto clients = connect_all(server, "GET /livez HTTP/1.1\r\nHost: a\r\n");
    std::atomic<bool> done{false};
    std::thread dripper([&] {
        while (!done) {
            for (auto& client : clients) client.send("X: y\r\n");
            std::this_thread::sleep_for(milliseconds(50));
        }
    });
    EXPECT_LT(worst_answer(server, 100), unbothered);
    std::this_thread::sleep_for(milliseconds(1200));
    done = true;
    dripper.join();
    expect_all_gone(server, clients);
    EXPECT_GE(server.metric("weir_limit_reached_total{limit=\"http.header_deadline_ms\"}") +
                  server.metric("weir_limit_reached_total{limit=\"http.header_bytes_max\"}"),
              static_cast<double>(crowd));
}

TEST(slow, bodies_that_never_end) {
    running_server server(hurried());
    auto clients =
        connect_all(server, "POST /api/v1/execute HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    std::atomic<bool> done{false};
    std::thread dripper([&] {
        while (!done) {
            for (auto& client : clients) client.send("1;a=b\r\nx\r\n");
            std::this_thread::sleep_for(milliseconds(50));
        }
    });
    EXPECT_LT(worst_answer(server, 100), unbothered);
    std::this_thread::sleep_for(milliseconds(1500));
    done = true;
    dripper.join();
    expect_all_gone(server, clients);
    EXPECT_EQ(server.metric("weir_limit_reached_total{limit=\"http.body_deadline_ms\"}"), static_cast<double>(crowd));
}

TEST(slow, readers_that_never_read) {
    running_server server(hurried());
    const auto id = server.accept("hold");
    for (int i = 0; i < 40; ++i) server.output(id, std::string(60'000, 'x'));
    server.conclude(id);
    std::vector<raw_client> clients;
    for (std::size_t i = 0; i < crowd / 4; ++i) {
        clients.push_back(server.connect());
        const int small = 2048;
        ::setsockopt(clients.back().handle(), SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
        const std::string target =
            i % 2 == 0 ? "/api/v1/executions/" + id + "/result" : "/api/v1/events/executions/" + id;
        for (int j = 0; j < 3; ++j) clients.back().send(get(target));
    }
    EXPECT_LT(worst_answer(server, 100), unbothered);
    for (int i = 0; i < 800 && server.metric("weir_http_connections_open") > 0; ++i)
        std::this_thread::sleep_for(milliseconds(10));
    EXPECT_EQ(server.metric("weir_http_connections_open"), 0);
    EXPECT_EQ(server.subscriptions(), 0U);
}

TEST(slow, connections_that_say_nothing) {
    running_server server(hurried());
    auto clients = connect_all(server, "");
    EXPECT_LT(worst_answer(server, 50), unbothered);
    expect_all_gone(server, clients);
}

}  // namespace
}  // namespace http::testing
