// An executor that runs nothing: every launch ends at once, or after a time, with exit code 0. It prints nothing, or so
// many lines each period. It exists to measure everything but the program.
#pragma once

#include "stages/worker/worker.hpp"

namespace stages::worker {

struct noop_behaviour {
    runtime::milliseconds lasts{0};
    // Lines of standard output, each an event of its own, that come together; none: it is silent.
    std::uint32_t lines = 0;
    runtime::milliseconds period{0};  // between such bursts; above 0 where there are lines
};

// What each line is, with its line feed.
inline constexpr std::size_t noop_line_bytes = 64;

// Shard: each shard has its own.
class noop_worker final : public worker {
  public:
    explicit noop_worker(noop_behaviour behaviour) : behaviour_(behaviour) {}

    runtime::task<verdict> run(launch_request request, observer& watch, std::stop_token stop) override;

  private:
    noop_behaviour behaviour_;
};

}  // namespace stages::worker
