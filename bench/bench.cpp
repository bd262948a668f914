#include "bench/bench.hpp"

#include <sys/resource.h>
#include <unistd.h>

#include <boost/asio/signal_set.hpp>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fstream>

#include "bench/conductor.hpp"
#include "runtime/spawn.hpp"

namespace bench {
namespace {

using runtime::task;
using signals = boost::asio::basic_signal_set<runtime::executor>;

constexpr int exit_usage = 2;
constexpr int exit_unreachable = 7;
constexpr int exit_interrupted = 130;

void say(const std::string& line) { std::fprintf(stderr, "weir bench: %s\n", line.c_str()); }

// Thousands of streams are thousands of sockets.
void raise_file_limit() {
    rlimit limit{};
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

std::string new_run_id(std::uint64_t random) {
    char text[20];
    std::snprintf(text, sizeof text, "%012llx", static_cast<unsigned long long>(random & 0xffffffffffffULL));
    return text;
}

// The first interrupt ends the load, a second one the harness.
task<void> watch_interrupts(signals* from, conductor* leader, progress* shown) {
    co_await from->async_wait(runtime::use_task);
    shown->say("interrupted: waiting for what is open; press Ctrl-C again to leave at once");
    co_await leader->interrupt();
    co_await from->async_wait(runtime::use_task);
    std::_Exit(exit_interrupted);
}

task<void> run_on_shard(runtime::shard_group* shards, lane_setup* setup, report* into, bool* reached) {
    auto& home = runtime::shard::here();
    progress shown(setup->options.quiet, setup->options.progress_every);
    conductor leader(*shards, *setup, shown);
    signals interrupts(home.get_executor(), SIGINT, SIGTERM);
    runtime::gate background(home);
    runtime::spawn(background, home, watch_interrupts(&interrupts, &leader, &shown));
    *reached = co_await leader.run(*into);
    interrupts.cancel();
    co_await background.close();
}

json::object options_json(const load_options& options) {
    json::object out;
    const auto in_seconds = [](runtime::milliseconds what) { return static_cast<double>(what.count()) / 1000; };
    out["duration_s"] = in_seconds(options.duration);
    out["warmup_s"] = in_seconds(options.warmup);
    out["watch"] = to_string(options.watch);
    out["keys"] = options.keys;
    out["repeat_share"] = options.repeat_share;
    out["reconnect_share"] = options.reconnect_share;
    out["connections_max"] = options.connections_max;
    out["open_max"] = options.open_max;
    if (options.mode == bench_mode::users || options.mode == bench_mode::monkey) {
        out["users"] = options.users;
        out["think_s"] = in_seconds(options.think);
    } else {
        out["rate"] = options.rate;
        out["arrivals"] = options.arrivals == arrival_kind::poisson ? "poisson" : "fixed";
        out["ramp_s"] = in_seconds(options.ramp);
    }
    out["lang"] = options.text.lang;
    out["script_bytes"] = std::uint64_t{options.text.script.size()};
    return out;
}

bool write_file(const std::string& path, const std::string& text) {
    std::ofstream file(path, std::ios::binary | std::ios::trunc);
    file << text;
    file.close();
    if (file) return true;
    say(path + ": cannot be written");
    return false;
}

// Judges, prints and writes; the exit code.
int conclude(report& what, const load_options& options) {
    judge(what, options.fail_if);
    const json::value as_json = to_json(what);
    bool written = true;
    if (!options.json_file.empty()) written = write_file(options.json_file, json::pretty(as_json)) && written;
    const std::string shown = options.json_output ? json::pretty(as_json) : summary_of(what);
    std::fwrite(shown.data(), 1, shown.size(), stdout);
    std::fflush(stdout);
    return written ? exit_code_of(what.ended) : 1;
}

std::optional<lane_setup> make_setup(const load_options& options) {
    lane_setup setup;
    setup.options = options;
    const auto where = http::client::parse_url(options.server);
    if (where.has_error()) {
        say("--server: " + json::quoted(options.server) + " is " + where.error().message());
        return std::nullopt;
    }
    setup.server = *where;
    setup.what = workload(options.text);
    runtime::random_source random(runtime::machine_seed());
    setup.seed = options.seed != 0 ? options.seed : random.below(1'000'000'000) + 1;
    setup.run_id = options.run_id.empty() ? new_run_id(random.next()) : options.run_id;
    return setup;
}

int run_load(const load_options& options) {
    auto setup = make_setup(options);
    if (!setup) return exit_usage;
    std::unique_ptr<ledger> book;
    if (!options.ledger.empty()) {
        auto opened = ledger::open(options.ledger);
        if (opened.has_error()) {
            say("--ledger: " + options.ledger + ": " + opened.error().message());
            return exit_usage;
        }
        book = std::move(*opened);
        setup->book = book.get();
    }
    report what;
    what.mode = to_string(options.mode);
    what.server = setup->server.to_string();
    what.run_id = setup->run_id;
    what.seed = setup->seed;
    what.shards = options.shards;
    what.options = options_json(options);
    what.lateness_max_ms = options.lateness_max_ms;
    what.cpu_max = options.cpu_max;
    what.timing_counts = options.mode != bench_mode::monkey;

    raise_file_limit();
    runtime::shard_limits limits;
    limits.pinned = false;
    limits.offload_threads = 1;
    runtime::shard_group shards(options.shards, limits);
    shards.start();
    bool reached = false;
    shards.run_and_wait(0, [&] { return run_on_shard(&shards, &*setup, &what, &reached); });
    shards.stop();
    if (!reached) {
        say("no answer from " + what.server + (what.notes.empty() ? "" : ": " + what.notes.front()));
        return exit_unreachable;
    }
    return conclude(what, options);
}

}  // namespace

int run(std::vector<std::string> arguments, const command_defaults& defaults) {
    const auto parsed = parse_bench_command(std::move(arguments), defaults);
    if (!parsed.command) {
        if (parsed.exit_code == 0) {
            std::fputs(parsed.message.c_str(), stdout);
        } else {
            say(parsed.message);
        }
        return parsed.exit_code;
    }
    return run_load(parsed.command->load);
}

}  // namespace bench
