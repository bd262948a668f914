#include "http/client/websocket.hpp"

#include <gtest/gtest.h>

#include <boost/asio/error.hpp>

#include "http/client/error.hpp"
#include "http/websocket/handshake.hpp"
#include "runtime/shard_thread.hpp"
#include "runtime/spawn.hpp"
#include "tests/unit/http/client/scripted_server.hpp"

namespace http::client {
namespace {

namespace frames = http::websocket;
using frames::opcode;
using frames::role;
using runtime::milliseconds;
using runtime::shard;
using runtime::task;

runtime::steady_time in(milliseconds how_long) { return shard::here().time().steady() + how_long; }

void on_a_shard(runtime::unique_function<task<void>()> body) {
    runtime::shard_group group(1);
    group.start();
    group.run_and_wait(0, std::move(body));
    group.stop();
}

void shake_hands(scripted_connection& c) {
    const std::string asked = c.read_request();
    const std::string name = "Sec-WebSocket-Key: ";
    const auto at = asked.find(name) + name.size();
    const std::string key = asked.substr(at, asked.find("\r\n", at) - at);
    c.write("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nsec-websocket-accept: " +
            frames::accept_of(key) + "\r\n\r\n");
}

std::string frame(opcode what, std::string_view payload) {
    std::string out;
    frames::append_frame(out, what, payload, role::server);
    return out;
}

// What the client has sent, one message.
frames::message said_by_client(scripted_connection& c) {
    frames::frame_reader reader(role::server, 1 << 20);
    frames::message out;
    while (true) {
        const std::string bytes = c.read_some();
        std::string_view left = bytes;
        if (bytes.empty() || reader.read(left, out) != frames::frame_reader::state::needs_more) return out;
    }
}

task<void> talk(std::string address) {
    client::websocket socket(shard::here(), *parse_url(address));
    const auto opened = co_await socket.open("/x", in(milliseconds(5000)));
    EXPECT_FALSE(opened.has_error());
    const auto sent = co_await socket.send(opcode::binary, "typed", in(milliseconds(5000)));
    EXPECT_FALSE(sent.has_error());
    const auto text = co_await socket.next(in(milliseconds(5000)));
    EXPECT_EQ(text->payload, "behind a ping");
    const auto closed = co_await socket.next(in(milliseconds(5000)));
    EXPECT_EQ(closed->what, opcode::close);
    EXPECT_EQ(closed->why, frames::close_code::going_away);
    EXPECT_EQ(closed->payload, "bye");
}

TEST(websocket_client, talks_and_answers_pings) {
    scripted_server server({[](scripted_connection& c) {
        shake_hands(c);
        EXPECT_EQ(said_by_client(c).payload, "typed");
        c.write(frame(opcode::ping, "p"));
        const auto pong = said_by_client(c);
        EXPECT_EQ(pong.what, opcode::pong);
        EXPECT_EQ(pong.payload, "p");
        c.write(frame(opcode::text, "behind a ping"));
        c.write(frame(opcode::close, frames::close_payload(frames::close_code::going_away, "bye")));
        c.wait_for_close();
    }});
    on_a_shard([&] { return talk(server.address()); });
}

task<void> expect_refused(std::string address, runtime::error_code why, unsigned status, std::string body) {
    client::websocket socket(shard::here(), *parse_url(address));
    const auto opened = co_await socket.open("/x", in(milliseconds(5000)));
    EXPECT_TRUE(opened.has_error());
    if (!opened.has_error()) co_return;
    EXPECT_EQ(opened.error(), why);
    EXPECT_FALSE(socket.is_open());
    EXPECT_EQ(socket.refusal().head.status, status);
    EXPECT_EQ(socket.refusal().body, body);
    const auto said = co_await socket.next(in(milliseconds(5000)));
    EXPECT_TRUE(said.has_error()) << "nothing comes from a connection that is not open";
}

TEST(websocket_client, keeps_the_answer_of_a_refusal) {
    scripted_server server({[](scripted_connection& c) {
        c.read_request();
        c.write("HTTP/1.1 409 Conflict\r\nContent-Length: 2\r\n\r\nno");
        c.wait_for_close();
    }});
    on_a_shard([&] { return expect_refused(server.address(), errc::refused, 409, "no"); });
}

TEST(websocket_client, takes_no_handshake_for_another_key) {
    scripted_server server({[](scripted_connection& c) {
        c.read_request();
        c.write("HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n");
        c.wait_for_close();
    }});
    on_a_shard([&] { return expect_refused(server.address(), errc::malformed_answer, 0, ""); });
}

task<void> expect_lost(std::string address, runtime::error_code why, milliseconds wait) {
    client::websocket socket(shard::here(), *parse_url(address));
    const auto opened = co_await socket.open("/x", in(milliseconds(5000)));
    EXPECT_FALSE(opened.has_error());
    const auto said = co_await socket.next(in(wait));
    EXPECT_TRUE(said.has_error());
    if (said.has_error()) EXPECT_EQ(said.error(), why);
}

TEST(websocket_client, tells_masked_frames_the_end_and_silence_apart) {
    scripted_server server({[](scripted_connection& c) {
                                shake_hands(c);
                                std::string masked;
                                frames::append_frame(masked, opcode::text, "x", role::client, 7);
                                c.write(masked);
                                c.wait_for_close();
                            },
                            [](scripted_connection& c) {
                                shake_hands(c);
                                c.write(frame(opcode::text, "half").substr(0, 3));
                            },
                            [](scripted_connection& c) {
                                shake_hands(c);
                                c.wait_for_close();
                            }});
    on_a_shard([&] { return expect_lost(server.address(), errc::malformed_answer, milliseconds(5000)); });
    on_a_shard([&] { return expect_lost(server.address(), errc::incomplete_answer, milliseconds(5000)); });
    on_a_shard([&] { return expect_lost(server.address(), boost::asio::error::timed_out, milliseconds(50)); });
}

// From the ready list: when whoever spawned it waits.
task<void> close_soon(client::websocket* socket) {
    socket->close();
    co_return;
}

task<void> closed_while_waiting(std::string address) {
    client::websocket socket(shard::here(), *parse_url(address));
    const auto opened = co_await socket.open("/x", in(milliseconds(5000)));
    EXPECT_FALSE(opened.has_error());
    runtime::gate background(shard::here());
    runtime::spawn(background, shard::here(), close_soon(&socket));
    const auto said = co_await socket.next(in(milliseconds(5000)));
    EXPECT_TRUE(said.has_error());
    co_await background.close();
    const auto again = co_await socket.open("/x", in(milliseconds(5000)));
    EXPECT_FALSE(again.has_error()) << "the same object opens another connection";
}

TEST(websocket_client, can_be_closed_by_another_task) {
    const auto wait = [](scripted_connection& c) {
        shake_hands(c);
        c.wait_for_close();
    };
    scripted_server server({wait, wait});
    on_a_shard([&] { return closed_while_waiting(server.address()); });
}

}  // namespace
}  // namespace http::client
