// An executor that runs nothing: every launch ends at once, or after a delay, with exit code 0 and no output. It exists
// to measure everything but the program.
#pragma once

#include "stages/worker/worker.hpp"

namespace stages::worker {

// Shard: each shard has its own.
class noop_worker final : public worker {
  public:
    explicit noop_worker(runtime::milliseconds delay) : delay_(delay) {}

    runtime::task<verdict> run(launch_request request, observer& watch, std::stop_token stop) override;
    runtime::task<runtime::result<void>> start() override;
    runtime::task<void> stop() override;

  private:
    runtime::milliseconds delay_;
};

}  // namespace stages::worker
