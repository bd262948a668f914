#include "stages/worker/noop_worker.hpp"

#include "runtime/gate.hpp"
#include "runtime/shard.hpp"
#include "runtime/spawn.hpp"

namespace stages::worker {

namespace {

// The lines are alike, so their order says nothing: they need not wait for one another, and are one commit.
runtime::task<void> print(std::uint32_t lines, observer& watch) {
    auto& home = runtime::shard::here();
    runtime::gate printing(home);
    for (std::uint32_t i = 0; i < lines; ++i) {
        std::string line(noop_line_bytes - 1, '.');
        line += '\n';
        runtime::spawn(printing, home, watch.output(output_stream::standard_output, std::move(line)));
    }
    co_await printing.close();
}

// Sleeps `lasts`, with a burst of lines at each period within it. False when it was stopped.
runtime::task<bool> pass_time(noop_behaviour behaviour, observer& watch, std::stop_token stop, std::uint64_t& bytes) {
    const auto& time = runtime::shard::here().time();
    const auto end = time.steady() + behaviour.lasts;
    for (auto next = time.steady() + behaviour.period; behaviour.lines > 0 && next < end;
         next = next + behaviour.period) {
        const bool on = co_await runtime::sleep_for(next - time.steady(), stop);
        if (!on) co_return false;
        co_await print(behaviour.lines, watch);
        bytes += behaviour.lines * noop_line_bytes;
    }
    const auto rest = end - time.steady();
    co_return rest <= runtime::nanoseconds(0) || co_await runtime::sleep_for(rest, stop);
}

}  // namespace

runtime::task<verdict> noop_worker::run(launch_request request, observer& watch, std::stop_token stop) {
    // As a program would: its input is not kept while it runs, and thousands may run at once.
    {
        const launch_request consumed = std::move(request);
    }
    co_await watch.started();
    verdict out;
    const auto begin = runtime::shard::here().time().steady();
    bool whole = true;
    if (behaviour_.lasts.count() > 0) whole = co_await pass_time(behaviour_, watch, stop, out.usage.output_bytes);
    const auto lasted = runtime::shard::here().time().steady() - begin;
    out.usage.wall_us = static_cast<std::uint64_t>(lasted.count() / 1000);
    out.usage.cpu_us = 0;
    out.ended_by = whole ? cause::exited : cause::cancelled;
    if (whole) out.exit_code = 0;
    co_return out;
}

}  // namespace stages::worker
