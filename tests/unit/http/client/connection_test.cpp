#include "http/client/connection.hpp"

#include <gtest/gtest.h>

#include <boost/asio/error.hpp>

#include "http/client/error.hpp"
#include "runtime/shard_thread.hpp"
#include "tests/unit/http/client/scripted_server.hpp"

namespace http::client {
namespace {

using runtime::milliseconds;
using runtime::result;
using runtime::shard;
using runtime::task;

runtime::steady_time in(milliseconds how_long) { return shard::here().time().steady() + how_long; }

const auto answer_ok = [](scripted_connection& c) {
    c.read_request();
    c.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
};

void on_a_shard(runtime::unique_function<task<void>()> body) {
    runtime::shard_group group(1);
    group.start();
    group.run_and_wait(0, std::move(body));
    group.stop();
}

task<void> two_on_one_connection(std::string address) {
    connection c(shard::here(), *parse_url(address));
    for (int i = 0; i < 2; ++i) {
        const auto got = co_await c.exchange(request("GET", "/"), in(milliseconds(5000)));
        EXPECT_FALSE(got.has_error());
        EXPECT_EQ(got->body, "ok");
    }
    EXPECT_EQ(c.connects(), 1U);
}

TEST(connection, is_kept) {
    scripted_server server({[](scripted_connection& c) {
        for (int i = 0; i < 2; ++i) answer_ok(c);
    }});
    on_a_shard([&] { return two_on_one_connection(server.address()); });
}

task<void> after_server_closed(std::string address, std::string method, bool expect_second) {
    connection c(shard::here(), *parse_url(address));
    EXPECT_FALSE((co_await c.exchange(request("GET", "/"), in(milliseconds(5000)))).has_error());
    const auto second = co_await c.exchange(request(method, "/"), in(milliseconds(5000)));
    EXPECT_EQ(second.has_value(), expect_second);
    EXPECT_EQ(c.connects(), expect_second ? 2U : 1U);
}

TEST(connection, replaces_a_dead_one_for_requests_that_may_be_repeated) {
    scripted_server server({answer_ok, answer_ok});
    on_a_shard([&] { return after_server_closed(server.address(), "GET", true); });
}

TEST(connection, never_sends_a_post_twice) {
    scripted_server server({answer_ok});
    on_a_shard([&] { return after_server_closed(server.address(), "POST", false); });
}

task<void> expect_error(std::string address, runtime::error_code expected, milliseconds limit) {
    connection c(shard::here(), *parse_url(address));
    const auto got = co_await c.exchange(request("GET", "/"), in(limit));
    EXPECT_TRUE(got.has_error());
    EXPECT_EQ(got.error(), expected);
}

TEST(connection, obeys_its_deadline) {
    scripted_server server({[](scripted_connection& c) {
        c.read_request();
        c.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\no");
        c.wait_for_close();
    }});
    const runtime::error_code expected = boost::asio::error::timed_out;
    on_a_shard([&] { return expect_error(server.address(), expected, milliseconds(50)); });
}

TEST(connection, says_that_nobody_listens) {
    std::string address;
    {
        scripted_server server(std::vector<scripted_server::script>{});
        address = server.address();
    }
    const runtime::error_code expected = boost::asio::error::connection_refused;
    on_a_shard([&] { return expect_error(address, expected, milliseconds(5000)); });
}

TEST(connection, says_that_an_answer_was_cut) {
    scripted_server server({[](scripted_connection& c) {
        c.read_request();
        c.write("HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\nonly this");
    }});
    on_a_shard([&] { return expect_error(server.address(), errc::incomplete_answer, milliseconds(5000)); });
}

task<void> early_refusal(std::string address) {
    connection c(shard::here(), *parse_url(address));
    request big("POST", "/");
    big.body.assign(8 << 20, 'x');
    const auto got = co_await c.exchange(std::move(big), in(milliseconds(5000)));
    EXPECT_FALSE(got.has_error());
    EXPECT_EQ(got->head.status, 413);
}

TEST(connection, reads_an_answer_that_came_before_the_body_was_sent) {
    scripted_server server({[](scripted_connection& c) {
        c.write("HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        c.wait_for_close();
    }});
    on_a_shard([&] { return early_refusal(server.address()); });
}

task<void> in_pieces(std::string address, std::string& out) {
    connection c(shard::here(), *parse_url(address));
    const auto head = co_await c.start(request("GET", "/"), in(milliseconds(5000)));
    EXPECT_EQ(head->status, 200);
    while (true) {
        const auto part = co_await c.read_some(in(milliseconds(5000)));
        EXPECT_FALSE(part.has_error());
        if (part.has_error() || part->empty()) break;
        out += *part;
    }
    const auto next = co_await c.exchange(request("GET", "/"), in(milliseconds(5000)));
    EXPECT_EQ(next->body, "ok");
    EXPECT_EQ(c.connects(), 1U);
}

TEST(connection, streams_a_large_body_and_is_kept_after_it) {
    std::string sent;
    for (int i = 0; i < 300'000; ++i) sent += static_cast<char>(i * 7);
    scripted_server server({[&sent](scripted_connection& c) {
        c.read_request();
        c.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        for (std::size_t at = 0; at < sent.size(); at += 1000) c.write("3e8\r\n" + sent.substr(at, 1000) + "\r\n");
        c.write("0\r\n\r\n");
        answer_ok(c);
    }});
    std::string got;
    on_a_shard([&] { return in_pieces(server.address(), got); });
    EXPECT_EQ(got, sent);
}

task<void> by_name(std::uint16_t port) {
    const std::string address = "http://localhost:" + std::to_string(port);
    connection c(shard::here(), *parse_url(address));
    const auto got = co_await c.exchange(request("GET", "/"), in(milliseconds(5000)));
    EXPECT_FALSE(got.has_error()) << got.error().message();
}

TEST(connection, resolves_names_and_tries_each_address) {
    scripted_server server({answer_ok});
    on_a_shard([&] { return by_name(server.port()); });
}

}  // namespace
}  // namespace http::client
