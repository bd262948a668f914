#include "bench/workload.hpp"

#include <gtest/gtest.h>

namespace bench {
namespace {

TEST(workload, puts_the_number_where_it_is_asked_for) {
    workload_text text;
    text.script = "print(\"{{n}} and {{n}}\")\n";
    text.arguments = {"a{{n}}"};
    text.limits = {{"wall_ms", 5000}};
    text.expected_output = "{{n}} and {{n}}\n";
    const workload tested(text);
    const auto body = json::parse(tested.body_of(17));
    ASSERT_TRUE(body);
    EXPECT_EQ(json::text_of(*body, "script"), "print(\"17 and 17\")\n");
    EXPECT_EQ(json::find(*body, "args")->get_array()[0], "a17");
    EXPECT_EQ(json::count_of(*json::find(*body, "limits"), "wall_ms"), 5000U);
    EXPECT_EQ(json::find(*body, "stdin"), nullptr);
    EXPECT_EQ(tested.output_of(17), "17 and 17\n");
}

TEST(workload, without_a_placeholder_is_the_same_each_time) {
    workload_text text;
    text.script = "print(1)";
    text.expected_output.reset();
    const workload tested(text);
    EXPECT_EQ(tested.body_of(1), tested.body_of(2));
    EXPECT_FALSE(tested.output_of(1));
}

TEST(workload, comes_back_from_json_as_it_was) {
    workload_text text;
    text.script = "x{{n}}\n";
    text.lang = "bash";
    text.priority = "low";
    text.standard_input = "in";
    text.arguments = {"1", "2"};
    text.limits = {{"cpu_ms", 7}};
    text.expected_output = "o{{n}}";
    text.expected_status = "failed";
    const workload one(text);
    const workload other = workload::from_json(*json::parse(json::compact(one.to_json())));
    EXPECT_EQ(other.body_of(5), one.body_of(5));
    EXPECT_EQ(other.output_of(5), "o5");
    EXPECT_EQ(other.expected_status(), "failed");
}

}  // namespace
}  // namespace bench
