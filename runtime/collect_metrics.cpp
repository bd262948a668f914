#include "runtime/collect_metrics.hpp"

#include "runtime/base/log.hpp"
#include "runtime/submit.hpp"

namespace runtime {
namespace {

// The log's sink is the process's, so its counters have no shard.
metrics_snapshot metrics_of_process() {
    metrics_registry registry;
    const log_counts counts = count_log_lines();
    registry.make_counter("weir_log_lines_total", "Log lines written to standard error.").add(counts.written);
    registry.declare_limit("logging.repeated_per_second_max").add(counts.dropped_repeated);
    registry.declare_limit("logging.sink_blocked").add(counts.dropped_blocked);
    return registry.collect();
}

}  // namespace

task<metrics_snapshot> collect_metrics(std::vector<shard*> shards) {
    metrics_snapshot all = metrics_of_process();
    for (shard* const one : shards) {
        const auto collect = [one] { return one->metrics().collect(); };
        const metrics_snapshot its = co_await submit(*one, collect);
        merge(all, its);
    }
    co_return all;
}

}  // namespace runtime
