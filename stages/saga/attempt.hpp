// One attempt: launch the program, write down what it does, and bring its end back.
#pragma once

#include "pipeline/shard_state.hpp"
#include "stages/worker/worker.hpp"

namespace stages::saga {

// What an attempt came to. Error: the log has failed for good, and the rest is the next start's.
runtime::task<runtime::result<pipeline::verdict_view>> run_attempt(pipeline::shard_state& state, worker::worker& worker,
                                                                   std::shared_ptr<pipeline::execution> e);

}  // namespace stages::saga
