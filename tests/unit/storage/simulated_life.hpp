// One life of a node in the simulated world, whatever log it has: its shards and the tasks that tests run there.
#pragma once

#include <algorithm>
#include <memory>
#include <vector>

#include "runtime/base/assert.hpp"
#include "runtime/gate.hpp"
#include "runtime/simulation/world.hpp"
#include "runtime/spawn.hpp"

namespace tests {

class simulated_life {
  public:
    using maker = runtime::unique_function<runtime::task<void>()>;

    simulated_life(runtime::simulation::world& world, std::size_t shards) : world_(world) {
        for (std::size_t i = 0; i < shards; ++i) {
            homes_.push_back(&world.add_shard(static_cast<runtime::shard_id>(i)));
            gates_.push_back(std::make_unique<runtime::gate>(*homes_.back()));
        }
    }
    [[nodiscard]] std::size_t size() const { return homes_.size(); }
    runtime::simulation::simulated_shard& shard(std::size_t i) { return *homes_[i]; }

    // Starts a task; what made it lives as long as the life.
    void start(std::size_t i, maker make) {
        makers_.push_back(std::make_shared<maker>(std::move(make)));
        homes_[i]->post([this, i, kept = makers_.back()] { runtime::spawn(*gates_[i], *homes_[i], (*kept)()); });
    }
    // Runs a task to its end.
    void run(std::size_t i, maker make) {
        bool done = false;
        const auto whole = [](std::shared_ptr<maker> inner, bool& flag) -> runtime::task<void> {
            co_await (*inner)();
            flag = true;
        };
        auto kept = std::make_shared<maker>(std::move(make));
        start(i, [whole, kept, &done] { return whole(kept, done); });
        const bool ended = world_.run_until([&done] { return done; }, runtime::seconds(3600));
        WEIR_ASSERT(ended);
    }
    void wait_for_all() {
        // What was posted has first to begin.
        bool begun = false;
        world_.after(runtime::milliseconds(1), [&begun] { begun = true; });
        const auto idle = [&] {
            return begun && std::all_of(gates_.begin(), gates_.end(), [](const auto& g) { return g->count() == 0; });
        };
        const bool ended = world_.run_until(idle, runtime::seconds(3600));
        WEIR_ASSERT(ended);
    }
    void kill() {
        for (auto* home : homes_) home->kill();
    }

  private:
    runtime::simulation::world& world_;
    std::vector<runtime::simulation::simulated_shard*> homes_;
    std::vector<std::unique_ptr<runtime::gate>> gates_;
    std::vector<std::shared_ptr<maker>> makers_;
};

}  // namespace tests
