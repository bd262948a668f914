#include "stages/worker/noop_worker.hpp"

#include "runtime/shard.hpp"

namespace stages::worker {

runtime::task<verdict> noop_worker::run(launch_request request, observer& watch, std::stop_token stop) {
    // As a program would: its input is not kept while it runs, and thousands may run at once.
    {
        const launch_request consumed = std::move(request);
    }
    co_await watch.started();
    verdict out;
    const auto begin = runtime::shard::here().time().steady();
    const bool whole = delay_.count() == 0 || co_await runtime::sleep_for(delay_, stop);
    const auto lasted = runtime::shard::here().time().steady() - begin;
    out.usage.wall_us = static_cast<std::uint64_t>(lasted.count() / 1000);
    out.usage.cpu_us = 0;
    out.ended_by = whole ? cause::exited : cause::cancelled;
    if (whole) out.exit_code = 0;
    co_return out;
}

runtime::task<runtime::result<void>> noop_worker::start() { co_return runtime::result<void>(); }
runtime::task<void> noop_worker::stop() { co_return; }

}  // namespace stages::worker
