#include "runtime/base/marks.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <string_view>

#include "tests/support/mark_table.hpp"

namespace {

using runtime::mark;
using runtime::mark_kind;

const mark* find(std::string_view name) {
    const auto all = runtime::all_marks();
    const auto it = std::find_if(all.begin(), all.end(), [&](const mark* one) { return one->name == name; });
    return it == all.end() ? nullptr : *it;
}

void pass_through(int value) {
    WEIR_ALWAYS(value >= 0, "values are not negative");
    WEIR_SOMETIMES(value > 10, "a value above ten");
    WEIR_SOMETIMES(value > 1000, "a value above a thousand");
    if (value == 77) WEIR_UNREACHABLE("seventy-seven");
}

TEST(marks, are_known_before_they_are_reached) {
    ASSERT_NE(find("a value above ten"), nullptr);
    EXPECT_EQ(find("a value above ten")->kind, mark_kind::sometimes);
    EXPECT_EQ(find("values are not negative")->kind, mark_kind::always);
    EXPECT_EQ(find("seventy-seven")->kind, mark_kind::unreachable);
    EXPECT_EQ(find("no such mark"), nullptr);
}

TEST(marks, a_table_counts_the_runs_that_reached_them) {
    tests::mark_table table;
    for (const int value : {1, 20, 30}) {
        tests::mark_table::begin_run();
        pass_through(value);
        table.end_run();
    }
    EXPECT_TRUE(find("a value above ten")->reached);
    const auto never = table.never_reached();
    ASSERT_EQ(never.size(), 1U);
    EXPECT_TRUE(never[0].starts_with("a value above a thousand (marks_test.cpp:")) << never[0];
    tests::mark_table::begin_run();
    EXPECT_FALSE(find("a value above ten")->reached);
}

TEST(marks_death_test, what_must_not_be_reached_ends_the_process) {
    EXPECT_DEATH(pass_through(77), "seventy-seven");
    EXPECT_DEATH(pass_through(-1), "values are not negative");
}

}  // namespace
