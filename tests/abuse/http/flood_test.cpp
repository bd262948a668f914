// Clients that send as much as they can, or go before they are answered.
#include <gtest/gtest.h>
#include <fcntl.h>
#include <sys/resource.h>

#include <atomic>
#include <fstream>
#include <thread>

#include "tests/unit/http/support/running_server.hpp"

namespace http::testing {
namespace {

using std::chrono::milliseconds;

std::size_t open_files() {
    std::size_t out = 0;
    for (int fd = 0; fd < 65536; ++fd) out += ::fcntl(fd, F_GETFD) >= 0 ? 1U : 0U;
    return out;
}

// What a sanitizer keeps aside says nothing about the server.
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
std::size_t resident_kib() { return 0; }
#else
std::size_t resident_kib() {
    std::ifstream status("/proc/self/statm");
    std::size_t pages = 0;
    status >> pages >> pages;
    return pages * 4;
}
#endif

// Until it stays calm: connections that were reset may still wait to be accepted when the count is met for a moment.
void settle(running_server& server, double connections) {
    constexpr int calm_enough = 20;
    int calm = 0;
    for (int i = 0; i < 500 && calm < calm_enough; ++i) {
        calm = server.metric("weir_http_connections_open") > connections ? 0 : calm + 1;
        std::this_thread::sleep_for(milliseconds(10));
    }
    EXPECT_EQ(calm, calm_enough) << server.metric("weir_http_connections_open") << " connections are open";
}

TEST(flood, connections_reset_at_every_moment) {
    running_server server;
    const auto before = open_files();
    const std::string request = post("/api/v1/execute", R"({"script":"echo hi"})", "Prefer: wait=1\r\n");
    for (std::size_t i = 0; i < 2000; ++i) {
        auto client = server.connect();
        client.send(std::string_view(request).substr(0, i % (request.size() + 1)));
        if (i % 3 == 0) client.end_sending();
        client.reset();
    }
    settle(server, 0);
    EXPECT_LE(open_files(), before);
    EXPECT_EQ(server.connect().ask(get("/livez")).status, 200);
}

TEST(flood, streams_opened_and_dropped) {
    running_server server;
    const auto id = server.accept("hold");
    const auto before = open_files();
    for (int i = 0; i < 500; ++i) {
        auto client = server.connect();
        client.send(get("/api/v1/events/executions/" + id));
        if (i % 2 == 0) client.wait_for("id: 1\n");
        client.reset();
    }
    settle(server, 0);
    EXPECT_EQ(server.subscriptions(), 0U);
    EXPECT_EQ(server.metric("weir_sse_streams_open"), 0);
    EXPECT_LE(open_files(), before);
}

TEST(flood, a_pipeline_without_end_leaves_room_for_others) {
    running_server server({}, 1);
    std::atomic<bool> done{false};
    std::thread flooder([&] {
        auto client = server.connect();
        std::string many;
        for (int i = 0; i < 1000; ++i) many += get("/livez");
        std::thread reader([&] {
            while (client.receive(milliseconds(500))) client.received().clear();
        });
        while (!done && client.send(many)) {
        }
        client.end_sending();
        reader.join();
    });
    auto other = server.connect();
    for (int i = 0; i < 100; ++i) {
        const auto begin = std::chrono::steady_clock::now();
        EXPECT_EQ(other.ask(get("/livez")).status, 200);
        EXPECT_LT(std::chrono::steady_clock::now() - begin, milliseconds(3000));
    }
    done = true;
    flooder.join();
}

TEST(flood, a_pipeline_nobody_reads_stops_by_itself) {
    server_config config;
    config.limits.write_deadline_ms = 500;
    running_server server(config, 1);
    auto client = server.connect();
    EXPECT_EQ(client.ask(get("/livez")).status, 200);
    std::string many;
    for (int i = 0; i < 1000; ++i) many += get("/openapi.json");
    const auto before = resident_kib();
    std::thread sender([&] {
        while (client.send(many)) {
        }
    });
    settle(server, 0);
    EXPECT_LT(resident_kib(), before + 64 * 1024);
    EXPECT_GE(server.metric("weir_limit_reached_total{limit=\"http.write_deadline_ms\"}"), 1);
    sender.join();
}

TEST(flood, bodies_of_the_greatest_size_from_many) {
    server_config config;
    config.limits.bodies_bytes_max = 32U << 20;
    running_server server(config, 1);
    const auto before = resident_kib();
    std::vector<std::thread> senders;
    std::atomic<int> answered{0};
    for (int i = 0; i < 20; ++i) {
        senders.emplace_back([&] {
            auto client = server.connect();
            client.send(
                "POST /api/v1/execute HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: "
                "10000000\r\n\r\n");
            const std::string piece(100'000, ' ');
            for (int j = 0; j < 100; ++j)
                if (!client.send(piece)) break;
            const auto status = client.answer().status;
            EXPECT_TRUE(status == 400 || status == 503) << status;
            ++answered;
        });
    }
    for (auto& sender : senders) sender.join();
    EXPECT_EQ(answered, 20);
    EXPECT_LT(resident_kib(), before + 160 * 1024);
    EXPECT_EQ(server.connect().ask(post("/api/v1/execute", R"({"script":"x"})")).status, 202);
}

TEST(flood, no_file_descriptors_left) {
    running_server server;
    rlimit before{};
    ::getrlimit(RLIMIT_NOFILE, &before);
    auto kept = server.connect();
    EXPECT_EQ(kept.ask(get("/livez")).status, 200);
    // Client and server share this process: half of what is left is the clients'.
    rlimit few = before;
    few.rlim_cur = open_files() + 41;
    ::setrlimit(RLIMIT_NOFILE, &few);
    std::vector<raw_client> clients;
    try {
        for (int i = 0; i < 41; ++i) clients.push_back(server.connect());
    } catch (const std::runtime_error&) {
    }
    std::this_thread::sleep_for(milliseconds(300));
    EXPECT_EQ(kept.ask(get("/livez")).status, 200);
    EXPECT_GT(server.metric("weir_http_accept_pauses_total"), 0);
    clients.clear();
    ::setrlimit(RLIMIT_NOFILE, &before);
    EXPECT_EQ(server.connect().ask(get("/livez")).status, 200);
}

TEST(flood, json_made_to_cost) {
    running_server server({}, 1);
    auto client = server.connect();
    std::string members = "{\"script\":\"x\"";
    for (int i = 0; members.size() < 9'000'000; ++i) members += ",\"k" + std::to_string(i) + "\":{\"a\":1,\"a\":1}";
    members += "}";
    const std::vector<std::string> bodies = {std::string(9'000'000, '['),
                                             std::string(9'000'000, '{'),
                                             "{\"script\":" + std::string(9'000'000, '1') + "}",
                                             members,
                                             "{\"script\":\"" + std::string(9'000'000, 'a') + "\"}",
                                             "{\"args\":[" + std::string(8'000'000, '1') + "]}",
                                             "{\"\\u0000" + std::string(8'000'000, '~') + "\":1}"};
    for (const auto& body : bodies) {
        client.send(post("/api/v1/execute", body));
        const auto begin = std::chrono::steady_clock::now();
        const auto answer = client.answer();
        EXPECT_TRUE(answer.status == 400 || answer.status == 422) << answer.status;
        EXPECT_LT(answer.body.size(), 20'000U);
        EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(2));
    }
    std::string arrays = "{\"args\":[1";
    for (int i = 0; i < 4'000'000; ++i) arrays += ",1";
    EXPECT_EQ(client.ask(post("/api/v1/execute", arrays + "]}")).status, 422);
}

}  // namespace
}  // namespace http::testing
