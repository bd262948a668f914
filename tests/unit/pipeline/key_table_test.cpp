#include "pipeline/key_table.hpp"

#include <gtest/gtest.h>

namespace pipeline {
namespace {

key_entry entry(const principal& who, std::string_view name, std::int64_t expires_us) {
    key_entry out;
    const auto digest = digest_of(who, "POST /x", name);
    out.key = digest.key;
    out.execution.bytes[14] = static_cast<std::uint8_t>(digest.home.value >> 8);
    out.execution.bytes[15] = static_cast<std::uint8_t>(digest.home.value);
    out.expires = {expires_us};
    return out;
}

TEST(key_table, the_same_key_of_another_user_or_route_is_another_key) {
    const auto a = make_principal("t", "a", false);
    const auto b = make_principal("t", "b", false);
    EXPECT_NE(digest_of(a, "POST /x", "k").key, digest_of(b, "POST /x", "k").key);
    EXPECT_NE(digest_of(a, "POST /x", "k").key, digest_of(a, "POST /y", "k").key);
    // No two ways to cut the same bytes.
    EXPECT_NE(digest_of(make_principal("t", "ab", false), "c", "k").key,
              digest_of(make_principal("t", "a", false), "bc", "k").key);
}

TEST(key_table, forgets_a_key_when_its_time_has_come_and_its_execution_is_over) {
    const auto who = make_principal("t", "a", false);
    key_table table(10);
    const auto one = entry(who, "one", 100);
    table.insert(one, 5);
    bool open = true;
    const auto is_open = [&](execution_id) { return open; };
    table.expire({99}, is_open);
    EXPECT_NE(table.find(one.key), nullptr);
    table.expire({100}, is_open);
    EXPECT_NE(table.find(one.key), nullptr) << "its execution is open";
    open = false;
    table.expire({100}, is_open);
    EXPECT_NE(table.find(one.key), nullptr) << "looked at again a minute later";
    table.expire({61'000'000}, is_open);
    EXPECT_EQ(table.find(one.key), nullptr);
}

TEST(key_table, is_full_at_its_limit) {
    const auto who = make_principal("t", "a", false);
    key_table table(2);
    table.insert(entry(who, "1", 1), 1);
    EXPECT_FALSE(table.full());
    table.insert(entry(who, "2", 1), 2);
    EXPECT_TRUE(table.full());
    table.insert(entry(who, "2", 1), 3);
    EXPECT_EQ(table.size(), 2U);
}

TEST(key_table, forgets_some_at_a_time_and_says_whether_there_are_more) {
    const auto who = make_principal("t", "a", false);
    key_table table(1000);
    for (int i = 0; i < 600; ++i) table.insert(entry(who, std::to_string(i), 100), 1);
    const auto nothing_is_open = [](execution_id) { return false; };
    EXPECT_FALSE(table.expire({99}, nothing_is_open));
    EXPECT_EQ(table.size(), 600U);
    EXPECT_TRUE(table.expire({100}, nothing_is_open));
    EXPECT_EQ(table.size(), 600U - key_table::expired_at_once);
    while (table.expire({100}, nothing_is_open)) {
    }
    EXPECT_EQ(table.size(), 0U);
}

TEST(key_table, forgets_by_time_whatever_the_order_in_which_keys_came) {
    const auto who = make_principal("t", "a", false);
    key_table table(10);
    table.insert(entry(who, "late", 900), 1);
    table.insert(entry(who, "early", 100), 2);
    table.insert(entry(who, "between", 500), 3);
    const auto nothing_is_open = [](execution_id) { return false; };
    table.expire({100}, nothing_is_open);
    EXPECT_EQ(table.find(entry(who, "early", 0).key), nullptr);
    table.expire({500}, nothing_is_open);
    EXPECT_EQ(table.size(), 1U);
    EXPECT_NE(table.find(entry(who, "late", 0).key), nullptr);
}

class key_table_partitions : public ::testing::TestWithParam<unsigned> {};

TEST_P(key_table_partitions, have_their_keys_in_parts) {
    const unsigned bits = GetParam();
    const auto who = make_principal("t", "a", false);
    key_table table(2000);
    for (int i = 0; i < 2000; ++i) table.insert(entry(who, std::to_string(i), 1), 1);
    std::size_t sum = 0;
    for (std::uint32_t p = 0; p < 1U << bits; ++p) {
        const runtime::partition_id partition{static_cast<std::uint16_t>(p)};
        std::vector<key_entry> keys;
        for (std::size_t part = 0; part < key_table::parts_of(bits); ++part)
            table.add_part(partition, bits, part, keys);
        for (const auto& key : keys) EXPECT_EQ(runtime::partition_of(key.execution.home(), bits), partition);
        sum += keys.size();
        const auto count = table.count_of(partition, bits);
        if (bits <= 8) EXPECT_EQ(count, keys.size());
        EXPECT_GE(count, keys.size());
    }
    EXPECT_EQ(sum, 2000U);
}

INSTANTIATE_TEST_SUITE_P(bits, key_table_partitions, ::testing::Values(0, 4, 8, 10));

}  // namespace
}  // namespace pipeline
