// What clients do, as tasks of the connection's shard: they die with the server, and what they were told before that is
// in the outside world.
#pragma once

#include "tests/simulation/network.hpp"

namespace simulation_tests {

// Those who post.
const std::vector<pipeline::principal>& some_users();
// Posts a script, with a key or without, and notes the answer.
runtime::task<void> post(pipeline::engine& engine, outside_world& outside, std::string key, std::uint64_t choice);
// The same, with some patience for the end.
runtime::task<void> post_and_wait(pipeline::engine& engine, outside_world& outside, std::string key,
                                  std::uint64_t choice);
// Cancels; noted when acknowledged.
runtime::task<void> cancel(pipeline::engine& engine, outside_world& outside, execution_id id);
// Follows the events after the last one that came, to the end or until the connection breaks (without a network it does
// not). Shard: the execution's home.
runtime::task<void> follow(pipeline::engine& engine, outside_world& outside, network* by, execution_id id);
// Asks for state, result and lists, and holds them against each other.
runtime::task<void> look(pipeline::engine& engine, outside_world& outside, execution_id id);
// Notes what is wrong with an execution that must have ended.
runtime::task<void> expect_ended(pipeline::engine& engine, outside_world& outside, execution_id id, int& left);
// Notes it when a user who has nothing open may open nothing.
runtime::task<void> expect_room(pipeline::engine& engine, outside_world& outside, std::size_t user, int& left);
runtime::task<void> expect_nothing_stuck(pipeline::engine& engine, outside_world& outside, int& left);

}  // namespace simulation_tests
