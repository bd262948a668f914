#include "storage/embedded/archive/unflushed_keys.hpp"

#include <gtest/gtest.h>

namespace tests {
namespace {

using storage::embedded::unflushed_keys;
constexpr auto span = unflushed_keys::group_span;

TEST(unflushed_keys, nothing_was_written) {
    unflushed_keys keys;
    EXPECT_FALSE(keys.smallest(0).has_value());
}

TEST(unflushed_keys, the_smallest_whose_group_no_flush_has_passed) {
    unflushed_keys keys;
    keys.put(10, "m");
    keys.put(20, "c");
    keys.put(30, "x");
    keys.put(10 + span, "p");
    EXPECT_EQ(keys.groups(), 2U);
    EXPECT_EQ(keys.smallest(0), "c");
    EXPECT_EQ(keys.smallest(29), "c");  // some of a group are durable: all count as not
    EXPECT_EQ(keys.smallest(30), "p");
    EXPECT_EQ(keys.smallest(9 + span), "p");
    EXPECT_FALSE(keys.smallest(10 + span).has_value());
    keys.put(40 + span, "a");
    EXPECT_EQ(keys.smallest(10 + span), "a");
}

TEST(unflushed_keys, a_closed_group_takes_no_more) {
    unflushed_keys keys;
    keys.put(10, "b");
    keys.close_group();
    keys.put(11, "c");
    keys.put(12, "a");
    EXPECT_EQ(keys.groups(), 2U);
    EXPECT_EQ(keys.smallest(9), "a");
    EXPECT_EQ(keys.smallest(10), "a");
    keys.close_group();
    keys.put(13, "z");
    EXPECT_EQ(keys.smallest(12), "z");
}

TEST(unflushed_keys, many_writes_are_few_groups) {
    unflushed_keys keys;
    for (std::uint64_t sequence = 5; sequence < 10 * span; sequence += 5) keys.put(sequence, "k");
    EXPECT_LE(keys.groups(), 10U);
}

}  // namespace
}  // namespace tests
