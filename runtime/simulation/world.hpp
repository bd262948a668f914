// The simulated world: any number of shards in one thread, on a virtual clock, in an order that the seed decides. The
// same seed runs the same steps and gives the same trace hash.
#pragma once

#include <boost/asio/execution_context.hpp>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "runtime/shard.hpp"

namespace runtime::simulation {

class world;

// A shard of the world. kill() is the simulation's kill -9: from then on nothing of it runs; what it owned is neither
// freed nor touched (its owner keeps it reachable, see world::bury).
class simulated_shard final : public shard {
  public:
    simulated_shard(world& w, shard_id id, std::uint64_t seed);

    void post(work w) override;
    void when_idle(work w, nanoseconds at_most) override;
    void send(shard& to, work w) override;
    void offload(work blocking, work done) override;

    void kill() { dead_ = true; }
    [[nodiscard]] bool dead() const { return dead_; }

  private:
    friend class world;
    world& world_;
    bool dead_ = false;
    bool timers_ready_ = false;  // the ready list holds a turn of the timers
};

class world final : public boost::asio::execution_context {
  public:
    explicit world(std::uint64_t seed);
    ~world();

    simulated_shard& add_shard(shard_id id);
    [[nodiscard]] const clock& time() const { return clock_; }
    [[nodiscard]] random_source& random() { return random_; }
    [[nodiscard]] std::uint64_t steps() const { return steps_; }
    // FNV-1a over the order of steps and the times they ran at.
    [[nodiscard]] std::uint64_t trace_hash() const { return hash_; }
    void mix_into_trace(std::uint64_t value);

    // One step: a random ready piece of work, or, when none is ready, the clock jumps to the next deadline. False when
    // nothing will ever happen again.
    bool step();
    // Steps until `done` holds; false when `limit` of virtual time passed or nothing is left to do.
    bool run_until(unique_function<bool()> done, nanoseconds limit);
    // Runs a piece of the outside world (a disk's completion, a fault) after a virtual delay.
    void after(nanoseconds delay, shard::work w);
    // Wall clock jumps, as administrators and NTP do; steady time goes on.
    void jump_wall_clock(microseconds by) { wall_offset_us_ += by.count(); }

    // Keeps what a killed node owned until the world ends, and then forgets it without destroying it.
    void bury(std::shared_ptr<void> remains);

  private:
    friend class simulated_shard;
    struct ready_work {
        simulated_shard* home;  // null: the outside world
        shard::work run;
    };
    class virtual_clock final : public clock {
      public:
        explicit virtual_clock(const world& w) : world_(w) {}
        [[nodiscard]] utc_time utc() const override;
        [[nodiscard]] steady_time steady() const override;

      private:
        const world& world_;
    };

    bool jump_clock();
    void ready_what_is_due();
    void run(ready_work item);

    virtual_clock clock_;
    random_source random_;
    std::int64_t now_ns_ = 0;
    std::int64_t wall_offset_us_ = 1'800'000'000'000'000;  // some day of 2027
    std::vector<ready_work> ready_;
    // When the last message of a pair of shards arrives: later ones may not overtake it.
    std::map<std::pair<const shard*, const shard*>, std::int64_t> last_delivery_;
    timer_queue outside_;
    std::vector<std::unique_ptr<simulated_shard>> shards_;
    std::vector<std::shared_ptr<void>>* buried_;
    std::uint64_t steps_ = 0;
    std::uint64_t hash_ = 0xcbf29ce484222325ULL;
};

}  // namespace runtime::simulation
