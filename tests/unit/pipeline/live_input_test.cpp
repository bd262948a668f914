#include "pipeline/live_input.hpp"

#include <gtest/gtest.h>

#include <csignal>

#include "runtime/simulation/world.hpp"
#include "tests/support/two_shards.hpp"

namespace pipeline {
namespace {

template <class Body>
void on_a_shard(Body body) {
    tests::simulated_shards shards(1);
    const auto run = [](Body what) -> task<void> {
        what();
        co_return;
    };
    shards.run(0, [&] { return run(body); });
}

live_input terminal() {
    interactive_input how;
    how.terminal.emplace();
    return live_input(runtime::shard::here(), how);
}

TEST(live_input, holds_no_more_than_its_limit) {
    on_a_shard([] {
        auto input = terminal();
        const std::string much(attach_input_bytes_max, 'x');
        EXPECT_EQ(input.offer("ab"), 2U);
        EXPECT_EQ(input.offer(much), attach_input_bytes_max - 2);
        EXPECT_TRUE(input.is_full());
        EXPECT_EQ(input.offer("c"), 0U);
        EXPECT_EQ(runtime::shard::here().metrics().declare_limit("attach.input_bytes_max").value(), 2U);
        input.drop(3);
        EXPECT_EQ(input.offer("de"), 2U);
        EXPECT_EQ(input.waiting().size(), attach_input_bytes_max - 1);
        EXPECT_TRUE(input.waiting().ends_with("de"));
    });
}

TEST(live_input, what_waits_is_delivered_before_the_end) {
    on_a_shard([] {
        auto input = terminal();
        input.offer("last");
        input.end();
        EXPECT_FALSE(input.at_end());
        EXPECT_EQ(input.offer("too late"), 8U);  // taken and dropped: nobody waits for room
        EXPECT_EQ(input.waiting(), "last");
        input.drop(4);
        EXPECT_TRUE(input.at_end());
    });
}

TEST(live_input, the_end_of_an_attempt_takes_what_was_typed_for_it) {
    on_a_shard([] {
        auto input = terminal();
        input.program_began();
        input.offer("typed");
        EXPECT_TRUE(input.signal(SIGINT));
        input.program_ended();
        EXPECT_EQ(input.waiting(), "");
        EXPECT_EQ(input.take_signals(), 0U);
        EXPECT_FALSE(input.signal(SIGINT));
        EXPECT_TRUE(input.takes_bytes());
        input.close();
        EXPECT_FALSE(input.takes_bytes());
    });
}

TEST(live_input, a_program_that_reads_no_more_makes_nobody_wait) {
    on_a_shard([] {
        auto input = terminal();
        const std::string much(2 * attach_input_bytes_max, 'x');
        input.offer(much);
        input.program_reads_no_more();
        EXPECT_EQ(input.offer(much), much.size());
        EXPECT_EQ(input.waiting(), "");
    });
}

TEST(live_input, the_last_size_and_each_signal_count_once) {
    on_a_shard([] {
        auto input = terminal();
        EXPECT_FALSE(input.take_resize());
        input.resize({10, 20});
        input.resize({30, 40});
        EXPECT_EQ(input.take_resize(), (terminal_size{30, 40}));
        EXPECT_FALSE(input.take_resize());
        EXPECT_EQ(input.how().terminal, (terminal_size{30, 40}));
        input.program_began();
        EXPECT_TRUE(input.signal(SIGTERM));
        EXPECT_TRUE(input.signal(SIGTERM));
        EXPECT_TRUE(input.signal(SIGINT));
        EXPECT_EQ(input.take_signals(), 1ULL << SIGTERM | 1ULL << SIGINT);
        EXPECT_FALSE(live_input::is_sendable(SIGSTOP));
        EXPECT_FALSE(live_input::is_sendable(SIGSEGV));
    });
}

TEST(live_input, clients_are_counted_as_long_as_they_live) {
    on_a_shard([] {
        const auto input = std::make_shared<live_input>(runtime::shard::here(), interactive_input());
        {
            live_input::client one(input);
            const live_input::client other(std::move(one));
            EXPECT_EQ(input->clients(), 1U);
        }
        EXPECT_EQ(input->clients(), 0U);
    });
}

}  // namespace
}  // namespace pipeline
