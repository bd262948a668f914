// Random mutations of valid requests, seeded: the parser and the decoder never disagree with themselves, and the server
// never reads what lies behind a refusal.
#include <gtest/gtest.h>

#include <cstdlib>

#include "http/front_door/body_decoder.hpp"
#include "http/front_door/head_parser.hpp"
#include "runtime/base/random.hpp"
#include "tests/unit/http/support/running_server.hpp"

namespace http::front_door {
namespace {

const std::vector<std::string> seeds = {
    "GET /api/v1/executions?limit=3&label=a:b HTTP/1.1\r\nHost: a\r\nAccept: */*\r\n\r\n",
    "GET http://a/livez HTTP/1.1\r\nHost: a\r\nConnection: keep-alive\r\n\r\n",
    "POST /api/v1/execute HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: "
    "15\r\n\r\n{\"script\": \"x\"}",
    "POST /api/v1/execute HTTP/1.1\r\nHost: a:80\r\nContent-Type: application/json\r\nTransfer-Encoding: "
    "chunked\r\n\r\n"
    "5;a=\"b\"\r\n{\"scr\r\na\r\nipt\": \"x\"}\r\n0\r\nX-Trailer: y\r\n\r\n",
    "POST /api/v1/execute HTTP/1.0\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n{}",
    "OPTIONS * HTTP/1.1\r\nHost: [::1]:8080\r\nX: \x80\xff\r\n\r\n",
};

const std::vector<std::string> splices = {
    "\r\n",
    "\n",
    "\r",
    "\r\n\r\n",
    " ",
    "\t",
    ":",
    ",",
    "%00",
    "%",
    std::string(1, 0),
    "\x7f",
    "\x80",
    "chunked",
    "Transfer-Encoding: chunked\r\n",
    "Transfer-Encoding: gzip\r\n",
    "Content-Length: 3\r\n",
    "Content-Length: 0\r\n",
    "Host: b\r\n",
    "\r\n folded",
    "0\r\n\r\n",
    "ffffffffffffffff\r\n",
    "HTTP/1.0",
    "HTTP/2.0",
    "Connection: close\r\n",
    "Expect: 100-continue\r\n",
    "GET / HTTP/1.1\r\n",
    ";",
    "\"",
};

std::string mutate(runtime::random_source& random) {
    std::string out = seeds[random.below(seeds.size())];
    const auto times = 1 + random.below(4);
    for (std::uint64_t i = 0; i < times && !out.empty(); ++i) {
        const auto at = static_cast<std::size_t>(random.below(out.size()));
        const auto some = static_cast<std::size_t>(1 + random.below(8));
        switch (random.below(6)) {
            case 0: out[at] = static_cast<char>(random.below(256)); break;
            case 1: out.erase(at, some); break;
            case 2: out.insert(at, splices[random.below(splices.size())]); break;
            case 3: out.insert(at, out.substr(static_cast<std::size_t>(random.below(out.size())), some * 8)); break;
            case 4: out[at] = static_cast<char>(out[at] ^ (1 << random.below(8))); break;
            default: out.resize(at); break;
        }
    }
    return out;
}

// What came of one request's bytes: how it ended, and what it took.
struct reading {
    head_parser::state head = head_parser::state::need_more;
    body_decoder::state body = body_decoder::state::need_more;
    refusal why = refusal::none;
    std::size_t taken = 0;
    std::string content;
    friend bool operator==(const reading&, const reading&) = default;
};

reading read(std::string_view bytes, std::size_t piece) {
    reading out;
    head_parser parser({});
    request_head head;
    std::size_t seen = 0;
    while (out.head == head_parser::state::need_more && seen < bytes.size()) {
        seen = std::min(bytes.size(), seen + piece);
        out.head = parser.parse(bytes.substr(0, seen), head);
    }
    out.why = parser.why();
    if (out.head != head_parser::state::complete) return out;
    out.taken = parser.consumed();
    EXPECT_LE(out.taken, seen);
    for (const auto& field : head.fields) {
        EXPECT_LE(field.name.offset + field.name.size, out.taken);
        EXPECT_LE(field.value.offset + field.value.size, out.taken);
        EXPECT_EQ(bytes.substr(field.value.offset, field.value.size).find_first_of(std::string_view("\r\n\0", 3)),
                  std::string_view::npos);
    }
    EXPECT_FALSE(head.chunked && head.content_length > 0);
    body_decoder decoder({});
    out.why = decoder.begin(head);
    if (out.why != refusal::none) return out;
    if (decoder.complete()) out.body = body_decoder::state::complete;
    while (out.body == body_decoder::state::need_more && out.taken < bytes.size()) {
        out.body = decoder.decode(bytes.substr(out.taken, piece), out.content);
        out.taken += decoder.consumed();
    }
    out.why = decoder.why();
    if (out.body == body_decoder::state::refused) out.content.clear();  // how much came before depends on the pieces
    if (out.body == body_decoder::state::refused) out.taken = 0;
    EXPECT_LE(out.content.size(), bytes.size());
    return out;
}

std::uint64_t rounds(std::uint64_t usual) {
    const char* const wanted = std::getenv("WEIR_FUZZ_ROUNDS");
    return wanted != nullptr ? std::strtoull(wanted, nullptr, 10) : usual;
}

TEST(front_door_fuzz, reads_the_same_however_it_is_cut) {
    runtime::random_source random(20261121);
    std::size_t complete = 0;
    std::size_t refused = 0;
    const auto count = rounds(50'000);
    for (std::uint64_t i = 0; i < count; ++i) {
        const auto bytes = mutate(random);
        const auto whole = read(bytes, bytes.size() + 1);
        ASSERT_EQ(whole, read(bytes, 1)) << bytes;
        ASSERT_EQ(whole, read(bytes, 1 + static_cast<std::size_t>(random.below(40)))) << bytes;
        complete += whole.body == body_decoder::state::complete ? 1U : 0U;
        refused += whole.why != refusal::none ? 1U : 0U;
    }
    // The mutations are neither all harmless nor all fatal.
    EXPECT_GT(complete, count / 20);
    EXPECT_GT(refused, count / 20);
}

TEST(front_door_fuzz, reads_nothing_behind_a_refusal) {
    server_config config;
    config.limits.header_deadline_ms = 300;
    config.limits.body_idle_ms = 300;
    config.limits.linger_ms = 300;
    testing::running_server server(config);
    runtime::random_source random(7);
    const auto count = rounds(1'500);
    std::size_t closed = 0;
    for (std::uint64_t i = 0; i < count; ++i) {
        const auto bytes = mutate(random);
        auto client = server.connect();
        client.send(bytes + testing::get("/livez", "X-Request-Id: behind\r\n"));
        client.end_sending();
        const auto all = client.rest();
        ASSERT_TRUE(client.closed()) << bytes;
        // Whatever was answered with a close is the last thing there is.
        const auto close = all.find("\r\nConnection: close\r\n");
        if (close == std::string::npos) continue;
        ++closed;
        ASSERT_EQ(all.find("HTTP/1.1 ", close), std::string::npos) << bytes << "\n---\n" << all;
    }
    EXPECT_GT(closed, count / 10);
    EXPECT_EQ(server.connect().ask(testing::get("/livez")).status, 200);
    EXPECT_LE(server.metric("weir_http_connections_open"), 1);
}

}  // namespace
}  // namespace http::front_door
