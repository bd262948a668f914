#include "bench/json.hpp"

#include <gtest/gtest.h>

namespace bench {
namespace {

TEST(json, writes_numbers_as_people_do) {
    EXPECT_EQ(json::number(5), "5");
    EXPECT_EQ(json::number(0.25), "0.25");
    EXPECT_EQ(json::number(1234567.891), "1.23457e+06");
    EXPECT_EQ(json::number(-3), "-3");
    EXPECT_EQ(json::number(1.0 / 0.0), "null");
}

TEST(json, reads_back_what_it_writes) {
    const std::string text =
        R"({"a":[1,2,[3,4]],"b":{"c":"x\"\n","d":null,"e":true},"f":18446744073709551615,"g":-1,"h":0.5})";
    const auto read = json::parse(text);
    ASSERT_TRUE(read);
    EXPECT_EQ(json::compact(*read), text);
    EXPECT_EQ(json::parse(json::pretty(*read)), read);
}

TEST(json, breaks_long_lines_and_keeps_lists_of_numbers_on_one) {
    json::object what;
    what["numbers"] = json::array{1, 2, 3};
    what["text"] = std::string(120, 'x');
    EXPECT_EQ(json::pretty(what), "{\n  \"numbers\": [1, 2, 3],\n  \"text\": \"" + std::string(120, 'x') + "\"\n}\n");
}

TEST(json, gives_fallbacks_for_what_is_missing_or_of_another_kind) {
    const auto read = json::parse(R"({"text":"t","number":1.5,"count":3,"negative":-3})");
    EXPECT_EQ(json::text_of(*read, "text"), "t");
    EXPECT_EQ(json::text_of(*read, "count", "none"), "none");
    EXPECT_EQ(json::number_of(*read, "number"), 1.5);
    EXPECT_EQ(json::number_of(*read, "count"), 3);
    EXPECT_EQ(json::count_of(*read, "count"), 3U);
    EXPECT_EQ(json::count_of(*read, "negative", 9), 9U);
    EXPECT_EQ(json::find(json::value(nullptr), "x"), nullptr);
    EXPECT_FALSE(json::parse("{"));
}

}  // namespace
}  // namespace bench
