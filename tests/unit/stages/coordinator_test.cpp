#include "stages/coordinator/coordinator.hpp"

#include <gtest/gtest.h>

#include "runtime/simulation/world.hpp"
#include "tests/unit/pipeline/samples.hpp"

namespace {

using pipeline::execution;
using pipeline::priority;
using stages::coordinator::coordinator;

class coordinator_test : public testing::Test {
  protected:
    // The queue of one shard with `seats`; whoever gets one is noted, and sits until made to rise.
    coordinator& queue_with(std::size_t seats) {
        seats_ = std::make_unique<coordinator>(table_, seats);
        seats_->on_seated([this](std::shared_ptr<execution> e) {
            turns_.push_back(e->id);
            sitting_.emplace_back(*seats_, std::move(e));
        });
        return *seats_;
    }
    execution& accepted(enum priority level = priority::normal) {
        auto e = std::make_shared<execution>(home_);
        e->id = ids_.next({0});
        e->spec.priority = level;
        table_.insert(e);
        return *e;
    }
    void first_rises() { sitting_.erase(sitting_.begin()); }

    runtime::simulation::world world_{1};
    runtime::simulation::simulated_shard& home_ = world_.add_shard(0);
    runtime::id_generator ids_{home_.time(), home_.random()};
    pipeline::execution_table table_;
    std::unique_ptr<coordinator> seats_;
    std::list<coordinator::seat> sitting_;
    std::vector<runtime::execution_id> turns_;
};

using turns = std::vector<runtime::execution_id>;

TEST_F(coordinator_test, who_finds_a_seat_free_has_it_at_once) {
    auto& queue = queue_with(2);
    auto& a = accepted();
    auto& b = accepted();
    queue.enqueue(a);
    queue.enqueue(b);
    EXPECT_EQ(turns_, (turns{a.id, b.id}));
    EXPECT_TRUE(a.has_seat && b.has_seat);
    EXPECT_EQ(queue.seated(), 2U);
    EXPECT_EQ(queue.queued(), 0U);
    EXPECT_FALSE(queue.position(a));
}

TEST_F(coordinator_test, a_seat_goes_to_the_first_of_the_highest_priority) {
    auto& queue = queue_with(1);
    auto& sits = accepted();
    auto& second = accepted();
    auto& third = accepted();
    auto& urgent = accepted(priority::high);
    for (auto* each : {&sits, &second, &third, &urgent}) queue.enqueue(*each);
    EXPECT_EQ(queue.queued(), 3U);
    EXPECT_EQ(queue.position(urgent), 1U);
    EXPECT_EQ(queue.position(third), 3U);

    for (int i = 0; i < 3; ++i) first_rises();
    EXPECT_EQ(turns_, (turns{sits.id, urgent.id, second.id, third.id}));
    EXPECT_FALSE(sits.has_seat);
    EXPECT_EQ(queue.seated(), 1U);
}

TEST_F(coordinator_test, who_leaves_the_queue_is_passed_over) {
    auto& queue = queue_with(1);
    auto& sits = accepted();
    auto& leaves = accepted();
    auto& next = accepted();
    for (auto* each : {&sits, &leaves, &next}) queue.enqueue(*each);
    EXPECT_TRUE(queue.leave(leaves));
    EXPECT_FALSE(queue.leave(leaves)) << "it was there once";
    EXPECT_FALSE(queue.leave(sits)) << "a seat is no place in the queue";
    EXPECT_EQ(queue.position(next), 1U);
    first_rises();
    EXPECT_EQ(turns_, (turns{sits.id, next.id}));
}

TEST_F(coordinator_test, without_a_limit_nobody_waits) {
    auto& queue = queue_with(0);
    for (int i = 0; i < 100; ++i) queue.enqueue(accepted());
    EXPECT_EQ(queue.seated(), 100U);
    EXPECT_EQ(queue.queued(), 0U);
}

TEST_F(coordinator_test, who_has_sat_may_queue_again_for_another_attempt) {
    auto& queue = queue_with(1);
    auto& again = accepted();
    auto& other = accepted();
    queue.enqueue(again);
    queue.enqueue(other);
    first_rises();
    queue.enqueue(again);
    first_rises();
    EXPECT_EQ(turns_, (turns{again.id, other.id, again.id}));
}

TEST_F(coordinator_test, once_closed_it_hands_out_nothing) {
    auto& queue = queue_with(1);
    auto& sits = accepted();
    auto& waits = accepted();
    queue.enqueue(sits);
    queue.enqueue(waits);
    queue.close();
    first_rises();
    auto& late = accepted();
    queue.enqueue(late);
    EXPECT_EQ(turns_, turns{sits.id});
    EXPECT_EQ(queue.seated(), 0U);
    EXPECT_EQ(queue.queued(), 2U) << "they are the next start's";
}

}  // namespace
