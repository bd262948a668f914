#include "runtime/base/encoding.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <vector>

#include "runtime/base/random.hpp"

namespace runtime {
namespace {

std::string bytes_of(std::initializer_list<int> values) {
    std::string out;
    for (const int value : values) out.push_back(static_cast<char>(value));
    return out;
}

// ---- base64 --------------------------------------------------------------------------------------------------------

TEST(base64, knows_the_vectors_of_rfc_4648) {
    const std::vector<std::pair<std::string, std::string>> vectors{{"", ""},
                                                                   {"f", "Zg=="},
                                                                   {"fo", "Zm8="},
                                                                   {"foo", "Zm9v"},
                                                                   {"foob", "Zm9vYg=="},
                                                                   {"fooba", "Zm9vYmE="},
                                                                   {"foobar", "Zm9vYmFy"}};
    for (const auto& [bytes, text] : vectors) {
        EXPECT_EQ(base64_encode(bytes), text);
        EXPECT_EQ(base64_decode(text), bytes);
    }
    EXPECT_EQ(base64_encode(bytes_of({0xfb, 0xff, 0xfe})), "+//+");
}

// Bit by bit, as the standard describes it.
std::string encode_slowly(const std::string& bytes) {
    const std::string alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    std::vector<bool> bits;
    for (const char c : bytes)
        for (int i = 7; i >= 0; --i) bits.push_back((static_cast<std::uint8_t>(c) >> i & 1) != 0);
    while (bits.size() % 6 != 0) bits.push_back(false);
    std::string text;
    for (std::size_t i = 0; i < bits.size(); i += 6) {
        std::size_t value = 0;
        for (std::size_t k = 0; k < 6; ++k) value = value * 2 + (bits[i + k] ? 1 : 0);
        text.push_back(alphabet[value]);
    }
    while (text.size() % 4 != 0) text.push_back('=');
    return text;
}

TEST(base64, agrees_with_the_definition_on_random_bytes) {
    random_source random(1);
    for (int round = 0; round < 2000; ++round) {
        std::string bytes(random.below(100), '\0');
        for (auto& c : bytes) c = static_cast<char>(random.next());
        const std::string text = base64_encode(bytes);
        ASSERT_EQ(text, encode_slowly(bytes));
        ASSERT_EQ(base64_decode(text), bytes);
    }
}

TEST(base64, refuses_whatever_is_not_exactly_it) {
    for (const char* text : {"Z", "Zg", "Zg=", "Zg===", "====", "Z===", "=Zg=", "Zg==Zg==", "Zm9v\n", " Zm9v", "Zm 9",
                             "Zm9-", "Zm9_", "Z=8=", "Zm8=Zm8=", "Zh==", "Zm9=", "Zm9v===="})
        EXPECT_FALSE(base64_decode(text)) << text;
    EXPECT_FALSE(base64_decode(std::string("Zm9\0", 4)));
    EXPECT_FALSE(base64_decode("Zm9\xff"));
}

TEST(base64, decodes_at_most_one_text_for_each_value) {
    // Every text of four characters that decodes is what encoding gives back.
    random_source random(2);
    const std::string candidates = "ABCDQRSTghvwz0189+/=-_ \n";
    int decoded = 0;
    for (int round = 0; round < 200'000; ++round) {
        std::string text(4, '\0');
        for (auto& c : text) c = candidates[random.below(candidates.size())];
        const auto bytes = base64_decode(text);
        if (!bytes) continue;
        ++decoded;
        ASSERT_EQ(base64_encode(*bytes), text);
    }
    EXPECT_GT(decoded, 1000);
}

TEST(hex, writes_two_lower_case_digits_a_byte) {
    EXPECT_EQ(hex_encode(""), "");
    EXPECT_EQ(hex_encode(bytes_of({0x00, 0x7f, 0x80, 0xff, 0xa5})), "007f80ffa5");
}

// ---- UTF-8 ---------------------------------------------------------------------------------------------------------

// By the value of the code point, where the code under test goes by the bytes.
bool is_utf8_slowly(const std::string& bytes) {
    std::size_t at = 0;
    while (at < bytes.size()) {
        const auto lead = static_cast<std::uint8_t>(bytes[at]);
        std::size_t length = 0;
        std::uint32_t value = 0;
        if (lead < 0x80) {
            length = 1;
            value = lead;
        } else if ((lead & 0xe0) == 0xc0) {
            length = 2;
            value = lead & 0x1f;
        } else if ((lead & 0xf0) == 0xe0) {
            length = 3;
            value = lead & 0x0f;
        } else if ((lead & 0xf8) == 0xf0) {
            length = 4;
            value = lead & 0x07;
        } else {
            return false;
        }
        if (at + length > bytes.size()) return false;
        for (std::size_t i = 1; i < length; ++i) {
            const auto byte = static_cast<std::uint8_t>(bytes[at + i]);
            if ((byte & 0xc0) != 0x80) return false;
            value = value << 6 | (byte & 0x3f);
        }
        const std::uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
        if (value < least[length] || value > 0x10ffff || (value >= 0xd800 && value <= 0xdfff)) return false;
        at += length;
    }
    return true;
}

TEST(utf8, takes_the_borders_of_every_length) {
    for (const auto& good :
         {bytes_of({0x00}), bytes_of({0x7f}), bytes_of({0xc2, 0x80}), bytes_of({0xdf, 0xbf}),
          bytes_of({0xe0, 0xa0, 0x80}), bytes_of({0xed, 0x9f, 0xbf}), bytes_of({0xee, 0x80, 0x80}),
          bytes_of({0xef, 0xbf, 0xbf}), bytes_of({0xf0, 0x90, 0x80, 0x80}), bytes_of({0xf4, 0x8f, 0xbf, 0xbf})}) {
        EXPECT_TRUE(is_utf8(good)) << hex_encode(good);
        EXPECT_TRUE(is_utf8("a" + good + "z")) << hex_encode(good);
        EXPECT_EQ(utf8_length("a" + good + "z"), 3U);
    }
    EXPECT_TRUE(is_utf8(""));
}

TEST(utf8, refuses_every_class_of_error) {
    const std::vector<std::pair<const char*, std::string>> errors{
        {"stray continuation", bytes_of({0x80})},
        {"stray continuation", bytes_of({0xbf})},
        {"overlong 2", bytes_of({0xc0, 0x80})},
        {"overlong 2", bytes_of({0xc1, 0xbf})},
        {"overlong 3", bytes_of({0xe0, 0x9f, 0xbf})},
        {"overlong 4", bytes_of({0xf0, 0x8f, 0xbf, 0xbf})},
        {"first surrogate", bytes_of({0xed, 0xa0, 0x80})},
        {"last surrogate", bytes_of({0xed, 0xbf, 0xbf})},
        {"above the last", bytes_of({0xf4, 0x90, 0x80, 0x80})},
        {"five bytes", bytes_of({0xf8, 0x88, 0x80, 0x80, 0x80})},
        {"no lead at all", bytes_of({0xfe})},
        {"no lead at all", bytes_of({0xff})},
        {"cut after 1 of 2", bytes_of({0xc3})},
        {"cut after 2 of 3", bytes_of({0xe2, 0x82})},
        {"cut after 3 of 4", bytes_of({0xf0, 0x9f, 0x98})},
        {"lead where a continuation belongs", bytes_of({0xc3, 0xc3})},
        {"text where a continuation belongs", bytes_of({0xe2, 0x82, 0x41})},
    };
    for (const auto& [name, bytes] : errors) {
        EXPECT_FALSE(is_utf8(bytes)) << name;
        EXPECT_FALSE(is_utf8("text" + bytes)) << name;
        EXPECT_FALSE(is_utf8(bytes + "text")) << name;
    }
}

TEST(utf8, agrees_with_the_definition_on_all_short_and_many_random_sequences) {
    for (int a = 0; a < 256; ++a)
        for (int b = 0; b < 256; ++b) ASSERT_EQ(is_utf8(bytes_of({a, b})), is_utf8_slowly(bytes_of({a, b})));
    random_source random(3);
    const std::string interesting =
        bytes_of({0x00, 0x41, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc1, 0xc2, 0xdf,
                  0xe0, 0xe1, 0xec, 0xed, 0xee, 0xef, 0xf0, 0xf1, 0xf3, 0xf4, 0xf5, 0xff});
    int valid = 0;
    for (int round = 0; round < 400'000; ++round) {
        std::string bytes(1 + random.below(5), '\0');
        for (auto& c : bytes) c = interesting[random.below(interesting.size())];
        ASSERT_EQ(is_utf8(bytes), is_utf8_slowly(bytes)) << hex_encode(bytes);
        if (is_utf8(bytes)) ++valid;
    }
    EXPECT_GT(valid, 1000);
}

TEST(utf8, tells_the_incomplete_tail) {
    // Wherever valid text is cut, the tail is what belongs to the unfinished sequence.
    const std::string text = "a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80";
    const std::size_t expected[] = {0, 0, 1, 0, 1, 2, 0, 1, 2, 3, 0};
    for (std::size_t cut = 0; cut <= text.size(); ++cut)
        EXPECT_EQ(utf8_incomplete_tail(std::string_view(text).substr(0, cut)), expected[cut]) << cut;
    // What can never become valid is no beginning.
    for (const auto& bytes :
         {bytes_of({0x80}), bytes_of({0xff}), bytes_of({0xc0}), bytes_of({0xe0, 0x9f}), bytes_of({0xed, 0xa0}),
          bytes_of({0xf4, 0x90}), bytes_of({0xf5}), bytes_of({0x80, 0x80, 0x80, 0x80})})
        EXPECT_EQ(utf8_incomplete_tail(bytes), 0U) << hex_encode(bytes);
}

TEST(utf8, a_tail_is_always_something_that_can_be_completed) {
    random_source random(4);
    for (int round = 0; round < 100'000; ++round) {
        std::string bytes(random.below(6), '\0');
        for (auto& c : bytes) c = static_cast<char>(0x80 + random.below(0x80));
        const std::size_t tail = utf8_incomplete_tail(bytes);
        ASSERT_LE(tail, std::min<std::size_t>(3, bytes.size()));
        if (tail == 0) continue;
        // Some continuation finishes it: the second byte's range is never empty.
        std::string whole = bytes.substr(bytes.size() - tail);
        bool completed = false;
        for (const int second : {0x80, 0x90, 0xa0}) {
            std::string attempt = whole;
            if (attempt.size() == 1) attempt.push_back(static_cast<char>(second));
            while (attempt.size() < 4 && !is_utf8(attempt)) attempt.push_back('\x80');
            completed = completed || is_utf8(attempt);
        }
        ASSERT_TRUE(completed) << hex_encode(bytes);
    }
}

}  // namespace
}  // namespace runtime
