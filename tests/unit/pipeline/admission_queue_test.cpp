#include "pipeline/admission_queue.hpp"

#include <gtest/gtest.h>

namespace pipeline {
namespace {

execution_id id(std::uint8_t n) {
    execution_id out;
    out.bytes[0] = n;
    return out;
}

TEST(admission_queue, is_strict_by_priority_and_fifo_within_one) {
    admission_queue queue;
    queue.push(priority::low, id(1));
    queue.push(priority::critical, id(2));
    queue.push(priority::low, id(3));
    queue.push(priority::normal, id(4));
    queue.push(priority::critical, id(5));
    for (const int expected : {2, 5, 4, 1, 3}) EXPECT_EQ(queue.pop(), id(static_cast<std::uint8_t>(expected)));
    EXPECT_FALSE(queue.pop());
}

TEST(admission_queue, positions_follow_what_is_taken_and_removed) {
    admission_queue queue;
    const auto a = queue.push(priority::normal, id(1));
    const auto b = queue.push(priority::normal, id(2));
    const auto c = queue.push(priority::high, id(3));
    EXPECT_EQ(queue.position(c), 1U);
    EXPECT_EQ(queue.position(a), 2U);
    EXPECT_EQ(queue.position(b), 3U);
    EXPECT_TRUE(queue.remove(a));
    EXPECT_FALSE(queue.remove(a));
    EXPECT_EQ(queue.position(b), 2U);
    EXPECT_EQ(queue.pop(), id(3));
    EXPECT_FALSE(queue.position(c));
    EXPECT_EQ(queue.position(b), 1U);
    EXPECT_EQ(queue.size(), 1U);
}

}  // namespace
}  // namespace pipeline
