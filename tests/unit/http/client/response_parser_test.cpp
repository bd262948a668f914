#include "http/client/response_parser.hpp"

#include <gtest/gtest.h>

#include "http/client/error.hpp"
#include "runtime/base/random.hpp"

namespace http::client {
namespace {

struct read_answer {
    runtime::error_code error;
    response_head head;
    std::string body;
    std::size_t used = 0;
    bool done = false;
};

// Feeds in pieces of the sizes that `next_size` gives.
template <class NextSize>
read_answer read(std::string_view bytes, NextSize next_size, bool to_head = false, response_limits limits = {}) {
    response_parser parser(limits, to_head);
    read_answer out;
    while (!bytes.empty() && !parser.done()) {
        const auto piece = bytes.substr(0, next_size());
        const auto used = parser.feed(piece, out.body);
        if (used.has_error()) {
            out.error = used.error();
            return out;
        }
        out.used += *used;
        bytes.remove_prefix(*used);
        if (*used < piece.size()) break;
    }
    if (!parser.done()) {
        const auto end = parser.finish();
        if (end.has_error()) out.error = end.error();
    }
    out.done = parser.done();
    out.head = parser.head();
    return out;
}

read_answer read_whole(std::string_view bytes, bool to_head = false, response_limits limits = {}) {
    return read(bytes, [&] { return bytes.size(); }, to_head, limits);
}

TEST(response_parser, reads_a_length) {
    const auto got = read_whole("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-A:  b c \t\r\n\r\nhelloNEXT");
    EXPECT_FALSE(got.error);
    EXPECT_EQ(got.head.status, 200);
    EXPECT_EQ(got.head.reason, "OK");
    EXPECT_EQ(got.head.header("x-a"), "b c");
    EXPECT_EQ(got.body, "hello");
    EXPECT_TRUE(got.head.keep_alive);
    EXPECT_EQ(got.used, 56U) << "bytes behind the answer stay";
}

constexpr std::string_view chunked_answer =
    "HTTP/1.1 100 Continue\r\n\r\n"
    "HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    "5;name=\"v\"\r\nhello\r\n1A\r\nabcdefghijklmnopqrstuvwxyz\r\n0\r\nTrailer: x\r\n\r\n";

TEST(response_parser, reads_chunks_however_they_are_split) {
    runtime::random_source random(7);
    for (int i = 0; i < 500; ++i) {
        const auto got = read(chunked_answer, [&] { return 1 + random.below(i < 2 ? 1 : 12); });
        ASSERT_FALSE(got.error);
        EXPECT_EQ(got.head.status, 201);
        EXPECT_EQ(got.body, "helloabcdefghijklmnopqrstuvwxyz");
        EXPECT_FALSE(got.head.keep_alive);
        EXPECT_EQ(got.used, chunked_answer.size());
    }
}

TEST(response_parser, reads_until_the_end) {
    const auto got = read_whole("HTTP/1.0 200 OK\r\n\r\nall of it");
    EXPECT_FALSE(got.error);
    EXPECT_EQ(got.body, "all of it");
    EXPECT_FALSE(got.head.keep_alive);
}

TEST(response_parser, knows_answers_without_a_body) {
    EXPECT_TRUE(read_whole("HTTP/1.1 204 No Content\r\n\r\n").done);
    EXPECT_TRUE(read_whole("HTTP/1.1 304\r\nContent-Length: 9\r\n\r\n").done);
    const auto to_head = read_whole("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", true);
    EXPECT_TRUE(to_head.done);
    EXPECT_EQ(to_head.body, "");
    EXPECT_TRUE(read_whole("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").done);
}

TEST(response_parser, keeps_the_connection_as_the_versions_say) {
    EXPECT_TRUE(read_whole("HTTP/1.0 204 x\r\nConnection: Keep-Alive\r\n\r\n").head.keep_alive);
    EXPECT_FALSE(read_whole("HTTP/1.0 204 x\r\n\r\n").head.keep_alive);
    EXPECT_FALSE(read_whole("HTTP/1.1 204 x\r\nConnection: foo, Close\r\n\r\n").head.keep_alive);
}

TEST(response_parser, refuses_what_could_be_read_in_two_ways) {
    const std::string ok = "HTTP/1.1 200 OK\r\n";
    for (const std::string& wrong : {std::string("HTTP/2 200 OK\r\n\r\n"),
                                     std::string("HTTP/1.1 20 OK\r\n\r\n"),
                                     std::string("HTTP/1.1 2000 O\r\n\r\n"),
                                     std::string("HTTP/1.1  200 OK\r\n\r\n"),
                                     std::string("HTTP/1.1 200 OK\n\n"),
                                     std::string("garbage\r\n\r\n"),
                                     std::string("HTTP/1.1 099 x\r\n\r\n"),
                                     std::string("HTTP/1.1 101 x\r\n\r\n"),
                                     ok + "Content-Length: 5\r\nContent-Length: 6\r\n\r\n",
                                     ok + "Content-Length: 5, 5\r\n\r\n",
                                     ok + "Content-Length: +5\r\n\r\n",
                                     ok + "Content-Length: \r\n\r\n",
                                     ok + "Content-Length: 0x5\r\n\r\n",
                                     ok + "Content-Length: 99999999999999999999\r\n\r\n",
                                     ok + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
                                     ok + "Transfer-Encoding: gzip, chunked\r\n\r\n",
                                     ok + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
                                     ok + "X : y\r\n\r\n",
                                     ok + " fold: y\r\n\r\n",
                                     ok + "A: b\r\n folded\r\n\r\n",
                                     ok + "nocolon\r\n\r\n",
                                     ok + ": y\r\n\r\n",
                                     ok + "A: b\rc\r\n\r\n",
                                     ok + std::string("A: \0\r\n\r\n", 8),
                                     ok + "Transfer-Encoding: chunked\r\n\r\n-1\r\n",
                                     ok + "Transfer-Encoding: chunked\r\n\r\n\r\n",
                                     ok + "Transfer-Encoding: chunked\r\n\r\n1\r\nab\r\n0\r\n\r\n",
                                     ok + "Transfer-Encoding: chunked\r\n\r\n11111111111111111\r\n"})
        EXPECT_EQ(read_whole(wrong).error, errc::malformed_answer) << wrong;
}

TEST(response_parser, says_when_something_is_missing) {
    for (const auto* cut : {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell", "HTTP/1.1 200 OK\r\n", "HTT",
                            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n"})
        EXPECT_EQ(read_whole(cut).error, errc::incomplete_answer) << cut;
}

TEST(response_parser, has_limits) {
    response_limits limits;
    limits.header_bytes_max = 100;
    limits.body_bytes_max = 10;
    const std::string big(200, 'x');
    EXPECT_EQ(read_whole("HTTP/1.1 200 " + big + "\r\n\r\n", false, limits).error, errc::header_too_large);
    EXPECT_EQ(read_whole("HTTP/1.1 200 OK\r\nA: " + big, false, limits).error, errc::header_too_large);
    EXPECT_EQ(read_whole("HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n", false, limits).error, errc::body_too_large);
    EXPECT_EQ(read_whole("HTTP/1.1 200 OK\r\n\r\n" + big, false, limits).error, errc::body_too_large);
    EXPECT_EQ(read_whole("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nc\r\nhello hello.", false, limits).error,
              errc::body_too_large);
    EXPECT_EQ(read_whole("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;" + std::string(5000, 'x')).error,
              errc::header_too_large);
    EXPECT_EQ(read_whole("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nA: " + big, false, limits).error,
              errc::header_too_large);
}

}  // namespace
}  // namespace http::client
