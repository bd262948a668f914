// Two shards for a test to run on, the machine's or the simulated world's, so that one test body serves both.
#pragma once

#include <gtest/gtest.h>

#include <exception>
#include <memory>

#include "runtime/shard_thread.hpp"
#include "runtime/simulation/world.hpp"
#include "runtime/spawn.hpp"
#include "runtime/submit.hpp"

namespace tests {

class two_shards {
  public:
    virtual ~two_shards() = default;
    virtual runtime::shard& operator[](std::size_t i) = 0;
    // Runs a task on shard i and waits for its end; exceptions travel.
    virtual void run(std::size_t i, runtime::unique_function<runtime::task<void>()> make) = 0;
    // Null on the machine's shards.
    virtual runtime::simulation::world* world() { return nullptr; }
};

class machine_shards final : public two_shards {
  public:
    explicit machine_shards(runtime::shard_limits limits = {}) : group_(2, limits) { group_.start(); }
    runtime::shard& operator[](std::size_t i) override { return group_[i]; }
    void run(std::size_t i, runtime::unique_function<runtime::task<void>()> make) override {
        group_.run_and_wait(i, std::move(make));
    }

  private:
    runtime::shard_group group_;
};

class simulated_shards final : public two_shards {
  public:
    explicit simulated_shards(std::uint64_t seed) : world_(seed) {
        for (runtime::shard_id i = 0; i < 2; ++i) shards_[i] = &world_.add_shard(i);
    }
    runtime::shard& operator[](std::size_t i) override { return *shards_[i]; }
    runtime::simulation::world* world() override { return &world_; }

    void run(std::size_t i, runtime::unique_function<runtime::task<void>()> make) override {
        runtime::shard& home = *shards_[i];
        runtime::gate running(home);
        bool begun = false;
        std::exception_ptr failure;
        home.post([&] {
            begun = true;
            runtime::spawn(running, home, keep(make, failure));
        });
        const bool ended = world_.run_until([&] { return begun && running.count() == 0; }, runtime::seconds(3600));
        ASSERT_TRUE(ended) << "an hour of virtual time has passed, or nothing is left to do";
        if (failure) std::rethrow_exception(failure);
    }

  private:
    static runtime::task<void> keep(runtime::unique_function<runtime::task<void>()>& make,
                                    std::exception_ptr& failure) {
        try {
            co_await make();
        } catch (...) {
            failure = std::current_exception();
        }
    }

    runtime::simulation::world world_;
    std::array<runtime::simulation::simulated_shard*, 2> shards_{};
};

}  // namespace tests
