// One attempt: launch the program, write down what it does, and bring its end back.
#pragma once

#include "pipeline/shard_state.hpp"
#include "stages/worker/worker.hpp"

namespace stages::saga {

struct attempt_outcome {
    pipeline::verdict_view verdict;
    std::vector<std::string> artifacts;  // the bytes of the verdict's, in order
};

// What an attempt came to. Error: the log has failed for good, and the rest is the next start's.
runtime::task<runtime::result<attempt_outcome>> run_attempt(pipeline::shard_state& state, worker::worker& worker,
                                                            std::shared_ptr<pipeline::execution> e);

}  // namespace stages::saga
