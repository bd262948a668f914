#include "http/json_writer.hpp"

#include <gtest/gtest.h>

namespace http {
namespace {

TEST(json_writer, writes_nested_values_with_their_commas) {
    std::string out;
    json_writer json(out);
    json.begin_object().member("a", "x").member("b", std::uint64_t{1}).key("c").begin_array().value("y").value(true);
    json.begin_object().end_object().begin_array().end_array().null().end_array();
    json.member("d", std::optional<std::int32_t>()).member("e", std::optional<std::int32_t>(-7)).end_object();
    EXPECT_EQ(out, R"({"a":"x","b":1,"c":["y",true,{},[],null],"d":null,"e":-7})");
}

TEST(json_writer, escapes_what_must_be_and_nothing_else) {
    std::string out;
    append_escaped(out, std::string("a\"\\/\b\f\n\r\t\0\x1f\x7f\xc3\xa4", 14));
    EXPECT_EQ(out, "a\\\"\\\\/\\b\\f\\n\\r\\t\\u0000\\u001f\\u007f\xc3\xa4");
}

TEST(json_writer, escapes_every_byte_wherever_it_is) {
    const auto wanted = [](unsigned byte) {
        std::string out;
        append_escaped(out, std::string(1, static_cast<char>(byte)));
        return out;
    };
    for (unsigned byte = 0; byte < 256; ++byte)
        for (std::size_t at = 0; at < 17; ++at) {
            std::string text(17, byte == 'a' ? 'b' : 'a');
            text[at] = static_cast<char>(byte);
            std::string out;
            append_escaped(out, text);
            EXPECT_EQ(out, text.substr(0, at) + wanted(byte) + text.substr(at + 1)) << byte << " at " << at;
        }
    for (unsigned byte = 0; byte < 256; ++byte)
        EXPECT_EQ(wanted(byte).size() > 1, byte < 0x20 || byte == '"' || byte == '\\' || byte == 0x7F) << byte;
}

TEST(json_writer, writes_numbers_at_their_ends) {
    std::string out;
    json_writer json(out);
    json.begin_array()
        .value(std::uint64_t{UINT64_MAX})
        .value(std::int64_t{INT64_MIN})
        .value(std::int64_t{INT64_MAX})
        .end_array();
    EXPECT_EQ(out, "[18446744073709551615,-9223372036854775808,9223372036854775807]");
}

TEST(json_writer, writes_microseconds_as_exact_seconds) {
    std::string out;
    json_writer json(out);
    json.begin_array().seconds(0).seconds(1).seconds(1'500'000).seconds(123'456'789).seconds(10'000'000).end_array();
    EXPECT_EQ(out, "[0,0.000001,1.5,123.456789,10]");
}

}  // namespace
}  // namespace http
