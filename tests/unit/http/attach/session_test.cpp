// Attached clients over real sockets: every second execution is at home on the other shard.
#include "http/attach/session.hpp"

#include <gtest/gtest.h>

#include "runtime/submit.hpp"
#include "tests/unit/http/support/running_server.hpp"

namespace http::testing {
namespace {

using websocket::message;
using websocket::opcode;

std::string handshake(const std::string& id, std::string_view more = "") {
    return "GET /api/v1/executions/" + id +
           "/attach HTTP/1.1\r\nHost: here\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n"
           "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" +
           std::string(more) + "\r\n";
}

std::string frame(opcode what, std::string_view payload) {
    std::string out;
    websocket::append_frame(out, what, payload, websocket::role::client, 0x01020304);
    return out;
}

class attached {
  public:
    explicit attached(running_server& server, const std::string& id, std::string_view more = "")
        : client_(server.connect()) {
        client_.send(handshake(id) + std::string(more));
        EXPECT_TRUE(client_.wait_for("\r\n\r\n"));
        auto& received = client_.received();
        const auto end = received.find("\r\n\r\n");
        head_ = received.substr(0, end);
        received.erase(0, end + 4);
    }
    raw_client& client() { return client_; }
    [[nodiscard]] const std::string& head() const { return head_; }
    void send(opcode what, std::string_view payload) { client_.send(frame(what, payload)); }
    // The next message; a close without a code when there is none.
    message next() {
        message out;
        out.what = opcode::close;
        while (true) {
            std::string_view bytes = client_.received();
            const auto read = frames_.read(bytes, out);
            client_.received() = std::string(bytes);
            if (read == websocket::frame_reader::state::message) return out;
            if (!client_.receive()) return out;
        }
    }
    message next(opcode what) {
        auto out = next();
        while (out.what != what && out.what != opcode::close) out = next();
        return out;
    }

