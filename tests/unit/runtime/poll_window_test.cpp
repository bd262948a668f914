#include "runtime/poll_window.hpp"

#include <gtest/gtest.h>

namespace tests {
namespace {

using runtime::microseconds;
using runtime::poll_window;

TEST(poll_window, it_grows_while_waits_are_short_up_to_its_bound) {
    poll_window window{microseconds(40)};
    EXPECT_EQ(window.length(), microseconds(0));
    const std::array expected{5, 10, 20, 40, 40};
    for (const auto each : expected) {
        window.waited(microseconds(39));
        EXPECT_EQ(window.length(), microseconds(each));
    }
}

TEST(poll_window, it_stays_while_what_comes_comes_within_it) {
    poll_window window{microseconds(40)};
    window.waited(microseconds(3));
    for (int i = 0; i < 10; ++i) window.waited(microseconds(5));
    EXPECT_EQ(window.length(), microseconds(5));
}

TEST(poll_window, a_long_wait_ends_polling) {
    poll_window window{microseconds(40)};
    for (int i = 0; i < 5; ++i) window.waited(microseconds(20));
    EXPECT_EQ(window.length(), microseconds(20));
    window.waited(microseconds(40));
    EXPECT_EQ(window.length(), microseconds(0));
}

TEST(poll_window, without_a_bound_nothing_is_polled_for) {
    poll_window window{microseconds(0)};
    window.waited(microseconds(0));
    EXPECT_EQ(window.length(), microseconds(0));
}

}  // namespace
}  // namespace tests
