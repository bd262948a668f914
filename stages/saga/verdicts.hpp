// From what a worker saw to what the client is told, and whether another attempt follows.
#pragma once

#include "pipeline/execution.hpp"
#include "stages/worker/worker.hpp"

namespace stages::saga {

pipeline::verdict_view to_view(const worker::verdict& seen);
// An attempt whose start was recorded and whose outcome was not: its box died with the server. It counts as
// cancelled if that was asked for.
pipeline::verdict_view lost_with_the_server(bool cancellation_requested);
pipeline::verdict_view cancelled_before_start();
pipeline::verdict_view could_not_start(std::string why);

// Attempts are counted from 1; a cancelled execution is not tried again.
bool another_attempt_follows(const pipeline::execution& e, const pipeline::verdict_view& outcome);
// The retry's backoff doubles with each attempt, up to an hour.
runtime::microseconds backoff_before_next(const pipeline::execution& e);

}  // namespace stages::saga
