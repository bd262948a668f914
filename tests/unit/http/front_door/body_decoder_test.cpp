#include "http/front_door/body_decoder.hpp"

#include <gtest/gtest.h>

namespace http::front_door {
namespace {

using state = body_decoder::state;

struct decoded {
    state how = state::need_more;
    refusal why = refusal::none;
    std::string content;
    std::size_t consumed = 0;
};

decoded decode_in_pieces(std::string_view wire, std::size_t piece, request_head head, body_limits limits) {
    decoded out;
    body_decoder decoder(limits);
    out.why = decoder.begin(head);
    if (out.why != refusal::none) {
        out.how = state::refused;
        return out;
    }
    out.how = decoder.complete() ? state::complete : state::need_more;
    while (out.how == state::need_more && out.consumed < wire.size()) {
        out.how = decoder.decode(wire.substr(out.consumed, piece), out.content);
        out.consumed += decoder.consumed();
    }
    out.why = decoder.why();
    return out;
}

decoded decode(std::string_view wire, body_limits limits = {}) {
    request_head head;
    head.chunked = true;
    const auto whole = decode_in_pieces(wire, wire.size(), head, limits);
    const auto slow = decode_in_pieces(wire, 1, head, limits);
    EXPECT_EQ(whole.how, slow.how) << wire;
    EXPECT_EQ(whole.why, slow.why) << wire;
    if (whole.how == state::complete) {
        EXPECT_EQ(whole.content, slow.content) << wire;
        EXPECT_EQ(whole.consumed, slow.consumed) << wire;
    }
    return whole;
}

TEST(body_decoder, takes_a_body_by_its_length_and_not_a_byte_more) {
    request_head head;
    head.content_length = 5;
    const auto out = decode_in_pieces("helloGET /", 3, head, {});
    EXPECT_EQ(out.how, state::complete);
    EXPECT_EQ(out.content, "hello");
    EXPECT_EQ(out.consumed, 5U);
    head.content_length = 0;
    EXPECT_EQ(decode_in_pieces("GET", 3, head, {}).consumed, 0U);
}

TEST(body_decoder, takes_chunks_and_not_a_byte_more) {
    const auto out = decode("5\r\nhello\r\n00006\r\n world\r\n0\r\n\r\nGET / HTTP/1.1");
    EXPECT_EQ(out.how, state::complete);
    EXPECT_EQ(out.content, "hello world");
    EXPECT_EQ(out.consumed, std::string_view("5\r\nhello\r\n00006\r\n world\r\n0\r\n\r\n").size());
    EXPECT_EQ(decode("0\r\n\r\n").how, state::complete);
    EXPECT_EQ(decode("A\r\n0123456789\r\n0\r\n\r\n").content, "0123456789");
    EXPECT_EQ(decode("a\r\n0123456789\r\n0\r\n\r\n").content, "0123456789");
}

TEST(body_decoder, drops_extensions_and_trailers) {
    EXPECT_EQ(decode("2;a\r\nhi\r\n0\r\n\r\n").content, "hi");
    EXPECT_EQ(decode("2;a=b;c=\"d \\\" e\" ; f\r\nhi\r\n0;x=y\r\n\r\n").content, "hi");
    EXPECT_EQ(decode("2 ; a = b\r\nhi\r\n0\r\n\r\n").content, "hi");
    EXPECT_EQ(decode("2\r\nhi\r\n0\r\nAuthorization: evil\r\nX: y\r\n\r\n").how, state::complete);
}

TEST(body_decoder, refuses_what_breaks_the_grammar) {
    for (const auto* const wire : {"\r\n",
                                   "x\r\n",
                                   "0x2\r\nhi",
                                   "+2\r\nhi",
                                   "-2\r\nhi",
                                   " 2\r\nhi",
                                   "2 \r\nhi",
                                   "2\nhi",
                                   "2\r\rhi",
                                   "2\r\nhix",
                                   "2\r\nhi\n0",
                                   "2\r\nhi\r0",
                                   "2;\r\nhi",
                                   "2;=\r\n",
                                   "2;a=\r\n",
                                   "2;a=\"b\r\n",
                                   "2;a=\"b\"c\r\n",
                                   "2;a b\r\n",
                                   "2;a \r\n",
                                   "2;a\n",
                                   "2,2\r\n",
                                   "0\r\nX\r\n",
                                   "0\r\n X: y\r\n",
                                   "0\r\n: y\r\n",
                                   "0\r\nX : y\r\n",
                                   "0\r\nX: y\n",
                                   "0\r\nX: \x01\r\n",
                                   "0\r\n\n",
                                   "0\r\n\rx",
                                   "0\r\nContent-Length: 3\r\n",
                                   "0\r\ntransfer-encoding: chunked\r\n",
                                   "0\r\nHost: b\r\n",
                                   "g\r\n",
                                   "00000000000000002\r\nhi"}) {
        const auto out = decode(wire);
        EXPECT_EQ(out.how, state::refused) << wire;
        EXPECT_EQ(out.why, refusal::bad_chunk) << wire;
    }
}

TEST(body_decoder, bounds_the_body_before_it_is_there) {
    body_limits limits;
    limits.body_bytes_max = 10;
    request_head head;
    head.content_length = 11;
    EXPECT_EQ(decode_in_pieces("", 1, head, limits).why, refusal::body_too_large);
    EXPECT_EQ(decode("b\r\n", limits).why, refusal::body_too_large);
    EXPECT_EQ(decode("5\r\nhello\r\n6\r\n", limits).why, refusal::body_too_large);
    EXPECT_EQ(decode("5\r\nhello\r\n5\r\nworld\r\n0\r\n\r\n", limits).how, state::complete);
    EXPECT_EQ(decode("ffffffffffffffff\r\n", limits).why, refusal::body_too_large);
    EXPECT_EQ(decode("fffffffffffffffff\r\n").why, refusal::body_too_large);
}

TEST(body_decoder, bounds_extensions_and_trailers_together) {
    body_limits limits;
    limits.chunk_overhead_bytes_max = 20;
    EXPECT_EQ(decode("1;" + std::string(10, 'a') + "\r\nx\r\n0\r\n\r\n", limits).how, state::complete);
    EXPECT_EQ(decode("1;" + std::string(30, 'a'), limits).why, refusal::chunk_overhead_too_large);
    EXPECT_EQ(decode("1;" + std::string(10, 'a') + "\r\nx\r\n0\r\nX: yyyyyyyyyy\r\n\r\n", limits).why,
              refusal::chunk_overhead_too_large);
    EXPECT_EQ(decode("0\r\nX: " + std::string(30, 'a'), limits).why, refusal::chunk_overhead_too_large);
}

}  // namespace
}  // namespace http::front_door
