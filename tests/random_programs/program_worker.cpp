#include "tests/random_programs/program_worker.hpp"

#include <algorithm>

#include "runtime/shard.hpp"

namespace random_programs {

using runtime::task;
using stages::worker::cause;
using stages::worker::output_stream;
using stages::worker::verdict;

namespace {

// What one call to the observer may carry.
constexpr std::size_t piece_max = 64 * 1024;

}  // namespace

struct program_worker::box {
    const stages::worker::launch_request& asked;
    stages::worker::observer& watch;
    std::stop_token stop;
    runtime::steady_time wall_end;
    runtime::nanoseconds dying;
    verdict end;
    bool over = false;
    std::string late;
    std::size_t read = 0;
    std::uint64_t written[2] = {0, 0};

    void finish(cause why, std::optional<int> exit_code = std::nullopt) {
        over = true;
        end.ended_by = why;
        end.exit_code = exit_code;
    }
};

task<void> program_worker::pass(box& mine, runtime::nanoseconds time) {
    const auto now = runtime::shard::here().time().steady();
    const bool to_the_limit = mine.wall_end < now + time;
    const bool whole = co_await runtime::sleep_for(to_the_limit ? mine.wall_end - now : time, mine.stop);
    if (!whole) {
        // A tree takes its time to go.
        co_await runtime::sleep_for(mine.dying);
        mine.finish(cause::cancelled);
    } else if (to_the_limit) {
        mine.finish(cause::timeout_wall);
    }
}

task<void> program_worker::write(box& mine, output_stream stream, std::string bytes) {
    auto& written = mine.written[static_cast<std::size_t>(stream)];
    while (!bytes.empty()) {
        std::string piece = bytes.substr(0, piece_max);
        bytes.erase(0, piece.size());
        written += piece.size();
        co_await mine.watch.output(stream, std::move(piece));
        const auto& limits = mine.asked.limits;
        const bool kills = limits.when_output_is_full == stages::worker::on_output_limit::kill;
        if (kills && written > limits.output_bytes) {
            mine.finish(cause::output_limit);
            co_return;
        }
    }
}

task<void> program_worker::run_command(box& mine, command what) {
    const auto out = output_stream::standard_output;
    std::string text;
    for (std::uint64_t i = 0; i < what.number && !what.word.empty(); ++i) text += what.word;
    text += '\n';
    switch (what.kind) {
        case kind::print:
        case kind::fork_print:
        case kind::write_and_read: co_return co_await write(mine, out, std::move(text));
        case kind::complain: co_return co_await write(mine, output_stream::standard_error, std::move(text));
        case kind::print_binary:
            for (std::uint64_t i = 0; i < what.number; ++i) co_await write(mine, out, std::string("\xff\x00\xfe", 3));
            co_return;
        case kind::print_big: co_return co_await write(mine, out, std::string(what.number, 'x'));
        case kind::split_character:
            co_await write(mine, out, "\xe2");
            co_await pass(mine, runtime::milliseconds(5));
            if (!mine.over) co_await write(mine, out, "\x82");
            if (!mine.over) co_await write(mine, out, "\xac");
            co_return;
        case kind::torn_character: co_return co_await write(mine, out, "\xe2\x82");
        case kind::sleep:
        case kind::burn_cpu: co_return co_await pass(mine, runtime::milliseconds(what.number));
        case kind::read_input: {
            std::string piece =
                mine.asked.standard_input.substr(std::min(mine.read, mine.asked.standard_input.size()), what.number);
            mine.read += piece.size();
            co_return co_await write(mine, out, std::move(piece));
        }
        case kind::echo_argument: co_return co_await write(mine, out, mine.asked.args[what.number] + '\n');
        case kind::at_exit: mine.late = std::move(text); co_return;
        default: co_return;
    }
}

task<void> program_worker::run_end(box& mine, command what) {
    const auto out = output_stream::standard_output;
    switch (what.kind) {
        case kind::raise:
            mine.finish(cause::exited);
            mine.end.signal = static_cast<int>(what.number);
            co_return;
        case kind::overflow: co_await write(mine, out, std::string(what.number, 'o')); [[fallthrough]];
        case kind::hang:
            while (!mine.over) co_await pass(mine, runtime::seconds(600));
            co_return;
        case kind::burn_on:
            co_await pass(mine, runtime::milliseconds(mine.asked.limits.cpu_ms));
            if (!mine.over) mine.finish(cause::timeout_cpu);
            co_return;
        case kind::eat_memory: mine.finish(cause::out_of_memory); co_return;
        default: break;
    }
    co_await write(mine, out, mine.late);
    if (mine.over) co_return;
    if (what.kind == kind::fork_on) co_return mine.finish(cause::process_limit, 9);
    if (what.kind == kind::fill_disk) co_return mine.finish(cause::disk_limit, 5);
    mine.finish(cause::exited, what.kind == kind::exit_with ? static_cast<int>(what.number) : 0);
}

task<verdict> program_worker::run(stages::worker::launch_request request, stages::worker::observer& watch,
                                  std::stop_token stop) {
    outside_.program_started(request.execution, request.attempt);
    ++boxes_.started;
    const auto commands = parse_script(request.script);
    // A program that is cancelled at once may be so before its box breaks; which of them wins is not predicted.
    const bool only_hangs = commands.size() == 1 && commands.front().kind == kind::hang;
    verdict broken;
    if (!only_hangs && world_.random().chance(boxes_.break_chance)) {
        boxes_.broken.emplace(request.execution, request.attempt);
        broken.message = "the box could not be made";
        co_return broken;
    }
    co_await watch.started();
    const auto wall_end = runtime::shard::here().time().steady() + runtime::milliseconds(request.limits.wall_ms);
    const runtime::nanoseconds dying = runtime::microseconds(world_.random().below(50'000));
    box mine{request, watch, stop, wall_end, dying, {}, false, {}, 0, {0, 0}};
    for (const auto& one : commands) {
        const bool last = is_end(one.kind);
        if (last) co_await run_end(mine, one);
        if (!last) co_await run_command(mine, one);
        if (mine.over) break;
    }
    const command nothing_more;
    if (!mine.over) co_await run_end(mine, nothing_more);
    mine.end.usage.output_bytes = mine.written[0] + mine.written[1];
    co_return mine.end;
}

}  // namespace random_programs
