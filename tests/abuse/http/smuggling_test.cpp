// Requests that two readers could take for different ones. Each is followed by one that must never be answered:
// whatever is
// not understood in one way only ends its connection.
#include <gtest/gtest.h>

#include "tests/unit/http/support/running_server.hpp"

namespace http::testing {
namespace {

// Bytes as the socket gets them; NUL included where a literal's size says so.
template <std::size_t N>
std::string bytes(const char (&text)[N]) {
    return {text, N - 1};
}

const std::string hidden = "GET /livez HTTP/1.1\r\nHost: a\r\nX-Request-Id: hidden\r\n\r\n";

std::vector<std::string> refused_requests() {
    std::vector<std::string> out;
    const auto post = [&out](const std::string& fields) {
        out.push_back("POST /api/v1/execute HTTP/1.1\r\nHost: a\r\n" + fields + "\r\n");
    };
    // Transfer codings that hide a body, in every spelling that some server was found to take.
    for (const std::string& coding : {bytes("xchunked"),
                                      bytes("chunkedx"),
                                      bytes("chunked, identity"),
                                      bytes("identity, chunked"),
                                      bytes("chunked chunked"),
                                      bytes("\"chunked\""),
                                      bytes("'chunked'"),
                                      bytes("chunked;"),
                                      bytes("chunk"),
                                      bytes("CHUNKED"),
                                      bytes("chun\x0bked"),
                                      bytes("\x0b"
                                            "chunked"),
                                      bytes("chunked\x0c"),
                                      bytes("chunked\0"),
                                      bytes("\0chunked"),
                                      bytes("chunked\x7f"),
                                      bytes("\xa0"
                                            "chunked"),
                                      bytes("chunked\x85"),
                                      bytes(","),
                                      bytes("gzip"),
                                      bytes("deflate, chunked"),
                                      bytes("cow")})
        post("Transfer-Encoding: " + coding + "\r\n");
    for (const std::string& line : {bytes("Transfer-Encoding : chunked"),
                                    bytes(" Transfer-Encoding: chunked"),
                                    bytes("\tTransfer-Encoding: chunked"),
                                    bytes("Transfer-Encoding\0: chunked"),
                                    bytes("Transfer-Encoding\x0b: chunked"),
                                    bytes("X: y\rTransfer-Encoding: chunked"),
                                    bytes("X: y\nTransfer-Encoding: chunked"),
                                    bytes("X: y\r\n\x0bTransfer-Encoding: chunked"),
                                    bytes("Transfer-Encoding:\r\n chunked"),
                                    bytes("Transfer-Encoding:\n chunked"),
                                    bytes("Transfer-Encoding: chunked\nX: y"),
                                    bytes("Transfer-Encoding chunked"),
                                    bytes("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity"),
                                    bytes("Transfer-Encoding: identity\r\nTransfer-Encoding: chunked"),
                                    bytes("Transfer-Encoding:\r\nTransfer-Encoding: chunked"),
                                    bytes("Content-Length: 4\r\nTransfer-Encoding: chunked"),
                                    bytes("Transfer-Encoding: chunked\r\nContent-Length: 4"),
                                    bytes("TRANSFER-ENCODING: Chunked"),
                                    bytes("Transfer-Encoding"),
                                    bytes(":")})
        post(line + "\r\n");
    // Lengths.
    for (const std::string& length :
         {bytes("+4"), bytes("-4"), bytes("4,4"), bytes("4, 4"), bytes("4 4"), bytes("0x4"), bytes("4;"), bytes("4.0"),
          bytes("4e0"), bytes(""), bytes("99999999999999999999"), bytes("18446744073709551620"), bytes("4\0"),
          bytes("\x0b"
                "4"),
          bytes("4\x0c"), bytes("'4'"), bytes("\xb2"), bytes("4_0")})
        post("Content-Length: " + length + "\r\n");
    post("Content-Length: 4\r\nContent-Length: 4\r\n");
    post("Content-Length: 4\r\nContent-Length: 5\r\n");
    post("Content-Length: 4\r\ncontent-length: 4\r\n");
    post("Content-Length : 4\r\n");
    post("Content-Length: 4\r\n 0\r\n");
    // Hosts and targets.
    for (const auto* const head : {"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n",
                                   "GET / HTTP/1.1\r\n",
                                   "GET / HTTP/1.1\r\nHost:\r\n",
                                   "GET / HTTP/1.1\r\nHost: a b\r\n",
                                   "GET / HTTP/1.1\r\nHost: a,b\r\n",
                                   "GET / HTTP/1.1\r\nHost: a@b\r\n",
                                   "GET http://b/ HTTP/1.1\r\nHost: a\r\n",
                                   "GET http://a@b/ HTTP/1.1\r\nHost: b\r\n",
                                   "GET http://a:80/ HTTP/1.1\r\nHost: a:81\r\n",
                                   "GET @a/ HTTP/1.1\r\nHost: a\r\n",
                                   "GET a HTTP/1.1\r\nHost: a\r\n",
                                   "GET /a b HTTP/1.1\r\nHost: a\r\n",
                                   "GET /\xc3\xa4 HTTP/1.1\r\nHost: a\r\n",
                                   "GET /#x HTTP/1.1\r\nHost: a\r\n",
                                   "GET /\\x HTTP/1.1\r\nHost: a\r\n",
                                   "GET / HTTP/1.1 HTTP/1.1\r\nHost: a\r\n",
                                   "GET  / HTTP/1.1\r\nHost: a\r\n",
                                   "GET\t/ HTTP/1.1\r\nHost: a\r\n",
                                   "GET / HTTP/1.1\t\r\nHost: a\r\n",
                                   "GET / HTTP/01.1\r\nHost: a\r\n",
                                   "GET / HTTP/1.1.\r\nHost: a\r\n",
                                   "GET / XTTP/1.1\r\nHost: a\r\n",
                                   "GET / HTTP/2.0\r\nHost: a\r\n",
                                   "GET /\r\nHost: a\r\n"})
        out.push_back(std::string(head) + "\r\n");
    return out;
}

TEST(smuggling, answers_nothing_behind_what_it_refuses) {
    running_server server;
    for (const auto& request : refused_requests()) {
        auto client = server.connect();
        client.send(request + "4\r\nxxxx\r\n0\r\n\r\n" + hidden);
        const auto answer = client.answer();
        ASSERT_GE(answer.status, 400) << request;
        EXPECT_EQ(answer.field("connection"), "close") << request;
        EXPECT_EQ(answer.field("content-type"), "application/problem+json") << request;
        EXPECT_EQ(client.rest(), "") << request;
    }
}

TEST(smuggling, takes_exactly_its_body_and_answers_what_follows) {
    running_server server;
    const std::string body = R"({"script":"x"})";
    for (const std::string& fields :
         {std::string("Transfer-Encoding:  chunked \r\n\r\ne\r\n" + body + "\r\n0\r\n\r\n"),
          std::string("Transfer-Encoding: chunked\r\n\r\n0000e;a=\"\r\n"),  // a quoted line end is none: refused
          std::string("Content-Length: 14\r\n\r\n" + body), std::string("Content-Length: 00014\r\n\r\n" + body),
          std::string("Transfer-Encoding: chunked\r\n\r\ne\r\n" + body + "\r\n0\r\nContent-Length : 3\r\n\r\n")}) {
        auto client = server.connect();
        client.send("POST /api/v1/execute HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n" + fields + hidden);
        const auto answer = client.answer();
        if (answer.status == 202) {
            EXPECT_EQ(client.answer().field("x-request-id"), "hidden") << fields;
        } else {
            EXPECT_EQ(answer.status, 400) << fields;
            EXPECT_EQ(client.rest(), "") << fields;
        }
    }
}

TEST(smuggling, keeps_trailers_out_of_the_header) {
    running_server server;
    auto client = server.connect();
    const std::string head =
        "POST /api/v1/execute HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
        "Transfer-Encoding: chunked\r\nTrailer: Idempotency-Key, Prefer\r\n\r\n";
    const std::string chunks =
        "e\r\n{\"script\":\"x\"}\r\n0\r\nIdempotency-Key: k\r\nPrefer: wait=10\r\nX-Request-Id: t\r\n\r\n";
    const auto first = client.ask(head + chunks);
    const auto second = client.ask(head + chunks);
    EXPECT_EQ(first.status, 202);
    EXPECT_EQ(second.status, 202);
    EXPECT_NE(member(first.body, "execution_id"), member(second.body, "execution_id"));
    EXPECT_NE(first.field("x-request-id"), "t");
}

TEST(smuggling, puts_nothing_of_the_client_into_the_answers_head) {
    running_server server;
    auto client = server.connect();
    const auto answer = client.ask(get("/nothing%0d%0aX-Evil:%20yes", "X-Request-Id: a%0d%0aX-Evil: yes\r\n"));
    EXPECT_EQ(answer.status, 404);
    EXPECT_FALSE(answer.fields.contains("x-evil"));
    EXPECT_EQ(answer.field("x-request-id").size(), 16U);
}

}  // namespace
}  // namespace http::testing
