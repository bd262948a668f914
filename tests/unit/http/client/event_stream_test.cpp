#include "http/client/event_stream.hpp"

#include <gtest/gtest.h>

#include "http/client/error.hpp"
#include "runtime/base/random.hpp"

namespace http::client {
namespace {

std::string describe(const std::vector<server_event>& events) {
    std::string out;
    for (const auto& one : events) out += one.type + "|" + one.data + "|" + one.id + (one.has_id ? "!" : "") + ";";
    return out;
}

std::string read(std::string_view bytes) {
    event_stream_parser parser;
    std::vector<server_event> out;
    EXPECT_FALSE(parser.feed(bytes, out).has_error());
    return describe(out);
}

TEST(event_stream, follows_the_standard) {
    EXPECT_EQ(read("data: YHOO\ndata: +2\ndata: 10\n\n"), "message|YHOO\n+2\n10|;");
    EXPECT_EQ(read(": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n\n"),
              "message|first event|1!;message|second event|!;message| third event|;");
    EXPECT_EQ(read("data\n\ndata\ndata\n\ndata:"), "message||;message|\n|;");
    EXPECT_EQ(read("data:test\n\ndata: test\n\n"), "message|test|;message|test|;");
    EXPECT_EQ(read("event: add\ndata: 1\n\nevent: x\n\ndata: 2\n\n"), "add|1|;message|2|;");
    EXPECT_EQ(read("\xef\xbb\xbf"
                   "data: a\n\n"),
              "message|a|;");
    EXPECT_EQ(read("id: 7\ndata: a\n\ndata: b\n\n"), "message|a|7!;message|b|7;");
    EXPECT_EQ(read(std::string("id: 7\nid: 8\0x\ndata: a\n\n", 24)), "message|a|7!;");
    EXPECT_EQ(read("unknown: x\nDATA: y\ndata: z\n\n"), "message|z|;");
}

TEST(event_stream, takes_every_line_end_however_it_is_split) {
    for (const auto* end : {"\n", "\r\n", "\r"}) {
        std::string text;
        for (const auto* line : {"\xef\xbb\xbf:hi", "", "id: 1", "event: e", "data: a b", "data: c", "", ":", "",
                                 "id: 2", "data: d\xc3\xa9", ""})
            text.append(line).append(end);
        runtime::random_source random(3);
        for (int i = 0; i < 300; ++i) {
            event_stream_parser parser;
            std::vector<server_event> out;
            std::string_view rest = text;
            while (!rest.empty()) {
                const auto piece = rest.substr(0, 1 + random.below(i == 0 ? 1 : 9));
                ASSERT_FALSE(parser.feed(piece, out).has_error());
                rest.remove_prefix(piece.size());
            }
            ASSERT_EQ(describe(out), "e|a b\nc|1!;message|d\xc3\xa9|2!;");
        }
    }
}

TEST(event_stream, keeps_the_id_but_nothing_unfinished_over_connections) {
    event_stream_parser parser;
    std::vector<server_event> out;
    ASSERT_FALSE(parser.feed("id: 4\ndata: a\n\nid: 5\ndata: unfinis", out).has_error());
    EXPECT_EQ(parser.last_event_id(), "4");
    parser.start_again();
    ASSERT_FALSE(parser.feed("data: b\n\n", out).has_error());
    EXPECT_EQ(describe(out), "message|a|4!;message|b|4;");
}

TEST(event_stream, reads_the_pause) {
    event_stream_parser parser;
    std::vector<server_event> out;
    for (const auto* wrong : {"retry: x\n", "retry: -5\n", "retry: 5x\n", "retry:\n"}) {
        ASSERT_FALSE(parser.feed(wrong, out).has_error());
        EXPECT_FALSE(parser.retry());
    }
    ASSERT_FALSE(parser.feed("retry: 250\n", out).has_error());
    EXPECT_EQ(parser.retry(), runtime::milliseconds(250));
}

TEST(event_stream, has_a_limit_for_an_event_but_none_for_the_stream) {
    event_stream_parser parser(100);
    std::vector<server_event> out;
    for (int i = 0; i < 100; ++i) ASSERT_FALSE(parser.feed(": heartbeat\n", out).has_error());
    for (int i = 0; i < 100; ++i) ASSERT_FALSE(parser.feed("data: 0123456789\n\n", out).has_error());
    EXPECT_EQ(out.size(), 100U);
    runtime::error_code error;
    for (int i = 0; i < 10 && !error; ++i) {
        const auto fed = parser.feed("data: 0123456789\n", out);
        if (fed.has_error()) error = fed.error();
    }
    EXPECT_EQ(error, errc::event_too_large);
    event_stream_parser long_line(100);
    EXPECT_EQ(long_line.feed(std::string(200, 'x'), out).error(), errc::event_too_large);
}

}  // namespace
}  // namespace http::client
