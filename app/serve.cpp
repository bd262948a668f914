#include "app/serve.hpp"

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <sys/resource.h>
#include <unistd.h>

#include <boost/asio/ip/address.hpp>

#include "app/executors.hpp"
#include "app/server.hpp"
#include "runtime/base/log.hpp"

namespace app {
namespace {

constexpr int exit_failed = 1;
constexpr int exit_usage = 2;

// The open-file limit is raised to the hard one: every subscriber and every program takes some.
void raise_open_file_limit() {
    rlimit limit{};
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

// Connections leave files for the log, the archive and programs: those must not fail because many clients are there.
void leave_files_for_storage(settings& values, std::size_t seats) {
    constexpr std::uint64_t for_storage = 1024;
    constexpr std::uint64_t for_a_program = 6;
    constexpr std::uint64_t connections_least = 16;
    rlimit limit{};
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
    // Where files are few, everybody gets less.
    const std::uint64_t reserved = std::min<std::uint64_t>(for_storage + seats * for_a_program, limit.rlim_cur / 2);
    const std::uint64_t left = std::max(connections_least, limit.rlim_cur - reserved);
    if (values.http.connections_max <= left) return;
    runtime::log(runtime::log_level::warning, "http.connections_max is lowered: the process may not open more files",
                 {{"from", values.http.connections_max}, {"to", left}, {"open_files_max", limit.rlim_cur}});
    values.http.connections_max = left;
}

sigset_t stop_signals() {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    return set;
}

bool is_loopback(const std::string& host) {
    boost::system::error_code ec;
    const auto address = boost::asio::ip::make_address(host, ec);
    return !ec && address.is_loopback();
}

void set_logging(const settings& values) {
    runtime::log_options options;
    options.level = runtime::parse_log_level(values.logging.level).value_or(runtime::log_level::info);
    options.format = values.logging.format == "json" ? runtime::log_format::json : runtime::log_format::text;
    options.repeated_per_second_max = values.logging.repeated_per_second_max;
    runtime::set_log_options(options);
}

// Eight programs per CPU, as far as each can have the memory that it may use by default.
std::size_t default_seats(const settings& values) {
    const auto pages = static_cast<std::uint64_t>(sysconf(_SC_PHYS_PAGES));
    const auto memory = pages * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
    const std::uint64_t fit = std::max<std::uint64_t>(1, memory / values.limits_default.memory_bytes);
    return static_cast<std::size_t>(std::min<std::uint64_t>(fit, 8 * runtime::shard_group::usable_cpus()));
}

pipeline::operator_limits limits_of(const settings& values) {
    pipeline::operator_limits out;
    const auto& d = values.limits_default;
    out.defaults = {d.wall_ms, d.cpu_ms, d.memory_bytes, d.processes, d.output_bytes, d.disk_bytes, false};
    const auto& m = values.limits_max;
    out.maxima = {m.wall_ms, m.cpu_ms, m.memory_bytes, m.processes, m.output_bytes, m.disk_bytes};
    return out;
}

// Waits for SIGTERM or SIGINT, stops, and lets a second one end the process at once.
void run_until_stopped(server& running) {
    const sigset_t signals = stop_signals();
    int which = 0;
    sigwait(&signals, &which);
    runtime::log(runtime::log_level::info, "stopping", {{"signal", which}});
    std::signal(SIGTERM, SIG_DFL);
    std::signal(SIGINT, SIG_DFL);
    pthread_sigmask(SIG_UNBLOCK, &signals, nullptr);
    running.stop();
}

int run(settings values) {
    // Blocked before there are threads, so that every thread inherits it and only the main one takes them.
    const sigset_t signals = stop_signals();
    pthread_sigmask(SIG_BLOCK, &signals, nullptr);
    std::signal(SIGPIPE, SIG_IGN);
    raise_open_file_limit();

    const std::size_t shards = values.shards > 0 ? values.shards : runtime::shard_group::usable_cpus();
    if (shards > std::size_t{1} << values.partition.bits) {
        std::fprintf(stderr, "weir: %zu shards need as many partitions; partition.bits allows %zu\n", shards,
                     std::size_t{1} << values.partition.bits);
        return exit_usage;
    }
    const std::size_t seats = values.seats > 0 ? values.seats : default_seats(values);
    leave_files_for_storage(values, seats);
    auto limits = limits_of(values);
    // Processes are forked in here, so it comes before threads and before the data directory is opened.
    auto executor = prepare_executor(values, shards);
    if (!executor.refusal.empty()) {
        std::fprintf(stderr, "weir: %s\n", executor.refusal.c_str());
        return exit_failed;
    }
    limits.runtimes = executor.runtimes;
    limits.any_runtime = values.executor.noop;
    limits.network = values.network;

    server running(std::move(values), shards, seats, std::move(limits), std::move(executor.make_worker),
                   executor.description);
    if (!running.start()) {
        std::fprintf(stderr, "weir: %s\n", running.diagnosis().c_str());
        std::fflush(nullptr);
        // Half-opened shards are not taken apart: what is on disk is as after a crash, which is always safe.
        std::_Exit(exit_failed);
    }
    if (executor.own_port) executor.own_port->store(running.port());
    std::printf("listening on %s\n", running.url().c_str());
    std::fflush(stdout);
    run_until_stopped(running);
    return 0;
}

}  // namespace

int serve(int argc, char** argv) {
    const std::vector<std::string> arguments(argv, argv + argc);
    const auto environment = process_environment();
    auto loaded = load_settings(arguments, environment);
    if (loaded.help) {
        std::fputs(serve_help().c_str(), stdout);
        return 0;
    }
    for (const auto& warning : loaded.warnings) std::fprintf(stderr, "weir: warning: %s\n", warning.c_str());
    for (const auto& error : loaded.errors) std::fprintf(stderr, "weir: %s\n", error.c_str());
    if (!loaded.errors.empty()) return exit_usage;
    if (loaded.show_config) {
        std::fputs(loaded.shown.c_str(), stdout);
        return 0;
    }
    if (!loaded.values.insecure_no_auth && !is_loopback(loaded.values.listen.host)) {
        std::fprintf(stderr,
                     "weir: listen: %s is no loopback address and nobody has to log in; --insecure-no-auth allows it\n",
                     loaded.values.listen.host.c_str());
        return exit_usage;
    }
    set_logging(loaded.values);
    return run(std::move(loaded.values));
}

}  // namespace app
