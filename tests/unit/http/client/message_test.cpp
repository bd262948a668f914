#include "http/client/message.hpp"

#include <gtest/gtest.h>

#include "http/client/error.hpp"

namespace http::client {
namespace {

TEST(url, takes_what_people_write) {
    EXPECT_EQ(parse_url("127.0.0.1:8080")->to_string(), "http://127.0.0.1:8080");
    EXPECT_EQ(parse_url("http://example.org")->authority(), "example.org");
    EXPECT_EQ(parse_url("http://[::1]:9/weir/")->to_string(), "http://[::1]:9/weir");
    EXPECT_EQ(parse_url("http://a:80")->authority(), "a");
    EXPECT_EQ(parse_url("http://[::1]")->host, "::1");
}

TEST(url, refuses_the_rest) {
    for (const auto* wrong :
         {"", "http://", "https://a", "http://a:0", "http://a:70000", "http://a:x", "http://a:", "http://u@a",
          "http://a b", "http://[::1", "http://[::1]x", "http://a/p?q", "http://a/\n"})
        EXPECT_TRUE(parse_url(wrong).has_error()) << wrong;
}

TEST(url, encodes_parts) { EXPECT_EQ(percent_encode("a b:ü/~"), "a%20b%3A%C3%BC%2F~"); }

TEST(request, becomes_bytes) {
    request r("POST", "/x?y=1");
    r.headers.emplace_back("Accept", "*/*");
    r.body = "hello";
    EXPECT_EQ(*serialize(r, *parse_url("http://h:81/base")),
              "POST /base/x?y=1 HTTP/1.1\r\nHost: h:81\r\nAccept: */*\r\nContent-Length: 5\r\n\r\nhello");
    EXPECT_EQ(*serialize(request("GET", "/"), *parse_url("h")), "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    EXPECT_NE(serialize(request("POST", "/"), *parse_url("h"))->find("Content-Length: 0\r\n"), std::string::npos);
}

TEST(request, lets_nothing_smuggle) {
    const url server = *parse_url("h");
    for (const auto* target : {"x", "", "/a b", "/a\r\nX: y", "/\x80"})
        EXPECT_EQ(serialize(request("GET", target), server).error(), errc::malformed_request) << target;
    EXPECT_TRUE(serialize(request("G T", "/"), server).has_error());
    for (const auto& [name, value] : header_list{{"a b", "x"},
                                                 {"", "x"},
                                                 {"a", "x\r\nb: y"},
                                                 {"a", std::string("\0", 1)},
                                                 {"Host", "evil"},
                                                 {"content-length", "3"},
                                                 {"Transfer-Encoding", "chunked"}}) {
        request r("GET", "/");
        r.headers.emplace_back(name, value);
        EXPECT_EQ(serialize(r, server).error(), errc::malformed_request) << name;
    }
}

TEST(request, knows_whether_it_may_be_repeated) {
    EXPECT_TRUE(request("GET", "/").may_repeat());
    request post("POST", "/");
    EXPECT_FALSE(post.may_repeat());
    post.headers.emplace_back("Idempotency-Key", "k");
    EXPECT_TRUE(post.may_repeat());
}

}  // namespace
}  // namespace http::client
