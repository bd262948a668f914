#include "bench/bench.hpp"

#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <boost/asio/signal_set.hpp>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <sstream>

#include "bench/compare.hpp"
#include "bench/conductor.hpp"
#include "bench/html.hpp"
#include "bench/processes.hpp"
#include "bench/verify.hpp"
#include "runtime/spawn.hpp"

namespace bench {
namespace {

using runtime::task;
using signals = boost::asio::basic_signal_set<runtime::executor>;

constexpr int exit_failed = 1;
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

void print(const std::string& text) {
    std::fwrite(text.data(), 1, text.size(), stdout);
    std::fflush(stdout);
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
    std::vector<std::string> conditions = options.fail_if;
    if (what.mode == to_string(bench_mode::soak))
        for (const char* figure : {"drift.latency_p99_ratio", "drift.server_rss_ratio"})
            if (what.extra.contains(figure)) conditions.push_back(figure + (">" + json::number(options.drift_max)));
    judge(what, conditions);
    const json::value as_json = to_json(what);
    bool written = true;
    if (!options.json_file.empty()) written = write_file(options.json_file, json::pretty(as_json)) && written;
    if (!options.html_file.empty()) written = write_file(options.html_file, html_of(what)) && written;
    print(options.json_output ? json::pretty(as_json) : summary_of(what));
    return written ? exit_code_of(what.ended) : exit_failed;
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

// The shards of a client: not pinned, since the server wants the same CPUs.
void run_on_shards(std::size_t count, runtime::unique_function<task<void>(runtime::shard_group&)> work) {
    raise_file_limit();
    runtime::shard_limits limits;
    limits.pinned = false;
    limits.offload_threads = 1;
    runtime::shard_group shards(count, limits);
    shards.start();
    shards.run_and_wait(0, [&] { return work(shards); });
    shards.stop();
}

report begin_report(const lane_setup& setup) {
    const auto& options = setup.options;
    report out;
    out.mode = to_string(options.mode);
    out.server = setup.server.to_string();
    out.run_id = setup.run_id;
    out.seed = setup.seed;
    out.shards = options.shards;
    out.options = options_json(options);
    out.lateness_max_ms = options.lateness_max_ms;
    out.cpu_max = options.cpu_max;
    out.timing_counts = options.mode != bench_mode::monkey;
    return out;
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
    // A part of a load ends with the whole.
    if (options.process.count > 1) prctl(PR_SET_PDEATHSIG, SIGTERM);
    report what = begin_report(*setup);
    bool reached = false;
    run_on_shards(options.shards,
                  [&](runtime::shard_group& shards) { return run_on_shard(&shards, &*setup, &what, &reached); });
    if (!reached) {
        say("no answer from " + what.server + (what.notes.empty() ? "" : ": " + what.notes.front()));
        return exit_unreachable;
    }
    return conclude(what, options);
}

int run_all_processes(const std::vector<std::string>& arguments, const load_options& options) {
    int code = exit_failed;
    auto merged = run_processes(arguments, options, code);
    return merged ? conclude(*merged, options) : code;
}

int run_verify(const load_options& options) {
    std::string mistake;
    const auto content = read_ledger(options.ledger, mistake);
    if (!content) {
        say(mistake);
        return exit_usage;
    }
    const auto setup = make_setup(options);
    if (!setup) return exit_usage;
    verification done;
    const auto verify = [](verification* into, const ledger_content* what, const load_options* how,
                           http::client::url server) -> task<void> {
        *into = co_await verify_ledger(*what, *how, std::move(server));
    };
    run_on_shards(1, [&](runtime::shard_group&) { return verify(&done, &*content, &options, setup->server); });
    if (!done.reached) {
        say("no answer from " + setup->server.to_string());
        return exit_unreachable;
    }
    print(options.json_output ? json::pretty(to_json(done, *content)) : summary_of(done, *content));
    return done.good() ? 0 : exit_failed;
}

std::optional<report> read_report(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    if (!file) {
        say(path + ": cannot be read");
        return std::nullopt;
    }
    std::ostringstream text;
    text << file.rdbuf();
    const auto parsed = json::parse(text.str());
    std::string mistake = "it is no JSON";
    auto out = parsed ? report_from_json(*parsed, mistake) : std::nullopt;
    if (!out) say(path + ": " + mistake);
    return out;
}

std::optional<std::vector<report>> read_reports(const std::vector<std::string>& paths) {
    std::vector<report> out;
    for (const auto& path : paths) {
        auto one = read_report(path);
        if (!one) return std::nullopt;
        out.push_back(std::move(*one));
    }
    return out;
}

int run_compare(const bench_command& what) {
    const auto reports = read_reports(what.files);
    if (!reports) return exit_usage;
    const auto done = compare(reports->front(), reports->back(), what.tolerance);
    print(what.load.json_output ? json::pretty(to_json(done)) : text_of(done));
    return !done.refused.empty() || done.any(change::worse) ? exit_failed : 0;
}

// Several reports, or one again.
int run_merge(const bench_command& what) {
    auto reports = read_reports(what.files);
    if (!reports) return exit_usage;
    report whole = merge_reports(*reports);
    return conclude(whole, what.load);
}

}  // namespace

int run(std::vector<std::string> arguments, const command_defaults& defaults) {
    const auto parsed = parse_bench_command(arguments, defaults);
    if (!parsed.command) {
        if (parsed.exit_code == 0) {
            print(parsed.message);
        } else {
            say(parsed.message);
        }
        return parsed.exit_code;
    }
    const auto& what = *parsed.command;
    switch (what.action) {
        case bench_action::load: break;
        case bench_action::verify: return run_verify(what.load);
        case bench_action::compare: return run_compare(what);
        case bench_action::merge:
        case bench_action::report: return run_merge(what);
    }
    return what.load.processes > 1 ? run_all_processes(arguments, what.load) : run_load(what.load);
}

}  // namespace bench
