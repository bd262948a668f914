#include "stages/worker/network/proxy_head.hpp"

#include <gtest/gtest.h>

#include "runtime/base/random.hpp"

namespace stages::worker::network {
namespace {

using state = proxy_head::state;

TEST(proxy_head, reads_a_tunnel) {
    const auto head = read_proxy_head("CONNECT Example.org:443 HTTP/1.1\r\nHost: other:1\r\n\r\nearly");
    ASSERT_EQ(head.is, state::complete);
    EXPECT_TRUE(head.is_tunnel);
    EXPECT_EQ(head.where.to_string(), "example.org:443") << "the request line says it, not Host";
    EXPECT_EQ(head.bytes, std::string_view("CONNECT Example.org:443 HTTP/1.1\r\nHost: other:1\r\n\r\n").size());
    EXPECT_EQ(read_proxy_head("CONNECT [2606::1]:443 HTTP/1.0\r\n\r\n").where.to_string(), "[2606::1]:443");
}

TEST(proxy_head, makes_the_origins_request) {
    const auto head = read_proxy_head(
        "POST http://A.org:81/x?y=http://b.org/ HTTP/1.1\r\nHost: b.org\r\nAccept: */*\r\nProxy-Authorization: "
        "secret\r\n"
        "proxy-connection: keep-alive\r\nCONNECTION: keep-alive\r\nContent-Length: 2\r\n\r\nok");
    ASSERT_EQ(head.is, state::complete);
    EXPECT_FALSE(head.is_tunnel);
    EXPECT_EQ(head.where.to_string(), "a.org:81");
    EXPECT_EQ(head.forward,
              "POST /x?y=http://b.org/ HTTP/1.1\r\nHost: A.org:81\r\nAccept: */*\r\nContent-Length: 2\r\n"
              "Connection: close\r\n\r\n");
    EXPECT_EQ(read_proxy_head("GET HTTP://a.org HTTP/1.1\r\n\r\n").forward,
              "GET / HTTP/1.1\r\nHost: a.org\r\nConnection: close\r\n\r\n");
    EXPECT_EQ(read_proxy_head("GET http://a.org?q HTTP/1.1\r\n\r\n").forward.substr(0, 16), "GET /?q HTTP/1.1");
    EXPECT_EQ(read_proxy_head("GET http://10.0.0.1/ HTTP/1.1\r\n\r\n").where.to_string(), "10.0.0.1:80");
}

TEST(proxy_head, refuses_what_could_be_read_in_two_ways) {
    for (const char* text : {"GET / HTTP/1.1\r\nHost: a.org\r\n\r\n",
                             "GET https://a.org/ HTTP/1.1\r\n\r\n",
                             "CONNECT a.org HTTP/1.1\r\n\r\n",
                             "CONNECT a.org:0 HTTP/1.1\r\n\r\n",
                             "CONNECT a.org:65536 HTTP/1.1\r\n\r\n",
                             "CONNECT a.org:443\r\n\r\n",
                             "CONNECT 2130706433:80 HTTP/1.1\r\n\r\n",
                             "CONNECT 0x7f000001:80 HTTP/1.1\r\n\r\n",
                             "CONNECT 0177.0.0.1:80 HTTP/1.1\r\n\r\n",
                             "CONNECT 127.1:80 HTTP/1.1\r\n\r\n",
                             "CONNECT ::1:80 HTTP/1.1\r\n\r\n",
                             "CONNECT user@a.org:80 HTTP/1.1\r\n\r\n",
                             "CONNECT a.org:80 HTTP/2.0\r\n\r\n",
                             "CONNECT  a.org:80 HTTP/1.1\r\n\r\n",
                             "GET http://a.org@127.0.0.1/ HTTP/1.1\r\n\r\n",
                             "GET http://127.0.0.1#@a.org/ HTTP/1.1\r\n\r\nx",
                             "GET http://a.org\\@b.org/ HTTP/1.1\r\n\r\n",
                             "GET http:///x HTTP/1.1\r\n\r\n",
                             "GET http://a.org/#x HTTP/1.1\r\n\r\n",
                             "GET http://a.org/ HTTP/1.1\r\nbad field\r\n\r\n",
                             "G(T http://a.org/ HTTP/1.1\r\n\r\n",
                             "GET http://a.org/ HTTP/1.1\r\n folded: x\r\n\r\n",
                             "GET http://a.org/ HTTP/1.1\r\nA: b\nHost: c\r\n\r\n",
                             "GET http://a.org/ HTTP/1.1\r\nA : b\r\n\r\n",
                             "\x05\x01\x02\r\n\r\n",
                             "\r\n\r\n",
                             "GET http://a.org:/ HTTP/1.1\r\n\r\n"})
        EXPECT_EQ(read_proxy_head(text).is, state::malformed) << text;
}

TEST(proxy_head, waits_for_its_end_and_no_longer_than_its_limit) {
    const std::string whole = "CONNECT a.org:80 HTTP/1.1\r\nA: b\r\n\r\n";
    for (std::size_t size = 0; size < whole.size(); ++size)
        EXPECT_EQ(read_proxy_head(std::string_view(whole).substr(0, size)).is, state::needs_more) << size;
    EXPECT_EQ(read_proxy_head(whole).is, state::complete);
    const std::string endless(proxy_head_bytes_max, 'x');
    EXPECT_EQ(read_proxy_head(endless).is, state::too_large);
    EXPECT_EQ(read_proxy_head(endless + "\r\n\r\n").is, state::too_large);
}

TEST(proxy_head, survives_random_bytes) {
    runtime::random_source random(7);
    const std::string seed = "GET http://a.org:81/x HTTP/1.1\r\nHost: b.org\r\nAccept: */*\r\n\r\nbody";
    for (int i = 0; i < 20'000; ++i) {
        std::string bytes = seed;
        for (int changes = 0; changes < 3; ++changes)
            bytes[random.below(bytes.size())] = static_cast<char>(random.below(256));
        const auto head = read_proxy_head(bytes);
        if (head.is != state::complete) continue;
        ASSERT_LE(head.bytes, bytes.size());
        ASSERT_FALSE(head.where.host.empty());
        ASSERT_NE(head.where.port, 0);
    }
}

}  // namespace
}  // namespace stages::worker::network
