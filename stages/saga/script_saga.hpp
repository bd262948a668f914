// The saga of a script: the life of an execution from its place in the queue to the archive. While an execution is in
// the queue, its place there is all that there is of its life; coroutines begin when its turn has come.
#pragma once

#include "pipeline/saga.hpp"
#include "pipeline/shard_state.hpp"
#include "runtime/gate.hpp"
#include "stages/coordinator/coordinator.hpp"
#include "stages/result/hand_over.hpp"
#include "stages/saga/attempt.hpp"
#include "stages/worker/worker.hpp"

namespace stages::saga {

// Shard: its owner only. Lifetime: stop() before destruction.
class script_saga final : public pipeline::saga {
  public:
    script_saga(pipeline::shard_state& state, coordinator::coordinator& seats, worker::worker& worker,
                result::hand_over& archive);

    void begin(std::shared_ptr<pipeline::execution> e) override;
    void cancelled(std::shared_ptr<pipeline::execution> e) override;
    void hand_over(std::shared_ptr<pipeline::execution> e) override;
    [[nodiscard]] std::optional<std::uint64_t> queue_position(const pipeline::execution& e) const override;
    [[nodiscard]] std::size_t queued() const override { return seats_.queued(); }

    // Starts nothing more; waits until `grace` is over for what runs, then ends it. What was cut off is left as it is:
    // the next start finds a start without an outcome.
    runtime::task<void> stop(runtime::nanoseconds grace);

  private:
    using outcome = runtime::result<attempt_outcome>;

    void queue_up(std::shared_ptr<pipeline::execution> e);
    runtime::task<void> queue_up_after_backoff(std::shared_ptr<pipeline::execution> e);
    runtime::task<void> take_turn(std::shared_ptr<pipeline::execution> e);
    runtime::task<void> settle(std::shared_ptr<pipeline::execution> e, outcome came);
    void settle_soon(std::shared_ptr<pipeline::execution> e, pipeline::verdict_view verdict);

    pipeline::shard_state& state_;
    coordinator::coordinator& seats_;
    worker::worker& worker_;
    result::hand_over& archive_;
    std::stop_source starts_nothing_more_;
    std::stop_source ends_programs_;
    runtime::gate gate_;
};

}  // namespace stages::saga
