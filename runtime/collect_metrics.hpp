// The metrics of a whole process: every shard's, merged, and what is counted for the process as a whole.
#pragma once

#include <vector>

#include "runtime/base/metrics.hpp"
#include "runtime/shard.hpp"
#include "runtime/task.hpp"

namespace runtime {

// Shard: any of `shards`. Visits them one after the other; a scrape is in no hurry.
task<metrics_snapshot> collect_metrics(std::vector<shard*> shards);

}  // namespace runtime
