#include "http/websocket/frames.hpp"

#include <gtest/gtest.h>

#include <vector>

#include "runtime/base/random.hpp"

namespace http::websocket {
namespace {

using state = frame_reader::state;

constexpr std::size_t bytes_max = 100'000;

std::string hex(std::string_view text) {
    std::string out;
    for (std::size_t i = 0; i + 1 < text.size(); i += 3)
        out.push_back(static_cast<char>(std::stoi(std::string(text.substr(i, 2)), nullptr, 16)));
    return out;
}

struct heard {
    std::vector<message> messages;
    close_code fault = close_code::none;
};

heard hear(role reader, std::string_view bytes, std::size_t piece = 1 << 30, std::size_t limit = bytes_max) {
    heard out;
    frame_reader frames(reader, limit);
    while (!bytes.empty()) {
        auto part = bytes.substr(0, piece);
        bytes.remove_prefix(part.size());
        message one;
        state last = state::message;
        while ((last = frames.read(part, one)) == state::message) out.messages.push_back(one);
        if (last == state::failed) {
            out.fault = frames.fault();
            return out;
        }
    }
    return out;
}

// RFC 6455, section 5.7.
TEST(websocket_frames, reads_the_examples_of_the_standard) {
    auto out = hear(role::client, hex("81 05 48 65 6c 6c 6f"));
    ASSERT_EQ(out.messages.size(), 1U);
    EXPECT_EQ(out.messages[0].what, opcode::text);
    EXPECT_EQ(out.messages[0].payload, "Hello");
    out = hear(role::server, hex("81 85 37 fa 21 3d 7f 9f 4d 51 58"));
    ASSERT_EQ(out.messages.size(), 1U);
    EXPECT_EQ(out.messages[0].payload, "Hello");
    out = hear(role::client, hex("01 03 48 65 6c 89 05 48 65 6c 6c 6f 80 02 6c 6f"));
    ASSERT_EQ(out.messages.size(), 2U);
    EXPECT_EQ(out.messages[0].what, opcode::ping);
    EXPECT_EQ(out.messages[1].what, opcode::text);
    EXPECT_EQ(out.messages[1].payload, "Hello");
}

TEST(websocket_frames, whatever_is_written_comes_back_however_it_is_cut) {
    for (const auto from : {role::server, role::client}) {
        const role to = from == role::server ? role::client : role::server;
        for (const std::size_t size : {0, 1, 125, 126, 127, 65'535, 65'536, 70'000}) {
            std::string payload;
            for (std::size_t i = 0; i < size; ++i) payload.push_back(static_cast<char>(i * 7));
            std::string bytes;
            append_frame(bytes, opcode::binary, payload, from, 0xdeadbeef);
            append_frame(bytes, opcode::text, "next", from, 0);
            for (const std::size_t piece : {1UL, 3UL, 1UL << 20}) {
                const auto out = hear(to, bytes, piece);
                ASSERT_EQ(out.messages.size(), 2U) << size << " " << piece;
                EXPECT_EQ(out.messages[0].payload, payload);
                EXPECT_EQ(out.messages[1].payload, "next");
            }
        }
    }
}

TEST(websocket_frames, what_breaks_the_rules_is_a_fault) {
    const auto fault = [](std::string_view bytes, role to = role::client) { return hear(to, hex(bytes)).fault; };
    EXPECT_EQ(fault("81 85 00 00 00 00 48 65 6c 6c 6f"), close_code::protocol_error);    // masked, to a client
    EXPECT_EQ(fault("81 05 48 65 6c 6c 6f", role::server), close_code::protocol_error);  // unmasked, to a server
    EXPECT_EQ(fault("c1 01 48"), close_code::protocol_error);                            // a reserved bit
    EXPECT_EQ(fault("83 01 48"), close_code::protocol_error);                            // an unknown opcode
    EXPECT_EQ(fault("09 01 48"), close_code::protocol_error);                            // a ping in parts
    EXPECT_EQ(fault("89 7e 00 7e"), close_code::protocol_error);                         // a ping of 126 bytes
    EXPECT_EQ(fault("80 01 48"), close_code::protocol_error);                            // goes on with nothing
    EXPECT_EQ(fault("01 01 48 81 01 48"), close_code::protocol_error);                   // begins within another
    EXPECT_EQ(fault("82 7e 00 7d"), close_code::protocol_error);                         // a longer length than need be
    EXPECT_EQ(fault("82 7f 00 00 00 00 00 00 ff ff"), close_code::protocol_error);       // the same
    EXPECT_EQ(fault("82 7f 80 00 00 00 00 00 00 00"), close_code::protocol_error);       // the highest bit
    EXPECT_EQ(fault("88 01 03"), close_code::protocol_error);                            // half a close code
    EXPECT_EQ(fault("88 02 03 ed"), close_code::protocol_error);                         // 1005 may not be sent
    EXPECT_EQ(fault("88 03 03 e8 ff"), close_code::not_text);                            // a reason that is no text
    EXPECT_EQ(fault("81 02 c3 28"), close_code::not_text);
    EXPECT_EQ(fault("82 7f 00 00 00 00 7f ff ff ff"), close_code::too_large);
}

TEST(websocket_frames, a_message_in_parts_has_the_limit_of_a_whole_one) {
    std::string bytes = hex("02 03 61 62 63 00 03 64 65 66 80 01 67");
    EXPECT_EQ(hear(role::client, bytes, 1, 7).messages.at(0).payload, "abcdefg");
    EXPECT_EQ(hear(role::client, bytes, 1, 6).fault, close_code::too_large);
}

TEST(websocket_frames, a_close_frame_has_a_code_and_a_reason) {
    std::string bytes;
    append_frame(bytes, opcode::close, close_payload(close_code::policy, std::string(122, 'a') + "ä"), role::server);
    const auto out = hear(role::client, bytes);
    ASSERT_EQ(out.messages.size(), 1U);
    EXPECT_EQ(out.messages[0].why, close_code::policy);
    EXPECT_EQ(out.messages[0].payload, std::string(122, 'a'));  // cut between characters
    EXPECT_EQ(hear(role::client, hex("88 00 ")).messages.at(0).why, close_code::none);
}

// Any bytes give messages within the limit or a fault, and the same however they are cut.
TEST(websocket_frames, any_bytes_are_read) {
    runtime::random_source random(7);
    for (int round = 0; round < 20'000; ++round) {
        std::string bytes;
        const auto frames = random.below(4);
        for (std::uint64_t i = 0; i <= frames; ++i) {
            std::string payload(random.below(200), 'x');
            append_frame(bytes, static_cast<opcode>(random.below(16)), payload, role::client,
                         static_cast<std::uint32_t>(random.next()));
        }
        for (std::uint64_t flips = random.below(4); flips > 0 && !bytes.empty(); --flips)
            bytes[random.below(bytes.size())] = static_cast<char>(random.next());
        const auto whole = hear(role::server, bytes, 1 << 30, 300);
        const auto cut = hear(role::server, bytes, 1 + random.below(20), 300);
        ASSERT_EQ(whole.fault, cut.fault);
        ASSERT_EQ(whole.messages.size(), cut.messages.size());
        for (std::size_t i = 0; i < whole.messages.size(); ++i) {
            ASSERT_LE(whole.messages[i].payload.size(), 300U);
            ASSERT_EQ(whole.messages[i].payload, cut.messages[i].payload);
        }
    }
}

}  // namespace
}  // namespace http::websocket
