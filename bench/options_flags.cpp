#include "bench/options_flags.hpp"

#include <CLI/CLI.hpp>

#include "bench/thresholds.hpp"

namespace bench {
namespace {

std::string check_duration(const std::string& text) {
    return parse_duration(text) ? std::string() : "\"" + text + "\" is no duration (250ms, 30s, 5m, 2h)";
}

std::string check_threshold(const std::string& text) {
    std::string mistake;
    return parse_threshold(text, mistake) ? std::string() : mistake;
}

std::string check_limit(const std::string& text) {
    const auto equals = text.find('=');
    const bool good = equals != std::string::npos && equals > 0 && equals + 1 < text.size() &&
                      text.find_first_not_of("0123456789", equals + 1) == std::string::npos &&
                      text.size() - equals < 20;
    return good ? std::string() : "\"" + text + "\" is not of the form NAME=NUMBER";
}

CLI::Option* duration_option(CLI::App& app, const char* flag, std::string& into, const char* help) {
    return app.add_option(flag, into, help)->check(check_duration)->type_name("TIME");
}

void add_work(CLI::App& app, typed_values& values) {
    constexpr auto group = "What is posted";
    auto& text = values.load.text;
    app.add_option("--script", values.script_file, "The program; {{n}} in it becomes the execution's number")
        ->check(CLI::ExistingFile.description(""))
        ->type_name("FILE")
        ->group(group);
    app.add_option("--lang", text.lang, "Its language [python]")->type_name("LANG")->group(group);
    app.add_option("--lang-version", text.lang_version, "Version of the language")->type_name("VERSION")->group(group);
    app.add_option("--arg", text.arguments, "An argument of the program; repeatable")
        ->type_name("ARG")
        ->take_all()
        ->allow_extra_args(false)
        ->group(group);
    app.add_option("--stdin", text.standard_input, "What it reads")->type_name("TEXT")->group(group);
    app.add_option("--limit", values.limits, "wall_ms=NUMBER and the like; repeatable")
        ->check(check_limit)
        ->type_name("NAME=NUMBER")
        ->allow_extra_args(false)
        ->group(group);
    app.add_option("--priority", text.priority, "critical, high, normal, low or background")
        ->type_name("PRIORITY")
        ->group(group);
    app.add_option("--expect", values.expect_text, "What it must print; {{n}} as in the script")
        ->type_name("TEXT")
        ->group(group);
    app.add_option("--expect-file", values.expect_file, "The same, from a file")
        ->check(CLI::ExistingFile.description(""))
        ->type_name("FILE")
        ->group(group);
    app.add_flag("--expect-nothing", values.expect_nothing,
                 "It prints nothing (a noop executor is "
                 "noticed by itself)")
        ->group(group);
    app.add_flag("--expect-anything", values.expect_anything, "Its output is not checked")->group(group);
    app.add_option("--expect-status", text.expected_status, "How it must end [completed]")
        ->type_name("STATUS")
        ->group(group);
    app.add_flag("--no-keys", values.no_keys, "Post without Idempotency-Key")->group(group);
}

void add_watching(CLI::App& app, typed_values& values) {
    constexpr auto group = "How it is watched";
    auto& load = values.load;
    app.add_option("--watch", values.watch,
                   "stream follows the events, wait asks with Prefer: wait, none reads behind "
                   "the load what became of it [stream]")
        ->check(CLI::IsMember({"stream", "wait", "none"}).description(""))
        ->type_name("HOW")
        ->group(group);
    app.add_option("--reconnect", load.reconnect_share, "Share of streams that are broken off and resumed [0.01]")
        ->check(CLI::Range(0.0, 1.0).description(""))
        ->type_name("SHARE")
        ->group(group);
    app.add_option("--repeat", load.repeat_share, "Share of posts that are sent twice with one key [0.01]")
        ->check(CLI::Range(0.0, 1.0).description(""))
        ->type_name("SHARE")
        ->group(group);
    app.add_option("--audit", values.audit,
                   "Executions that are read once more behind the load, or `all` [100; 1000 "
                   "with wait, all with none]")
        ->type_name("N")
        ->group(group);
    app.add_option("--ledger", load.ledger, "Write down what was accepted, for `weir bench verify`")
        ->type_name("FILE")
        ->group(group);
    app.add_option("--server-pid", load.server_pid, "The server's process, for its CPU and memory [found on loopback]")
        ->type_name("PID")
        ->group(group);
}

void add_time(CLI::App& app, typed_values& values, const char* length) {
    constexpr auto group = "Time";
    duration_option(app, "-d,--duration", values.duration, length)->group(group);
    duration_option(app, "--warmup", values.warmup, "At the beginning: checked, but not measured [0]")->group(group);
    duration_option(app, "--drain", values.drain,
                    "Behind the load: when nothing has ended for so long, what is open counts as lost [30s]")
        ->group(group);
    duration_option(app, "--drain-max", values.drain_max, "And wait no longer than that in all [10m]")->group(group);
    duration_option(app, "--timeout", values.timeout, "Of one call [30s]")->group(group);
}

void add_bounds(CLI::App& app, typed_values& values) {
    constexpr auto group = "The harness itself";
    auto& load = values.load;
    app.add_option("--connections", load.connections_max, "Kept-alive connections, beside those of streams [256]")
        ->check(CLI::Range(1, 60'000).description(""))
        ->type_name("N")
        ->group(group);
    app.add_option("--open-max", load.open_max,
                   "Executions under way at once; above it arrivals are dropped and the "
                   "run is invalid [100000]")
        ->check(CLI::Range(1, 10'000'000).description(""))
        ->type_name("N")
        ->group(group);
    app.add_option("--lateness-max", load.lateness_max_ms, "Invalid when p99 of lateness is above, in ms [5]")
        ->check(CLI::PositiveNumber.description(""))
        ->type_name("MS")
        ->group(group);
    app.add_option("--cpu-max", load.cpu_max, "Invalid when a thread of the harness was busier [0.9]")
        ->check(CLI::Range(0.01, 1.0).description(""))
        ->type_name("SHARE")
        ->group(group);
    app.add_option("--shards", load.shards, "Threads of the harness [1]")
        ->check(CLI::Range(1, 64).description(""))
        ->type_name("N")
        ->group(group);
    app.add_option("--processes", load.processes, "Share the load among processes, and merge what they measured [1]")
        ->check(CLI::Range(1, 64).description(""))
        ->type_name("N")
        ->group(group)
        ->take_last();
    app.add_option("--seed", load.seed, "Of arrivals, thoughts and choices; printed [from the machine]")
        ->type_name("N")
        ->group(group)
        ->take_last();
    // A process that --processes started.
    app.add_option("--part", values.part)->group("")->take_last();
    app.add_option("--run-id", load.run_id)->group("")->take_last();
}

void add_output(CLI::App& app, typed_values& values, const std::string& server) {
    constexpr auto group = "What comes out";
    auto& load = values.load;
    load.server = server;
    app.add_option("--server", load.server, "Address of the server [WEIR_SERVER, else 127.0.0.1:8080]")
        ->type_name("URL")
        ->group(group)
        ->take_last();
    app.add_option("--json", load.json_file, "Write the report as JSON (docs/bench-report.schema.json)")
        ->type_name("FILE")
        ->group(group)
        ->take_last();
    app.add_option("--html", load.html_file, "Write the report as one HTML page")
        ->type_name("FILE")
        ->group(group)
        ->take_last();
    app.add_option("--fail-if", load.fail_if, "End with 1 if this holds, as in 'accepted.p99_ms>20'; repeatable")
        ->check(check_threshold)
        ->type_name("CONDITION")
        ->allow_extra_args(false)
        ->group(group);
    duration_option(app, "--progress-every", values.progress_every,
                    "Between two lines of progress [1s; 10s when piped]")
        ->group(group);
    app.add_flag("-q,--quiet", load.quiet, "No progress")->group(group);
    app.add_option("-o,--output", values.output, "json prints the report instead of the summary")
        ->check(CLI::IsMember({"text", "json"}).description(""))
        ->type_name("text|json")
        ->group(group)
        ->take_last();
}

void add_rate(CLI::App& app, typed_values& values) {
    app.add_option("-r,--rate", values.load.rate, "Executions a second [100]")
        ->check(CLI::PositiveNumber.description(""))
        ->type_name("N");
    app.add_option("--arrivals", values.arrivals, "How they come [poisson]")
        ->check(CLI::IsMember({"poisson", "fixed"}).description(""))
        ->type_name("poisson|fixed");
}

void add_all(CLI::App& app, typed_values& values, const std::string& server, const char* length) {
    add_time(app, values, length);
    add_work(app, values);
    add_watching(app, values);
    add_output(app, values, server);
    add_bounds(app, values);
}

void add_users(CLI::App& app, typed_values& values, const char* think) {
    app.add_option("-u,--users", values.load.users, "Users at once [10]")
        ->check(CLI::Range(1, 1'000'000).description(""))
        ->type_name("N");
    duration_option(app, "--think", values.think, think);
}

void add_rate_and_users(CLI::App& app, typed_values& values, const std::string& server) {
    auto* rate = app.add_subcommand("rate", "Executions arrive at a rate, whatever the server does (open model)");
    add_rate(*rate, values);
    duration_option(*rate, "--ramp", values.ramp, "From nothing to the whole rate [0]");
    add_all(*rate, values, server, "Of the load [30s]");

    auto* users = app.add_subcommand("users", "Users submit, watch, read the result and think (closed model)");
    add_users(*users, values, "Between two executions of a user [1s]");
    users->add_option("--thinking", values.think_kind, "Whether thoughts vary around --think [exponential]")
        ->check(CLI::IsMember({"exponential", "fixed"}).description(""))
        ->type_name("exponential|fixed");
    add_all(*users, values, server, "Of the load [30s]");
}

void add_searches(CLI::App& app, typed_values& values, const std::string& server) {
    auto* step = app.add_subcommand("step", "Raise the rate until a condition breaks, and tell the knee");
    step->add_option("--from", values.load.rate, "Executions a second of the first step [100]")
        ->check(CLI::PositiveNumber.description(""))
        ->type_name("N");
    step->add_option("--to", values.load.rate_max, "Go no further [1000000]")
        ->check(CLI::PositiveNumber.description(""))
        ->type_name("N");
    step->add_option("--factor", values.load.factor, "From one step to the next [1.5]")
        ->check(CLI::Range(1.01, 100.0).description(""))
        ->type_name("X");
    step->add_option("--until", values.load.until,
                     "What breaks a step [accepted.p99_ms>50 and errors.ratio>0.001]; repeatable")
        ->check(check_threshold)
        ->type_name("CONDITION")
        ->allow_extra_args(false);
    step->add_option("--arrivals", values.arrivals, "How they come [poisson]")
        ->check(CLI::IsMember({"poisson", "fixed"}).description(""))
        ->type_name("poisson|fixed");
    add_all(*step, values, server, "Of each step [10s]");

    auto* soak = app.add_subcommand("soak", "A rate for a long time, with a line each period; fails on drift");
    add_rate(*soak, values);
    duration_option(*soak, "--report-every", values.report_every, "The period [1m]");
    soak->add_option("--drift-max", values.load.drift_max,
                     "Fail when p99 or the server's memory of the last quarter is so many times the second's [1.5]")
        ->check(CLI::PositiveNumber.description(""))
        ->type_name("X");
    add_all(*soak, values, server, "Of the load [1h]");

    auto* monkey = app.add_subcommand("monkey", "Random valid and invalid calls; every status is checked");
    add_users(*monkey, values, "Between two calls of a monkey [10ms]");
    add_all(*monkey, values, server, "Of the load [30s]");
}

void add_tools(CLI::App& app, typed_values& values, const std::string& server) {
    auto* verify = app.add_subcommand("verify", "Hold a ledger against the server, mostly after it was killed");
    verify->add_option("--ledger", values.load.ledger, "What a run with --ledger wrote")->required()->type_name("FILE");
    verify->add_option("--server", values.load.server, "Address of the server [WEIR_SERVER, else 127.0.0.1:8080]")
        ->type_name("URL");
    duration_option(*verify, "--drain", values.drain,
                    "How long nothing may end before what is open counts as lost [30s]");
    duration_option(*verify, "--timeout", values.timeout, "Of one call [30s]");
    verify->add_flag("--no-repost", values.no_repost, "Do not post each key once more, for keys that have expired");
    verify->add_option("-o,--output", values.output, "json is for programs")
        ->check(CLI::IsMember({"text", "json"}).description(""))
        ->type_name("text|json");

    auto* compare = app.add_subcommand("compare", "Two reports as ratios; ends with 1 when the second is worse");
    compare->add_option("reports", values.files, "Before and after, written with --json")
        ->required()
        ->expected(2)
        ->type_name("A B");
    compare->add_option("--tolerance", values.tolerance_percent, "Changes within so many per cent are none [10]")
        ->check(CLI::Range(0.0, 1000.0).description(""))
        ->type_name("PERCENT");
    auto* merge = app.add_subcommand("merge", "Reports of several processes as one");
    auto* report = app.add_subcommand("report", "Show a report again, and judge it by other conditions");
    merge->add_option("reports", values.files, "Written with --json")->required()->expected(1, -1)->type_name("FILE");
    report->add_option("report", values.files, "Written with --json")->required()->expected(1)->type_name("FILE");
    for (auto* one : {merge, report}) {
        one->add_option("--json", values.load.json_file, "Write it as JSON")->type_name("FILE");
        one->add_option("--html", values.load.html_file, "Write it as one HTML page")->type_name("FILE");
        one->add_option("--fail-if", values.load.fail_if, "End with 1 if this holds; repeatable")
            ->check(check_threshold)
            ->type_name("CONDITION")
            ->allow_extra_args(false);
    }
    for (auto* one : {compare, merge, report})
        one->add_option("-o,--output", values.output, "json is for programs")
            ->check(CLI::IsMember({"text", "json"}).description(""))
            ->type_name("text|json");
    values.load.server = server;
}

}  // namespace

void add_commands(CLI::App& app, typed_values& values, const std::string& server) {
    add_rate_and_users(app, values, server);
    add_searches(app, values, server);
    add_tools(app, values, server);
}

}  // namespace bench
