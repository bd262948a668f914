#include "storage/simulated/broker_log.hpp"
#include "tests/unit/storage/log_rigs.hpp"
#include "tests/unit/storage/simulated_life.hpp"

namespace tests {
namespace {

using storage::simulated::broker;
using storage::simulated::broker_log;

class broker_rig final : public log_rig {
  public:
    broker_rig(std::uint64_t seed, bool faults) : world_(seed), broker_(world_) {
        if (!faults) return;
        broker_.behaviour().request_lost = 3'000;
        broker_.behaviour().answer_lost = 3'000;
        broker_.behaviour().request_late = 3'000;
    }
    ~broker_rig() override {
        if (life_) crash();
    }

    std::string begin_life(std::size_t shards) override {
        life_ = std::make_shared<life>(world_, shards);
        for (std::size_t i = 0; i < shards; ++i) {
            const runtime::shard::running here(life_->node.shard(i));
            life_->logs.push_back(std::make_unique<broker_log>(life_->node.shard(i), broker_));
        }
        return "";
    }
    void end_life() override {
        for (std::size_t i = 0; i < shards(); ++i) run(i, [this, i] { return life_->logs[i]->stop(); });
        life_->node.wait_for_all();
        life_.reset();
    }
    [[nodiscard]] std::size_t shards() const override { return life_->logs.size(); }
    runtime::shard& shard(std::size_t i) override { return life_->node.shard(i); }
    storage::log& log(std::size_t i) override { return *life_->logs[i]; }
    void run(std::size_t i, runtime::unique_function<runtime::task<void>()> make) override {
        life_->node.run(i, std::move(make));
    }
    runtime::simulation::world* world() override { return &world_; }
    void start(std::size_t i, runtime::unique_function<runtime::task<void>()> make) override {
        life_->node.start(i, std::move(make));
    }
    void vary(runtime::random_source& random) override {
        broker_.behaviour().delay_max = runtime::microseconds(100 + random.below(3) * 2000);
    }
    // What is on its way to the broker arrives all the same, perhaps behind the next life's fence.
    void crash() override {
        life_->node.kill();
        world_.bury(life_);
        life_.reset();
    }
    std::uint64_t stored_bytes() override { return broker_.bytes_stored(); }
    // Even a good broker may still hold what a killed node had sent.
    [[nodiscard]] bool may_close_by_itself() const override { return true; }

  private:
    struct life {
        life(runtime::simulation::world& world, std::size_t shards) : node(world, shards) {}
        simulated_life node;
        std::vector<std::unique_ptr<broker_log>> logs;
    };
    runtime::simulation::world world_;
    broker broker_;
    std::shared_ptr<life> life_;
};

}  // namespace

std::unique_ptr<log_rig> make_broker_rig(std::uint64_t seed, bool faults) {
    return std::make_unique<broker_rig>(seed, faults);
}

}  // namespace tests
