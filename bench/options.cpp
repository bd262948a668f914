#include "bench/options.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <fstream>
#include <sstream>

#include "bench/thresholds.hpp"

namespace bench {
namespace {

using runtime::milliseconds;

// What CLI11 writes into; turned into options afterwards.
struct typed_values {
    load_options load;
    std::string duration, warmup, ramp, drain, timeout, think, report_every, progress_every;
    std::string arrivals = "poisson";
    std::string think_kind = "exponential";
    std::string watch = "stream";
    std::string script_file, expect_file, part, audit;
    std::string output;
    std::optional<std::string> expect_text;
    std::vector<std::string> limits;
    bool no_keys = false, expect_nothing = false, expect_anything = false;
    double tolerance_percent = 10;
    std::vector<std::string> files;
};

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
    app.add_option("--ledger", load.ledger, "Write down what was accepted")->type_name("FILE")->group(group);
    app.add_option("--server-pid", load.server_pid, "The server's process, for its CPU and memory [found on loopback]")
        ->type_name("PID")
        ->group(group);
}

void add_time(CLI::App& app, typed_values& values, const char* length) {
    constexpr auto group = "Time";
    duration_option(app, "-d,--duration", values.duration, length)->group(group);
    duration_option(app, "--warmup", values.warmup, "At the beginning: checked, but not measured [0]")->group(group);
    duration_option(app, "--drain", values.drain, "For what is open when the load ends [30s]")->group(group);
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
    app.add_option("--seed", load.seed, "Of arrivals, thoughts and choices; printed [from the machine]")
        ->type_name("N")
        ->group(group);
    // A process that --processes started.
    app.add_option("--part", values.part)->group("");
    app.add_option("--run-id", load.run_id)->group("");
}

void add_output(CLI::App& app, typed_values& values, const std::string& server) {
    constexpr auto group = "What comes out";
    auto& load = values.load;
    load.server = server;
    app.add_option("--server", load.server, "Address of the server [WEIR_SERVER, else 127.0.0.1:8080]")
        ->type_name("URL")
        ->group(group);
    app.add_option("--json", load.json_file, "Write the report as JSON")->type_name("FILE")->group(group);
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
        ->group(group);
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

void add_loads(CLI::App& app, typed_values& values, const std::string& server) {
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

std::string read_file(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    std::ostringstream out;
    out << file.rdbuf();
    return out.str();
}

void set_duration(milliseconds& into, const std::string& text) {
    if (!text.empty()) into = *parse_duration(text);
}

void set_durations(typed_values& values) {
    auto& load = values.load;
    const auto whole_seconds = [](const std::string& text, runtime::seconds& into) {
        if (!text.empty())
            into = std::max(runtime::seconds(1), std::chrono::ceil<runtime::seconds>(*parse_duration(text)));
    };
    whole_seconds(values.duration, load.duration);
    whole_seconds(values.report_every, load.report_every);
    set_duration(load.warmup, values.warmup);
    set_duration(load.ramp, values.ramp);
    set_duration(load.drain, values.drain);
    set_duration(load.timeout, values.timeout);
    set_duration(load.think, values.think);
    set_duration(load.progress_every, values.progress_every);
}

void set_expectation(typed_values& values) {
    auto& load = values.load;
    const bool own_script = !values.script_file.empty();
    if (own_script) load.text.script = read_file(values.script_file);
    if (values.expect_text || !values.expect_file.empty()) {
        load.expect = expectation::text;
        load.text.expected_output = values.expect_text ? *values.expect_text : read_file(values.expect_file);
    } else if (values.expect_nothing) {
        load.expect = expectation::nothing;
        load.text.expected_output = "";
    } else if (values.expect_anything || own_script) {
        // Of a program that we do not know, only that it completes is expected.
        load.expect = expectation::anything;
        load.text.expected_output.reset();
    }
}

// A sentence when something does not fit.
std::string finish(typed_values& values) {
    auto& load = values.load;
    set_durations(values);
    set_expectation(values);
    load.arrivals = values.arrivals == "fixed" ? arrival_kind::fixed : arrival_kind::poisson;
    load.think_varies = values.think_kind == "exponential";
    load.watch = values.watch == "wait"   ? watch_kind::wait
                 : values.watch == "none" ? watch_kind::none
                                          : watch_kind::stream;
    load.keys = !values.no_keys;
    load.json_output = values.output == "json";
    for (const auto& text : values.limits) {
        const auto equals = text.find('=');
        load.text.limits.emplace_back(text.substr(0, equals), std::stoull(text.substr(equals + 1)));
    }
    if (values.audit == "all") {
        load.audit = UINT64_MAX;
    } else if (!values.audit.empty()) {
        std::uint64_t count = 0;
        const char* const end = values.audit.data() + values.audit.size();
        if (std::from_chars(values.audit.data(), end, count).ptr != end)
            return "--audit: \"" + values.audit + "\" is neither a number nor `all`";
        load.audit = count;
    }
    if (!values.part.empty() &&
        std::sscanf(values.part.c_str(), "%u/%u", &load.process.index, &load.process.count) != 2)
        return "--part: \"" + values.part + "\" is not of the form INDEX/COUNT";
    const int said = (values.expect_text ? 1 : 0) + (values.expect_file.empty() ? 0 : 1) +
                     (values.expect_nothing ? 1 : 0) + (values.expect_anything ? 1 : 0);
    if (said > 1) return "only one of --expect, --expect-file, --expect-nothing and --expect-anything can be meant";
    if (load.warmup >= load.duration) return "--warmup: it must be shorter than --duration";
    if (load.ramp >= load.duration) return "--ramp: it must be shorter than --duration";
    if (!load.ledger.empty() && !load.keys) return "--ledger: it needs idempotency keys, which --no-keys turns off";
    return {};
}

bench_command command_of(const CLI::App& app, typed_values& values) {
    bench_command out;
    if (app.got_subcommand("users")) values.load.mode = bench_mode::users;
    out.load = std::move(values.load);
    out.files = std::move(values.files);
    out.tolerance = values.tolerance_percent / 100;
    return out;
}

}  // namespace

std::string_view to_string(bench_mode mode) {
    switch (mode) {
        case bench_mode::rate: return "rate";
        case bench_mode::users: return "users";
        case bench_mode::monkey: return "monkey";
        case bench_mode::step: return "step";
        case bench_mode::soak: return "soak";
    }
    return "?";
}

std::string_view to_string(watch_kind watch) {
    switch (watch) {
        case watch_kind::stream: return "stream";
        case watch_kind::wait: return "wait";
        case watch_kind::none: return "none";
    }
    return "?";
}

std::optional<milliseconds> parse_duration(const std::string& text) {
    double number = 0;
    const char* const end = text.data() + text.size();
    const auto [rest, wrong] = std::from_chars(text.data(), end, number);
    if (wrong != std::errc{} || number < 0) return std::nullopt;
    const std::string_view unit(rest, static_cast<std::size_t>(end - rest));
    double factor = 0;
    if (unit.empty() || unit == "s") factor = 1'000;
    if (unit == "ms") factor = 1;
    if (unit == "m") factor = 60'000;
    if (unit == "h") factor = 3'600'000;
    if (factor == 0 || number * factor > 1e12) return std::nullopt;
    return milliseconds(static_cast<std::int64_t>(number * factor));
}

std::string to_text(milliseconds duration) {
    const auto count = duration.count();
    if (count % 3'600'000 == 0 && count > 0) return std::to_string(count / 3'600'000) + " h";
    if (count % 60'000 == 0 && count > 0) return std::to_string(count / 60'000) + " min";
    if (count % 1'000 == 0) return std::to_string(count / 1'000) + " s";
    return std::to_string(count) + " ms";
}

parsed_bench_command parse_bench_command(std::vector<std::string> arguments, const command_defaults& defaults) {
    CLI::App app("Loads a server and checks that every answer is right: a fast wrong run fails.", "weir bench");
    typed_values values;
    values.load.json_output = defaults.json_output;
    values.output = defaults.json_output ? "json" : "text";
    app.require_subcommand(1);
    add_loads(app, values, defaults.server.empty() ? values.load.server : defaults.server);
    app.footer(
        "Examples:\n"
        "  weir bench rate --rate 500 -d 1m --json report.json\n"
        "  weir bench users --users 200 --think 2s --fail-if 'whole.p99_ms>500'\n"
        "`weir bench COMMAND --help` lists what a command takes; docs/bench.md tells what is measured, and how.\n"
        "Exit codes: 0 ok, 1 wrong answers or a threshold broken, 2 usage, 6 invalid since the harness was the limit,\n"
        "7 server unreachable, 130 interrupted.\n");
    parsed_bench_command out;
    try {
        std::ranges::reverse(arguments);  // as CLI11 wants them
        app.parse(arguments);
    } catch (const CLI::CallForHelp&) {
        const CLI::App* named = &app;
        while (!named->get_subcommands().empty()) named = named->get_subcommands().front();
        out.message = named == &app ? app.help() : named->help("weir bench");
        return out;
    } catch (const CLI::ParseError& mistake) {
        out.exit_code = 2;
        out.message = std::string(mistake.what()) + "\nRun `weir bench --help`, or `weir bench COMMAND --help`.\n";
        return out;
    }
    const std::string wrong = finish(values);
    if (!wrong.empty()) {
        out.exit_code = 2;
        out.message = wrong + "\nRun `weir bench COMMAND --help`.\n";
        return out;
    }
    out.command = command_of(app, values);
    return out;
}

}  // namespace bench
