// Retention: keeps the archive within its bounds, in the background and in small steps.
#pragma once

#include <stop_token>

#include "runtime/base/metrics.hpp"
#include "runtime/gate.hpp"
#include "runtime/shard.hpp"
#include "storage/api/archive.hpp"

namespace stages::result {

struct retention_options {
    storage::retention_limits limits;
    runtime::nanoseconds interval = runtime::seconds(10);  // between two looks
    std::size_t step_documents = 256;                      // removed by one call to the archive
    // Between two steps of one look, so that reads and hand-overs find the archive's threads free.
    runtime::nanoseconds step_pause = runtime::milliseconds(2);
};

// Shard: one instance per node, on any one shard. Lifetime: stop() is awaited before destruction; the archive outlives
// it. Metrics: weir_archive_removed_total{reason}, weir_archive_removed_bytes_total, weir_archive_documents and
// weir_archive_bytes. A failing archive is asked again at the next look.
class retention {
  public:
    retention(runtime::shard& home, storage::archive& archive, retention_options options);

    void start();
    runtime::task<void> stop();

  private:
    runtime::task<void> run();
    runtime::task<void> look();
    void count(const storage::retention_step& step);

    runtime::shard& home_;
    storage::archive& archive_;
    retention_options options_;
    runtime::counter& by_age_;
    runtime::counter& by_count_;
    runtime::counter& by_bytes_;
    runtime::counter& removed_bytes_;
    runtime::counter& failures_;
    runtime::metrics_registry::hook_ticket gauges_;
    std::stop_source stop_;
    runtime::gate gate_;
};

}  // namespace stages::result
