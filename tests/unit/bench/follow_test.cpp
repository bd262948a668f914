#include <gtest/gtest.h>

#include "bench/calls.hpp"
#include "tests/support/two_shards.hpp"
#include "tests/unit/http/client/scripted_server.hpp"

namespace bench {
namespace {

using http::client::scripted_connection;
using http::client::scripted_server;
using runtime::task;

constexpr const char* id = "0192f3c1-7a50-7c1e-9d3f-2b8a6c4e0f17";
constexpr std::array types = {"execution_requested", "execution_accepted", "execution_queued",
                              "execution_scheduled", "execution_started",  "execution_completed"};

std::string events(std::size_t from, std::size_t to) {
    std::string out;
    for (std::size_t n = from; n <= to; ++n)
        out += "id: " + std::to_string(n) + "\nevent: " + types[n - 1] + "\ndata: {\"seq\":" + std::to_string(n) +
               ",\"execution_id\":\"" + id + "\",\"attempt\":1,\"status\":\"completed\"}\n\n";
    return out;
}

const std::string head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n";

scripted_server::script sends(std::string body, std::string* asked = nullptr) {
    return [body = std::move(body), asked](scripted_connection& client) {
        const auto request = client.read_request();
        if (asked != nullptr) *asked = request;
        client.write(head + body);
    };
}

struct outcome {
    follow_report report;
    findings wrong;
    std::uint64_t last = 0;
};

outcome followed(const scripted_server& server, std::uint64_t break_behind = 0, int deadline_ms = 10'000) {
    outcome out;
    tests::machine_shards shards;
    shards.run(0, [&]() -> task<void> {
        auto& home = runtime::shard::here();
        const http::client::url where{"127.0.0.1", server.port(), ""};
        event_checker checker(id, out.wrong);
        follow_options options;
        options.deadline = home.time().steady() + runtime::milliseconds(deadline_ms);
        options.break_behind = break_behind;
        out.report = co_await follow(home, where, id, checker, out.wrong, options);
        out.last = checker.last();
    });
    return out;
}

TEST(follow, reads_to_the_end) {
    const scripted_server server({sends(events(1, 6))});
    const auto seen = followed(server);
    EXPECT_EQ(seen.report.end, follow_end::ended);
    EXPECT_EQ(seen.report.events, 6U);
    EXPECT_GT(seen.report.end_seen_us, 0);
    EXPECT_EQ(seen.wrong.total(), 0U);
    EXPECT_EQ(seen.report.resumed, 0U);
}

TEST(follow, resumes_behind_the_last_event_when_the_stream_breaks) {
    std::string asked;
    const scripted_server server({sends(events(1, 3)), sends(events(4, 6), &asked)});
    const auto seen = followed(server);
    EXPECT_EQ(seen.report.end, follow_end::ended);
    EXPECT_EQ(seen.report.resumed, 1U);
    EXPECT_EQ(seen.wrong.total(), 0U);
    EXPECT_NE(asked.find("Last-Event-ID: 3\r\n"), std::string::npos) << asked;
}

TEST(follow, breaks_off_where_it_is_told_and_sees_a_gap_behind_it) {
    for (const std::size_t goes_on_at : {4, 5, 3}) {
        const auto wait = [](scripted_connection& client) {
            client.read_request();
            client.write(head + events(1, 3));
            client.wait_for_close();
        };
        const scripted_server server({wait, sends(events(goes_on_at, 6))});
        const auto seen = followed(server, 2);
        EXPECT_EQ(seen.report.reconnects, 1U);
        EXPECT_EQ(seen.report.resumed, 0U);
        EXPECT_EQ(seen.report.end, follow_end::ended);
        if (goes_on_at == 4) EXPECT_EQ(seen.wrong.total(), 0U);
        if (goes_on_at == 5) EXPECT_TRUE(seen.wrong.counts().contains("event_gap"));
        if (goes_on_at == 3) EXPECT_TRUE(seen.wrong.counts().contains("event_twice"));
    }
}

TEST(follow, tells_an_unknown_execution_from_a_silent_server) {
    const scripted_server gone({[](scripted_connection& client) {
        client.read_request();
        client.write("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
    }});
    EXPECT_EQ(followed(gone).report.end, follow_end::gone);
    const scripted_server silent({[](scripted_connection& client) { client.read_request(); }});
    EXPECT_EQ(followed(silent, 0, 500).report.end, follow_end::lost);
    const scripted_server slow({[](scripted_connection& client) {
        client.read_request();
        client.write(head + events(1, 2));
        client.wait_for_close();
    }});
    const auto unfinished = followed(slow, 0, 500);
    EXPECT_EQ(unfinished.report.end, follow_end::unfinished);
    EXPECT_EQ(unfinished.last, 2U);
}

TEST(follow, finds_that_there_is_nothing_behind_an_event_that_is_no_end) {
    const scripted_server server({sends(events(1, 3)), [](scripted_connection& client) {
                                      client.read_request();
                                      client.write("HTTP/1.1 204 No Content\r\n\r\n");
                                  }});
    EXPECT_TRUE(followed(server).wrong.counts().contains("never_ended"));
}

TEST(follow, finds_a_second_end_behind_the_first) {
    auto twice = events(1, 6) + "id: 7\nevent: execution_failed\ndata: {\"seq\":7,\"execution_id\":\"" +
                 std::string(id) + "\",\"attempt\":1,\"status\":\"failed\"}\n\n";
    const scripted_server server({sends(std::move(twice))});
    EXPECT_TRUE(followed(server).wrong.counts().contains("ended_twice"));
}

}  // namespace
}  // namespace bench
