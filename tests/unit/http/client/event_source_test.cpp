#include "http/client/event_source.hpp"

#include <gtest/gtest.h>

#include <boost/asio/error.hpp>

#include "http/client/error.hpp"
#include "runtime/shard_thread.hpp"
#include "tests/unit/http/client/scripted_server.hpp"

namespace http::client {
namespace {

using runtime::milliseconds;
using runtime::shard;
using runtime::task;

constexpr std::string_view stream_head =
    "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";

std::string chunk(const std::string& text) {
    char size[32];
    std::snprintf(size, sizeof size, "%zx\r\n", text.size());
    return size + text + "\r\n";
}

struct outcome {
    std::string ids;
    runtime::error_code error;
    int refused_status = 0;
    std::uint64_t reconnects = 0;
};

task<void> read_all(std::string address, std::string after, event_source_options options, outcome& out) {
    event_source source(shard::here(), *parse_url(address), "/events", std::move(after), options);
    while (true) {
        const auto next = co_await source.next();
        if (next.has_error()) {
            out.error = next.error();
            break;
        }
        if (!*next) break;
        out.ids += (*next)->id + ":" + (*next)->data + " ";
    }
    out.refused_status = source.refusal().head.status;
    out.reconnects = source.reconnects();
}

outcome read_from(scripted_server& server, std::string after = "", event_source_options options = {}) {
    outcome out;
    runtime::shard_group group(1);
    group.start();
    group.run_and_wait(0, [&] { return read_all(server.address(), after, options, out); });
    group.stop();
    return out;
}

event_source_options quick() {
    event_source_options options;
    options.pauses.first = milliseconds(5);
    options.pauses.max = milliseconds(20);
    return options;
}

void no_more(scripted_connection& c) {
    c.read_request();
    c.write("HTTP/1.1 204 No Content\r\n\r\n");
}

TEST(event_source, resumes_behind_the_last_whole_event) {
    std::vector<std::string> requests;
    scripted_server server({[&](scripted_connection& c) {
                                requests.push_back(c.read_request());
                                c.write(stream_head);
                                c.write(chunk("id: 1\ndata: a\n\nid: 2\nda") + chunk("ta: b\n\nid: 3\ndata: half"));
                                c.reset_at_close();
                            },
                            [&](scripted_connection& c) {
                                requests.push_back(c.read_request());
                                c.write("HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n");
                            },
                            [&](scripted_connection& c) {
                                requests.push_back(c.read_request());
                                c.write(stream_head);
                                c.write(chunk("id: 3\ndata: c\n\n") + "0\r\n\r\n");
                            },
                            no_more});
    const outcome got = read_from(server, "", quick());
    server.join();
    EXPECT_FALSE(got.error) << got.error.message();
    // A reset may overtake bytes that were sent before it; whatever arrived, nothing is doubled or lost.
    EXPECT_NE(got.ids.find("3:c "), std::string::npos);
    EXPECT_EQ(requests[0].find("Last-Event-ID"), std::string::npos);
    if (got.ids == "1:a 2:b 3:c ") {
        EXPECT_NE(requests[2].find("Last-Event-ID: 2\r\n"), std::string::npos);
    }
    EXPECT_EQ(got.reconnects, 3U);
}

TEST(event_source, begins_behind_a_given_event) {
    std::string asked;
    scripted_server server({[&](scripted_connection& c) {
        asked = c.read_request();
        c.write("HTTP/1.1 204 No Content\r\n\r\n");
    }});
    const outcome got = read_from(server, "41");
    server.join();
    EXPECT_FALSE(got.error);
    EXPECT_NE(asked.find("Last-Event-ID: 41\r\n"), std::string::npos);
}

TEST(event_source, gives_a_refusal_to_the_caller) {
    scripted_server server({[](scripted_connection& c) {
        c.read_request();
        c.write("HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\nnope");
    }});
    const outcome got = read_from(server);
    EXPECT_EQ(got.error, errc::refused);
    EXPECT_EQ(got.refused_status, 404);
}

TEST(event_source, says_at_once_that_nobody_listens) {
    scripted_server server(std::vector<scripted_server::script>{});
    server.join();
    EXPECT_EQ(read_from(server).error, boost::asio::error::connection_refused);
}

TEST(event_source, gives_up_in_the_end) {
    scripted_server server({[](scripted_connection& c) {
        c.read_request();
        c.write(stream_head);
        c.write(chunk("id: 1\ndata: a\n\n") + "0\r\n\r\n");
    }});
    auto options = quick();
    options.pauses.give_up_after = milliseconds(100);
    const outcome got = read_from(server, "", options);
    EXPECT_EQ(got.ids, "1:a ");
    EXPECT_EQ(got.error, errc::gave_up);
    EXPECT_GT(got.reconnects, 2U);
}

TEST(event_source, takes_silence_for_death) {
    scripted_server server({[](scripted_connection& c) {
                                c.read_request();
                                c.write(stream_head);
                                c.write(chunk("id: 1\ndata: a\n\n"));
                                c.wait_for_close();
                            },
                            no_more});
    auto options = quick();
    options.silence_max = milliseconds(60);
    const outcome got = read_from(server, "", options);
    EXPECT_EQ(got.ids, "1:a ");
    EXPECT_FALSE(got.error);
}

}  // namespace
}  // namespace http::client
