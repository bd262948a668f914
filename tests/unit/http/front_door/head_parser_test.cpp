#include "http/front_door/head_parser.hpp"

#include <gtest/gtest.h>

#include <string>

namespace http::front_door {
namespace {

using state = head_parser::state;

struct parsed {
    state how = state::need_more;
    refusal why = refusal::none;
    std::size_t consumed = 0;
    request_head head;
    std::string text;
    [[nodiscard]] head_view view() const { return {head, text.data()}; }
};

parsed parse(std::string text, head_limits limits = {}) {
    parsed out;
    head_parser parser(limits);
    out.text = std::move(text);
    out.how = parser.parse(out.text, out.head);
    out.why = parser.why();
    out.consumed = parser.consumed();
    // Byte by byte it must come to the same.
    head_parser slow(limits);
    request_head head;
    auto how = state::need_more;
    for (std::size_t size = 1; size <= out.text.size() && how == state::need_more; ++size)
        how = slow.parse(std::string_view(out.text).substr(0, size), head);
    EXPECT_EQ(how, out.how) << out.text;
    if (how == state::complete) EXPECT_EQ(slow.consumed(), out.consumed) << out.text;
    return out;
}

refusal why_not(std::string text, head_limits limits = {}) {
    const auto out = parse(std::move(text), limits);
    EXPECT_EQ(out.how, state::refused) << out.text;
    return out.why;
}

std::string with(std::string_view fields) { return "POST /x HTTP/1.1\r\nHost: a\r\n" + std::string(fields) + "\r\n"; }

TEST(head_parser, reads_a_request) {
    const auto out = parse(
        "POST /a/b%20c?x=1&y HTTP/1.1\r\nHost: example.org:8080\r\nContent-Length: 12\r\nX-Thing:  a b \r\n\r\nbody");
    ASSERT_EQ(out.how, state::complete);
    EXPECT_EQ(out.text.substr(out.consumed), "body");
    EXPECT_EQ(out.view().verb(), method::post);
    EXPECT_EQ(out.view().path(), "/a/b%20c");
    EXPECT_EQ(out.view().query(), "x=1&y");
    EXPECT_EQ(out.head.content_length, 12U);
    EXPECT_TRUE(out.head.keep_alive);
    EXPECT_FALSE(out.head.chunked);
    EXPECT_EQ(out.view().field("x-thing"), "a b");
    EXPECT_FALSE(out.view().field("x-other"));
    EXPECT_EQ(out.view().count("host"), 1U);
}

TEST(head_parser, knows_when_a_connection_is_kept) {
    EXPECT_FALSE(parse(with("Connection: close\r\n")).head.keep_alive);
    EXPECT_FALSE(parse(with("Connection: keep-alive, Close\r\n")).head.keep_alive);
    EXPECT_TRUE(parse(with("Connection: upgrade\r\n")).head.keep_alive);
    EXPECT_FALSE(parse("GET / HTTP/1.0\r\n\r\n").head.keep_alive);
    EXPECT_TRUE(parse("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n").head.keep_alive);
    EXPECT_EQ(why_not(with("Connection: a b\r\n")), refusal::malformed_request);
}

TEST(head_parser, forgives_one_empty_line_before_a_request) {
    EXPECT_EQ(parse("\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n").how, state::complete);
    EXPECT_EQ(why_not("\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"), refusal::malformed_request);
}

TEST(head_parser, takes_exactly_chunked_and_nothing_else) {
    EXPECT_TRUE(parse(with("Transfer-Encoding: chunked\r\n")).head.chunked);
    EXPECT_TRUE(parse(with("transfer-encoding:chunked\r\n")).head.chunked);
    for (const auto* const coding :
         {"gzip", "identity", "xchunked", "\"chunked\"", "chunked, gzip", "gzip, chunked", "chunked, chunked",
          "chunked,", ",chunked", "", "Chunked", "chunked;q=1", "chunked\t x"})
        EXPECT_EQ(why_not(with("Transfer-Encoding: " + std::string(coding) + "\r\n")), refusal::bad_transfer_encoding)
            << coding;
    EXPECT_EQ(why_not(with("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n")),
              refusal::bad_transfer_encoding);
    EXPECT_EQ(why_not(with("Transfer-Encoding: gzip\r\nContent-Length: 3\r\n")), refusal::bad_transfer_encoding);
    EXPECT_EQ(why_not("POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"),
              refusal::bad_transfer_encoding);
    // Almost the name is another name, or none.
    EXPECT_FALSE(parse(with("Transfer_Encoding: chunked\r\n")).head.chunked);
    EXPECT_EQ(why_not(with("Transfer-Encoding : chunked\r\n")), refusal::malformed_request);
    EXPECT_EQ(why_not(with("Transfer-Encoding\t: chunked\r\n")), refusal::malformed_request);
}

TEST(head_parser, takes_one_content_length) {
    EXPECT_EQ(parse(with("Content-Length: 0\r\n")).head.content_length, 0U);
    EXPECT_EQ(parse(with("Content-Length: 007\r\n")).head.content_length, 7U);
    for (const auto* const length :
         {"", "+3", "-1", "0x3", "3, 3", "3,3", "3;", "1 3", "1e3", "9999999999999999999", "３"})
        EXPECT_EQ(why_not(with("Content-Length: " + std::string(length) + "\r\n")), refusal::bad_content_length)
            << length;
    EXPECT_EQ(why_not(with("Content-Length: 3\r\nContent-Length: 3\r\n")), refusal::bad_content_length);
    EXPECT_EQ(why_not(with("Content-Length: 3\r\nContent-Length: 4\r\n")), refusal::bad_content_length);
    EXPECT_EQ(why_not(with("Content-Length: 3\r\nTransfer-Encoding: chunked\r\n")), refusal::ambiguous_length);
    EXPECT_EQ(why_not(with("Transfer-Encoding: chunked\r\nContent-Length: 3\r\n")), refusal::ambiguous_length);
    EXPECT_EQ(why_not(with("Transfer-Encoding: chunked\r\nContent-Length: 0\r\n")), refusal::ambiguous_length);
}

TEST(head_parser, refuses_folded_fields) {
    EXPECT_EQ(why_not(with("X-A: 1\r\n folded\r\n")), refusal::header_fold);
    EXPECT_EQ(why_not(with("X-A: 1\r\n\tfolded\r\n")), refusal::header_fold);
    EXPECT_EQ(why_not(with("Transfer-Encoding:\r\n chunked\r\n")), refusal::bad_transfer_encoding);
    EXPECT_EQ(why_not("GET / HTTP/1.1\r\n Host: a\r\n\r\n"), refusal::header_fold);
}

TEST(head_parser, wants_one_sound_host) {
    EXPECT_EQ(why_not("GET / HTTP/1.1\r\n\r\n"), refusal::bad_host);
    EXPECT_EQ(why_not("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n"), refusal::bad_host);
    EXPECT_EQ(why_not("GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n"), refusal::bad_host);
    EXPECT_EQ(parse("GET / HTTP/1.0\r\n\r\n").how, state::complete);
    for (const auto* const host : {"", "a b", "a,b", "a@b", "a/b", "a:x", "a:65536", "a:123456", ":80", "[::1",
                                   "[::1]x", "[g::]", "a%41", "a\\b", "a?b", "a#b", "\xc3\xa4"})
        EXPECT_EQ(why_not("GET / HTTP/1.1\r\nHost: " + std::string(host) + "\r\n\r\n"), refusal::bad_host) << host;
    for (const auto* const host : {"a", "A.b-c_d~", "127.0.0.1:80", "a:", "[::1]", "[::1]:8080", "a:65535"})
        EXPECT_EQ(parse("GET / HTTP/1.1\r\nHost: " + std::string(host) + "\r\n\r\n").how, state::complete) << host;
}

TEST(head_parser, takes_only_sound_targets) {
    const auto target = [](std::string_view text) {
        return "GET " + std::string(text) + " HTTP/1.1\r\nHost: a\r\n\r\n";
    };
    for (const auto* const text :
         {"/\xc3\xa4", "/a#b",       "/a?b#c",   "/%",        "/%4",    "/%zz",      "/?a=%",        "a",
          "?a",        "*",          "/a\\b",    "/<a>",      "/\x7f",  "http://b/", "http://a:80/", "http://a@a/",
          "http://a",  "http://a?x", "ftp://a/", "http:///x", "//\x80", "/a\"b",     "/{a}",         "/a?\"",
          "/a?<"})
        EXPECT_EQ(why_not(target(text)), refusal::bad_target) << text;
    for (const auto* const text : {"/", "/a?", "/a?b|c={}", "//a", "/a;b=c,d", "/%41"})
        EXPECT_EQ(parse(target(text)).how, state::complete) << text;
    const auto absolute = parse("GET HTTP://A/x?y HTTP/1.1\r\nHost: a\r\n\r\n");
    ASSERT_EQ(absolute.how, state::complete);
    EXPECT_EQ(absolute.view().path(), "/x");
    EXPECT_EQ(absolute.view().query(), "y");
    EXPECT_EQ(parse("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n").view().path(), "*");
}

TEST(head_parser, takes_only_sound_request_lines) {
    for (const auto* const line :
         {"GET /", "GET  / HTTP/1.1", "GET / HTTP/1.1 ", " GET / HTTP/1.1", "GET / http/1.1", "GET / HTTP/1",
          "GET / HTTP/1.10", "GET / HTTP/a.b", "G@T / HTTP/1.1", "GET\t/ HTTP/1.1", "GET /\tHTTP/1.1", ""}) {
        const auto why = why_not(std::string(line) + "\r\nHost: a\r\n\r\n");
        EXPECT_TRUE(why == refusal::malformed_request || why == refusal::bad_target) << line;
    }
    for (const auto* const version : {"HTTP/1.2", "HTTP/2.0", "HTTP/0.9", "HTTP/3.0"})
        EXPECT_EQ(why_not("GET / " + std::string(version) + "\r\nHost: a\r\n\r\n"), refusal::version_not_supported);
    EXPECT_EQ(why_not("PRI * HTTP/2.0\r\n\r\n"), refusal::version_not_supported);
    EXPECT_EQ(why_not("BREW / HTTP/1.1\r\nHost: a\r\n\r\n"), refusal::method_not_implemented);
    EXPECT_EQ(why_not("get / HTTP/1.1\r\nHost: a\r\n\r\n"), refusal::method_not_implemented);
    EXPECT_EQ(why_not("CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n"), refusal::method_not_implemented);
}

TEST(head_parser, refuses_what_ends_lines_in_another_way) {
    EXPECT_EQ(why_not("GET / HTTP/1.1\nHost: a\n\n"), refusal::malformed_request);
    EXPECT_EQ(why_not("GET / HTTP/1.1\r\nHost: a\n\r\n"), refusal::malformed_request);
    EXPECT_EQ(why_not("GET / HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n"), refusal::malformed_request);
    EXPECT_EQ(why_not("GET / HTTP/1.1\rHost: a\r\r\n"), refusal::malformed_request);
    EXPECT_EQ(why_not("GET / HTTP/1.1\r\nHost: a\r\n\n"), refusal::malformed_request);
    EXPECT_EQ(why_not("GET / HTTP/1.1\r\nHost: a\r\r\n\r\n"), refusal::malformed_request);
}

TEST(head_parser, refuses_bad_names_and_values) {
    for (const auto* const line : {"X A: 1", ": 1", "X", "X\x80: 1", "(X): 1", "X: a\x01", "X: a\x7f"})
        EXPECT_EQ(why_not(with(std::string(line) + "\r\n")), refusal::malformed_request) << line;
    EXPECT_EQ(why_not(with(std::string("X: a\0b\r\n", 8))), refusal::malformed_request);
    EXPECT_EQ(why_not(with(std::string("X\0: b\r\n", 7))), refusal::malformed_request);
    EXPECT_EQ(parse(with("X: \xc3\xa4\tb\r\n")).how, state::complete);
}

TEST(head_parser, refuses_nonsense_at_its_first_bytes) {
    request_head head;
    head_parser parser({});
    EXPECT_EQ(parser.parse("\x16\x03\x01\x02", head), state::refused);
    EXPECT_EQ(parser.why(), refusal::malformed_request);
}

TEST(head_parser, knows_one_expectation) {
    EXPECT_TRUE(parse(with("Expect: 100-Continue\r\n")).head.expects_continue);
    EXPECT_EQ(why_not(with("Expect: tea\r\n")), refusal::expectation_failed);
    EXPECT_FALSE(parse("POST / HTTP/1.0\r\nExpect: 100-continue\r\n\r\n").head.expects_continue);
}

TEST(head_parser, bounds_target_head_and_fields) {
    head_limits limits;
    limits.target_bytes_max = 100;
    limits.head_bytes_max = 1000;
    limits.fields_max = 5;
    EXPECT_EQ(parse("GET /" + std::string(99, 'a') + " HTTP/1.1\r\nHost: a\r\n\r\n", limits).how, state::complete);
    EXPECT_EQ(why_not("GET /" + std::string(100, 'a') + " HTTP/1.1\r\nHost: a\r\n\r\n", limits),
              refusal::target_too_long);
    EXPECT_EQ(why_not("GET /" + std::string(5000, 'a'), limits), refusal::target_too_long);
    EXPECT_EQ(why_not(with("X: " + std::string(2000, 'a')), limits), refusal::headers_too_large);
    EXPECT_EQ(why_not(with("X: " + std::string(2000, 'a') + "\r\n"), limits), refusal::headers_too_large);
    EXPECT_EQ(parse(with("A: 1\r\nB: 1\r\nC: 1\r\nD: 1\r\n"), limits).how, state::complete);
    EXPECT_EQ(why_not(with("A: 1\r\nB: 1\r\nC: 1\r\nD: 1\r\nE: 1\r\n"), limits), refusal::headers_too_large);
}

TEST(head_parser, reads_one_request_after_the_other) {
    const std::string two = "GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n";
    head_parser parser({});
    request_head head;
    ASSERT_EQ(parser.parse(two, head), state::complete);
    const auto rest = std::string_view(two).substr(parser.consumed());
    parser.reset();
    head.clear();
    ASSERT_EQ(parser.parse(rest, head), state::complete);
    EXPECT_EQ(head_view(head, rest.data()).path(), "/2");
    EXPECT_EQ(parser.consumed(), rest.size());
}

}  // namespace
}  // namespace http::front_door