  private:
    raw_client client_;
    std::string head_;
    websocket::frame_reader frames_{websocket::role::client, 1 << 20};
};

std::string accept_live(running_server& server, std::string_view how = "true") {
    auto client = server.connect();
    const auto answer =
        client.ask(post("/api/v1/execute", "{\"script\":\"hold\",\"interactive\":" + std::string(how) + "}"));
    EXPECT_EQ(answer.status, 202) << answer.body;
    return member(answer.body, "execution_id");
}

// What waits for the program.
std::string waiting(running_server& server, const std::string& id) {
    std::string out;
    const auto parsed = *pipeline::execution_id::parse(id);
    auto& world = server.world();
    const auto home = world.home_index(parsed);
    const auto look = [](fake_store* store, pipeline::execution_id which, std::string* to) -> task<void> {
        *to = store->executions.at(which)->input->waiting();
        co_return;
    };
    server.shards().run_and_wait(home, [&] { return look(world.stores[home].get(), parsed, &out); });
    return out;
}

TEST(attach_session, greets_and_sends_events_until_the_end) {
    running_server server;
    for (int i = 0; i < 10; ++i) {
        const auto id = accept_live(server);
        attached one(server, id);
        EXPECT_TRUE(one.head().starts_with("HTTP/1.1 101 Switching Protocols\r\n")) << one.head();
        EXPECT_NE(one.head().find("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), std::string::npos);
        EXPECT_EQ(one.next().payload, "{\"type\":\"attached\",\"execution_id\":\"" + id + "\",\"interactive\":{}}");
        for (int number = 1; number <= 5; ++number)
            EXPECT_TRUE(one.next().payload.starts_with("{\"seq\":" + std::to_string(number) + ",")) << number;
        server.output(id, "hello");
        EXPECT_EQ(member(one.next().payload, "text"), "hello");
        server.conclude(id);
        EXPECT_EQ(member(one.next().payload, "event_type"), "execution_completed");
        const auto end = one.next();
        EXPECT_EQ(end.what, opcode::close);
        EXPECT_EQ(end.why, websocket::close_code::normal);
        EXPECT_TRUE(one.client().closed());
    }
    EXPECT_EQ(server.metric("weir_attach_clients"), 0);
    EXPECT_EQ(server.metric("weir_attach_clients_total"), 10);
}

TEST(attach_session, what_comes_right_behind_the_handshake_is_not_lost) {
    running_server server;
    for (int i = 0; i < 4; ++i) {
        const auto id = accept_live(server);
        attached one(server, id, frame(opcode::binary, "early ") + frame(opcode::ping, "x"));
        EXPECT_EQ(one.next(opcode::pong).payload, "x");
        one.send(opcode::binary, "bird");
        one.send(opcode::ping, "y");
        EXPECT_EQ(one.next(opcode::pong).payload, "y");
        EXPECT_EQ(waiting(server, id), "early bird");
    }
}

TEST(attach_session, a_full_input_stops_the_client_until_there_is_room) {
    running_server server;
    const auto id = accept_live(server);
    attached one(server, id);
    for (int i = 0; i < 3; ++i) one.send(opcode::binary, std::string(40'000, static_cast<char>('a' + i)));
    one.send(opcode::ping, "behind");
    while (waiting(server, id).size() < pipeline::attach_input_bytes_max) {
    }
    // The pong would have to come behind bytes that there is no room for.
    EXPECT_EQ(server.metric("weir_limit_reached_total{limit=\"attach.input_bytes_max\"}"), 1);
    std::string all;
    const auto parsed = *pipeline::execution_id::parse(id);
    auto& world = server.world();
    const auto home = world.home_index(parsed);
    const auto drain = [](fake_store* store, pipeline::execution_id which, std::string* to) -> task<void> {
        auto& input = *store->executions.at(which)->input;
        *to += input.waiting();
        input.drop(input.waiting().size());
        co_return;
    };
    while (all.size() < 120'000)
        server.shards().run_and_wait(home, [&] { return drain(world.stores[home].get(), parsed, &all); });
    EXPECT_EQ(all, std::string(40'000, 'a') + std::string(40'000, 'b') + std::string(40'000, 'c'));
    EXPECT_EQ(one.next(opcode::pong).payload, "behind");
}

TEST(attach_session, a_close_is_answered) {
    running_server server;
    const auto id = accept_live(server);
    attached one(server, id);
    one.send(opcode::close, websocket::close_payload(websocket::close_code::going_away, "bye"));
    const auto end = one.next(opcode::close);
    EXPECT_EQ(end.why, websocket::close_code::going_away);
    EXPECT_TRUE(one.client().closed());
    EXPECT_EQ(server.metric("weir_attach_clients"), 0);
}

TEST(attach_session, what_is_wrong_closes_with_its_reason) {
    running_server server;
    const auto id = accept_live(server);
    attached one(server, id);
    one.send(opcode::text, R"({"type":"resize","rows":24,"columns":80})");
    auto end = one.next(opcode::close);
    while (end.what != opcode::close) end = one.next();
    EXPECT_EQ(end.why, websocket::close_code::policy);
    EXPECT_EQ(end.payload, "resize: the program has no terminal");
    attached two(server, id);
    two.send(opcode::binary, std::string(attach::message_bytes_max + 1, 'x'));
    EXPECT_EQ(two.next(opcode::close).why, websocket::close_code::too_large);
    EXPECT_EQ(server.metric("weir_limit_reached_total{limit=\"attach.message_bytes_max\"}"), 1);
}

TEST(attach_session, the_end_of_the_server_is_told) {
    running_server server;
    const auto id = accept_live(server, R"({"pty":{"rows":5,"columns":6}})");
    attached one(server, id);
    EXPECT_NE(one.next().payload.find(R"("interactive":{"pty":{"rows":5,"columns":6}})"), std::string::npos);
    for (int i = 0; i < 5; ++i) one.next();
    server.drain();
    EXPECT_EQ(one.next().payload, R"({"type":"drain","reason":"shutting_down"})");
    EXPECT_EQ(one.next().why, websocket::close_code::going_away);
}

TEST(attach_session, a_client_that_goes_is_forgotten) {
    running_server server;
    for (int i = 0; i < 20; ++i) {
        const auto id = accept_live(server);
        attached one(server, id);
        one.send(opcode::binary, "x");
        one.client().reset();
    }
    while (server.metric("weir_attach_clients") != 0) {
    }
    EXPECT_EQ(server.subscriptions(), 0U);
}

TEST(attach_session, only_websockets_come_in) {
    running_server server;
    const auto id = accept_live(server);
    auto client = server.connect();
    const auto plain = client.ask(get("/api/v1/executions/" + id + "/attach"));
    EXPECT_EQ(plain.status, 426);
    EXPECT_EQ(plain.field("upgrade"), "websocket");
    EXPECT_EQ(plain.field("sec-websocket-version"), "13");
    auto foreign = server.connect();
    EXPECT_EQ(foreign.ask(handshake(id, "Origin: https://there\r\n")).status, 403);
    auto own = server.connect();
    own.send(handshake(id, "Origin: https://here\r\n"));
    EXPECT_TRUE(own.wait_for("HTTP/1.1 101 "));
    auto held = server.connect();
    EXPECT_EQ(held.ask(handshake(server.accept("hold"))).status, 409);
}

}  // namespace
}  // namespace http::testing
