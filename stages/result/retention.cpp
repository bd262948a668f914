#include "stages/result/retention.hpp"

#include "runtime/base/log.hpp"
#include "runtime/spawn.hpp"
#include "runtime/timer.hpp"

namespace stages::result {

using runtime::task;

namespace {

runtime::counter& removed(runtime::metrics_registry& metrics, const char* reason) {
    return metrics.make_counter("weir_archive_removed_total", "Ended executions that retention has removed.",
                                {{"reason", reason}});
}

}  // namespace

retention::retention(runtime::shard& home, storage::archive& archive, retention_options options)
    : home_(home),
      archive_(archive),
      options_(options),
      by_age_(removed(home.metrics(), "age")),
      by_count_(removed(home.metrics(), "count")),
      by_bytes_(removed(home.metrics(), "bytes")),
      removed_bytes_(home.metrics().make_counter("weir_archive_removed_bytes_total",
                                                 "Bytes of what retention has removed, before compression.")),
      failures_(home.metrics().make_counter("weir_archive_retention_failures_total",
                                            "Steps of retention that the archive did not take.")),
      gate_(home) {
    auto& documents = home.metrics().make_gauge("weir_archive_documents", "Ended executions that the archive holds.");
    auto& bytes = home.metrics().make_gauge("weir_archive_bytes", "Bytes of them, before compression.");
    gauges_ = home.metrics().on_collect([this, &documents, &bytes] {
        const auto totals = archive_.totals();
        documents.set(static_cast<double>(totals.documents));
        bytes.set(static_cast<double>(totals.bytes));
    });
}

void retention::start() { runtime::spawn(gate_, home_, run()); }

task<void> retention::stop() {
    stop_.request_stop();
    co_await gate_.close();
}

task<void> retention::run() {
    while (co_await runtime::sleep_for(options_.interval, stop_.get_token())) co_await look();
}

void retention::count(const storage::retention_step& step) {
    by_age_.add(step.by_age);
    by_count_.add(step.by_count);
    by_bytes_.add(step.by_bytes);
    removed_bytes_.add(step.bytes);
}

task<void> retention::look() {
    bool more = true;
    while (more && !stop_.stop_requested()) {
        const auto step = co_await archive_.remove_oldest(options_.limits, home_.time().utc(), options_.step_documents);
        if (!step) {
            failures_.add();
            runtime::log(runtime::log_level::warning, "retention did not come further",
                         {{"why", step.error().message()}});
            co_return;
        }
        count(*step);
        more = step->more && co_await runtime::sleep_for(options_.step_pause, stop_.get_token());
    }
}

}  // namespace stages::result
