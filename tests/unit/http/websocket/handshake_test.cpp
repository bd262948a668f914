#include "http/websocket/handshake.hpp"

#include <gtest/gtest.h>

namespace http::websocket {
namespace {

// RFC 6455, section 1.3.
TEST(websocket_handshake, answers_a_key_as_the_standard_does) {
    EXPECT_EQ(accept_of("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}

TEST(websocket_handshake, takes_keys_of_16_bytes_only) {
    EXPECT_TRUE(is_key("dGhlIHNhbXBsZSBub25jZQ=="));
    EXPECT_FALSE(is_key(""));
    EXPECT_FALSE(is_key("dGhlIHNhbXBsZSBub25j"));
    EXPECT_FALSE(is_key("dGhlIHNhbXBsZSBub25jZQ"));
}

TEST(websocket_handshake, finds_words_in_lists) {
    EXPECT_TRUE(has_token("keep-alive, Upgrade", "upgrade"));
    EXPECT_TRUE(has_token("UPGRADE", "upgrade"));
    EXPECT_FALSE(has_token("upgrades", "upgrade"));
    EXPECT_FALSE(has_token("", "upgrade"));
}

}  // namespace
}  // namespace http::websocket
