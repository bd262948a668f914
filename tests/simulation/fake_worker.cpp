#include "tests/simulation/fake_worker.hpp"

#include "runtime/shard.hpp"

namespace simulation_tests {

using stages::worker::cause;
using stages::worker::output_stream;
using stages::worker::verdict;

runtime::task<verdict> fake_worker::run(stages::worker::launch_request request, stages::worker::observer& watch,
                                        std::stop_token stop) {
    outside_.program_started(request.execution, request.attempt);
    auto& random = world_.random();
    verdict out;
    if (!healed_ && random.chance(50'000)) {
        out.message = "the box could not be made";
        co_return out;
    }
    co_await watch.started();
    const auto pieces = random.below(healed_ ? 2 : 6);
    for (std::uint64_t i = 0; i < pieces; ++i) {
        const auto pause = runtime::microseconds(random.below(healed_ ? 100 : 200'000));
        if (!co_await runtime::sleep_for(pause, stop)) break;
        const auto which = random.chance(300'000) ? output_stream::standard_error : output_stream::standard_output;
        // Cut in the middle of a character now and then.
        std::string bytes = "piece " + std::to_string(i) + " \xe2\x82\xac";
        if (random.chance(300'000)) bytes.pop_back();
        if (random.chance(100'000)) bytes.assign(1 + random.below(30'000), 'x');
        co_await watch.output(which, std::move(bytes));
    }
    if (stop.stop_requested()) {
        // A tree takes its time to end, and its server may die meanwhile.
        if (!healed_) co_await runtime::sleep_for(runtime::microseconds(random.below(20'000)));
        out.ended_by = cause::cancelled;
        co_return out;
    }
    if (!healed_ && random.chance(60'000)) {
        out.message = "the broker died";
        co_return out;
    }
    out.ended_by = cause::exited;
    out.exit_code = random.chance(200'000) ? 3 : 0;
    out.usage.cpu_us = random.below(1'000'000);
    co_return out;
}

}  // namespace simulation_tests
