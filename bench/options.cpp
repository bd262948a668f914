#include "bench/options.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <fstream>
#include <sstream>

#include "bench/options_flags.hpp"

namespace bench {
namespace {

using runtime::milliseconds;

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
    set_duration(load.drain_max, values.drain_max);
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

// What a mode does where nothing is said.
void set_mode(const CLI::App& app, load_options& load) {
    for (const auto mode :
         {bench_mode::rate, bench_mode::users, bench_mode::monkey, bench_mode::step, bench_mode::soak})
        if (app.got_subcommand(std::string(to_string(mode)))) load.mode = mode;
    if (load.mode == bench_mode::step) load.duration = runtime::seconds(10);
    if (load.mode == bench_mode::soak) load.duration = runtime::seconds(3'600);
    if (load.mode == bench_mode::monkey) load.think = milliseconds(10);
}

// A sentence when something does not fit.
std::string finish(const CLI::App& app, typed_values& values) {
    auto& load = values.load;
    set_mode(app, load);
    load.repost = !values.no_repost;
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
    const bool monkey = load.mode == bench_mode::monkey;
    if (monkey && !load.keys) return "--no-keys: monkeys play with keys";
    if (monkey && !load.ledger.empty()) return "--ledger: what monkeys post is not written down";
    if (load.mode == bench_mode::step && load.processes > 1)
        return "--processes: a step waits for all of them; use --shards, or `rate` with --processes";
    if (!load.ledger.empty() && !load.keys) return "--ledger: it needs idempotency keys, which --no-keys turns off";
    return {};
}

bench_command command_of(const CLI::App& app, typed_values& values) {
    bench_command out;
    for (const auto& [name, action] : {std::pair{"verify", bench_action::verify},
                                       {"compare", bench_action::compare},
                                       {"merge", bench_action::merge},
                                       {"report", bench_action::report}})
        if (app.got_subcommand(name)) out.action = action;
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
    add_commands(app, values, defaults.server.empty() ? values.load.server : defaults.server);
    app.footer(
        "Examples:\n"
        "  weir bench rate --rate 500 -d 1m --html report.html\n"
        "  weir bench users --users 200 --think 2s --fail-if 'whole.p99_ms>500'\n"
        "  weir bench step --from 200 --until 'accepted.p99_ms>20'\n"
        "  weir bench rate --ledger l.jsonl & kill -9 SERVER; weir serve & weir bench verify --ledger l.jsonl\n"
        "  weir bench compare before.json after.json\n"
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
    const std::string wrong = finish(app, values);
    if (!wrong.empty()) {
        out.exit_code = 2;
        out.message = wrong + "\nRun `weir bench COMMAND --help`.\n";
        return out;
    }
    out.command = command_of(app, values);
    return out;
}

}  // namespace bench
