#include "app/config.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>

#include "runtime/base/assert.hpp"

namespace app {
namespace {

using runtime::configuration;
using runtime::property;
using enum runtime::property_kind;

constexpr std::int64_t kib = 1LL << 10;
constexpr std::int64_t mib = 1LL << 20;
constexpr std::int64_t gib = 1LL << 30;
constexpr std::int64_t day_ms = 86'400'000;

constexpr std::array table{
    property{.name = "listen", .kind = address, .default_value = "127.0.0.1:8080",
             .help = "Address and port of the API; port 0 takes a free one."},
    property{.name = "insecure_no_auth", .kind = boolean, .default_value = "false",
             .help = "Listen on another address than loopback although nobody has to log in.",
             .flag = "insecure-no-auth"},
    property{.name = "data", .kind = text, .default_value = "./data", .help = "Directory of the log and the archive."},
    property{.name = "shards", .kind = integer, .unit = "shards", .default_value = "0", .min = 0, .max = 1024,
             .help = "Pinned threads; 0 is one per usable CPU."},
    property{.name = "seats", .kind = integer, .unit = "seats", .default_value = "0", .min = 0, .max = 65'536,
             .help = "Programs that run at once; 0 is eight per CPU within the memory there is."},
    property{.name = "executor", .kind = text, .default_value = "sandbox", .choices = "sandbox|noop|noop:…",
             .help = "Where programs run; noop concludes each launch at once, noop:MS after that many milliseconds."},
    property{.name = "sandbox.limits", .kind = text, .default_value = "cgroup", .choices = "cgroup|weak",
             .help = "cgroup refuses to start where memory and processes of a tree cannot be limited.",
             .flag = "sandbox-limits"},

    property{.name = "admission.queued_max", .kind = integer, .unit = "executions", .default_value = "100000",
             .min = 1, .max = 100'000'000, .help = "Executions of a node that wait for a seat."},
    property{.name = "admission.user_open_max", .kind = integer, .unit = "executions", .default_value = "0", .min = 0,
             .max = 100'000'000, .help = "Unfinished executions of one user; 0 is no limit."},

    property{.name = "sse.connections_max", .kind = integer, .unit = "streams", .default_value = "200000", .min = 1,
             .max = 10'000'000, .help = "Event streams of a node."},
    property{.name = "sse.user_connections_max", .kind = integer, .unit = "streams", .default_value = "0", .min = 0,
             .max = 10'000'000, .help = "Event streams of one user; 0 is no limit."},
    property{.name = "sse.heartbeat_s", .kind = duration, .unit = "s", .default_value = "15", .min = 1, .max = 3600,
             .help = "A silent stream gets a comment line this often."},
    property{.name = "sse.stalled_s", .kind = duration, .unit = "s", .default_value = "30", .min = 1, .max = 3600,
             .help = "A subscriber that takes nothing for so long is closed."},

    property{.name = "shutdown.grace_s", .kind = duration, .unit = "s", .default_value = "5", .min = 0, .max = 3600,
             .help = "Time that running programs get when the server is asked to stop."},

    property{.name = "idempotency.keys_max", .kind = integer, .unit = "keys", .default_value = "1000000", .min = 1,
             .max = 1'000'000'000, .help = "Idempotency keys that a node remembers, at most 80 bytes each."},
    property{.name = "idempotency.key_ttl_s", .kind = duration, .unit = "s", .default_value = "24h", .min = 60,
             .max = 31'536'000, .help = "How long a key is remembered, and never less than its execution."},

    property{.name = "log.writer", .kind = text, .default_value = "auto", .choices = "auto|io_uring|thread",
             .help = "How the log writes; auto takes io_uring where the kernel allows it, else one thread per log."},
    property{.name = "log.segment_bytes", .kind = bytes, .default_value = "64MiB", .min = mib, .max = 4 * gib,
             .help = "Size of a segment file of the log."},
    property{.name = "log.batch_bytes_max", .kind = bytes, .default_value = "4MiB", .min = 640 * kib, .max = 64 * mib,
             .help = "Records written and synced as one."},
    property{.name = "log.record_age_ms", .kind = duration, .unit = "ms", .default_value = "1", .min = 0, .max = 1000,
             .help = "A record that nobody waits for is written after so long."},

    property{.name = "partition.bits", .kind = integer, .unit = "bits", .default_value = "8", .min = 0, .max = 12,
             .help = "There are 2 to the power of this many partitions; a data directory keeps its first value."},

    property{.name = "archive.flush_bytes", .kind = bytes, .default_value = "64MiB", .min = mib, .max = 4 * gib,
             .help = "The archive is flushed after so much was handed over."},
    property{.name = "archive.flush_s", .kind = duration, .unit = "s", .default_value = "10", .min = 1, .max = 3600,
             .help = "The archive is flushed at least this often while there is something to flush."},

    property{.name = "http.connections_max", .kind = integer, .unit = "connections", .default_value = "250000",
             .min = 1, .max = 10'000'000, .help = "Open connections of a node, event streams included."},
    property{.name = "http.header_bytes_max", .kind = bytes, .default_value = "16KiB", .min = kib, .max = mib,
             .help = "Request line and headers of a request."},
    property{.name = "http.body_bytes_max", .kind = bytes, .default_value = "10MiB", .min = kib, .max = gib,
             .help = "Body of a request."},
    property{.name = "http.header_deadline_ms", .kind = duration, .unit = "ms", .default_value = "10s", .min = 100,
             .max = day_ms, .help = "From the first byte of a request to the end of its headers."},
    property{.name = "http.body_deadline_ms", .kind = duration, .unit = "ms", .default_value = "60s", .min = 100,
             .max = day_ms, .help = "From the end of the headers to the end of the body."},
    property{.name = "http.idle_deadline_ms", .kind = duration, .unit = "ms", .default_value = "75s", .min = 100,
             .max = day_ms, .help = "How long a kept connection may be silent between requests."},
    property{.name = "http.write_deadline_ms", .kind = duration, .unit = "ms", .default_value = "30s", .min = 100,
             .max = day_ms, .help = "A client that takes nothing of an answer for so long is closed."},

    property{.name = "limits.default.wall_ms", .kind = duration, .unit = "ms", .default_value = "300s", .min = 1,
             .max = 30 * day_ms, .help = "Wall time of a program that asks for none."},
    property{.name = "limits.default.cpu_ms", .kind = duration, .unit = "ms", .default_value = "60s", .min = 1,
             .max = 30 * day_ms, .help = "CPU time of a program that asks for none."},
    property{.name = "limits.default.memory_bytes", .kind = bytes, .default_value = "256MiB", .min = mib,
             .max = 1024 * gib, .help = "Memory of a program that asks for none."},
    property{.name = "limits.default.processes", .kind = integer, .unit = "processes", .default_value = "64", .min = 1,
             .max = 1'000'000, .help = "Processes of a program that asks for none."},
    property{.name = "limits.default.output_bytes", .kind = bytes, .default_value = "16MiB", .min = 1, .max = 4 * gib,
             .help = "Output per stream of a program that asks for none."},
    property{.name = "limits.default.disk_bytes", .kind = bytes, .default_value = "64MiB", .min = 1, .max = 1024 * gib,
             .help = "Disk of a program that asks for none."},
    property{.name = "limits.max.wall_ms", .kind = duration, .unit = "ms", .default_value = "1h", .min = 1,
             .max = 30 * day_ms, .help = "The most wall time that a program may ask for."},
    property{.name = "limits.max.cpu_ms", .kind = duration, .unit = "ms", .default_value = "1h", .min = 1,
             .max = 30 * day_ms, .help = "The most CPU time that a program may ask for."},
    property{.name = "limits.max.memory_bytes", .kind = bytes, .default_value = "4GiB", .min = mib, .max = 1024 * gib,
             .help = "The most memory that a program may ask for."},
    property{.name = "limits.max.processes", .kind = integer, .unit = "processes", .default_value = "1024", .min = 1,
             .max = 1'000'000, .help = "The most processes that a program may ask for."},
    property{.name = "limits.max.output_bytes", .kind = bytes, .default_value = "64MiB", .min = 1, .max = 4 * gib,
             .help = "The most output per stream that a program may ask for."},
    property{.name = "limits.max.disk_bytes", .kind = bytes, .default_value = "1GiB", .min = 1, .max = 1024 * gib,
             .help = "The most disk that a program may ask for."},

    property{.name = "logging.level", .kind = text, .default_value = "info", .choices = "debug|info|warning|error",
             .help = "The least important lines that the server writes to standard error."},
    property{.name = "logging.format", .kind = text, .default_value = "text", .choices = "text|json",
             .help = "Lines of key=value pairs, or one JSON object each."},
    property{.name = "logging.repeated_per_second_max", .kind = integer, .unit = "lines", .default_value = "10",
             .min = 1, .max = 1'000'000, .help = "Lines of the same message per shard and second; more are counted."},
};

std::size_t count(const configuration& from, std::string_view name) {
    return static_cast<std::size_t>(from.integer(name));
}

settings::program_limits program_limits_of(const configuration& from, const std::string& section) {
    settings::program_limits out;
    out.wall_ms = static_cast<std::uint64_t>(from.duration(section + ".wall_ms").count());
    out.cpu_ms = static_cast<std::uint64_t>(from.duration(section + ".cpu_ms").count());
    out.memory_bytes = count(from, section + ".memory_bytes");
    out.processes = count(from, section + ".processes");
    out.output_bytes = count(from, section + ".output_bytes");
    out.disk_bytes = count(from, section + ".disk_bytes");
    return out;
}

void check_program_limits(const settings& values, std::vector<std::string>& errors) {
    const auto check = [&errors](const char* name, std::uint64_t by_default, std::uint64_t most) {
        if (by_default <= most) return;
        errors.push_back(std::string("limits.default.") + name + ": " + std::to_string(by_default) + " is above limits.max." +
                         name + ", " + std::to_string(most));
    };
    check("wall_ms", values.limits_default.wall_ms, values.limits_max.wall_ms);
    check("cpu_ms", values.limits_default.cpu_ms, values.limits_max.cpu_ms);
    check("memory_bytes", values.limits_default.memory_bytes, values.limits_max.memory_bytes);
    check("processes", values.limits_default.processes, values.limits_max.processes);
    check("output_bytes", values.limits_default.output_bytes, values.limits_max.output_bytes);
    check("disk_bytes", values.limits_default.disk_bytes, values.limits_max.disk_bytes);
}

// "noop:MS"; the registry has checked the part before the colon.
void read_executor(const configuration& from, settings& values, std::vector<std::string>& errors) {
    const std::string& text = from.text("executor");
    values.executor.noop = text.starts_with("noop");
    const auto colon = text.find(':');
    if (colon == std::string::npos) return;
    const std::string digits = text.substr(colon + 1);
    const bool is_number = std::ranges::all_of(digits, [](char c) { return c >= '0' && c <= '9'; });
    if (!is_number || digits.size() > 8) {
        errors.push_back(from.origin("executor").place + ": executor: \"" + text +
                         "\" does not end in a number of milliseconds below 100000000");
        return;
    }
    values.executor.noop_duration = milliseconds(std::stoll(digits));
}

settings settings_of(const configuration& from, std::vector<std::string>& errors) {
    settings out;
    out.listen = from.address("listen");
    out.insecure_no_auth = from.boolean("insecure_no_auth");
    out.data_directory = from.text("data");
    if (out.data_directory.empty()) errors.push_back(from.origin("data").place + ": data: it must name a directory");
    out.shards = count(from, "shards");
    out.seats = count(from, "seats");
    read_executor(from, out, errors);
    out.sandbox.weak_limits = from.text("sandbox.limits") == "weak";
    out.admission.queued_max = count(from, "admission.queued_max");
    out.admission.user_open_max = count(from, "admission.user_open_max");
    out.sse.connections_max = count(from, "sse.connections_max");
    out.sse.user_connections_max = count(from, "sse.user_connections_max");
    out.sse.heartbeat = from.duration("sse.heartbeat_s");
    out.sse.stalled = from.duration("sse.stalled_s");
    out.shutdown.grace = from.duration("shutdown.grace_s");
    out.idempotency.keys_max = count(from, "idempotency.keys_max");
    out.idempotency.key_ttl = from.duration("idempotency.key_ttl_s");
    out.log.writer = from.text("log.writer");
    out.log.segment_bytes = count(from, "log.segment_bytes");
    out.log.batch_bytes_max = count(from, "log.batch_bytes_max");
    out.log.record_age_max = from.duration("log.record_age_ms");
    out.partition.bits = static_cast<unsigned>(from.integer("partition.bits"));
    out.archive.flush_bytes = count(from, "archive.flush_bytes");
    out.archive.flush_interval = from.duration("archive.flush_s");
    out.http.connections_max = count(from, "http.connections_max");
    out.http.header_bytes_max = count(from, "http.header_bytes_max");
    out.http.body_bytes_max = count(from, "http.body_bytes_max");
    out.http.header_deadline = from.duration("http.header_deadline_ms");
    out.http.body_deadline = from.duration("http.body_deadline_ms");
    out.http.idle_deadline = from.duration("http.idle_deadline_ms");
    out.http.write_deadline = from.duration("http.write_deadline_ms");
    out.limits_default = program_limits_of(from, "limits.default");
    out.limits_max = program_limits_of(from, "limits.max");
    check_program_limits(out, errors);
    out.logging.level = from.text("logging.level");
    out.logging.format = from.text("logging.format");
    out.logging.repeated_per_second_max =
        static_cast<std::uint32_t>(from.integer("logging.repeated_per_second_max"));
    return out;
}

// Flags that are no properties; they are taken out of what the registry reads.
struct own_flags {
    std::string config_file;
    bool show_config = false;
    bool help = false;
    std::vector<std::string> rest;
    std::vector<std::string> errors;
};

own_flags split_own_flags(std::span<const std::string> arguments) {
    own_flags out;
    for (std::size_t i = 0; i < arguments.size(); ++i) {
        const std::string& argument = arguments[i];
        if (argument == "--show-config") {
            out.show_config = true;
        } else if (argument == "--help" || argument == "-h") {
            out.help = true;
        } else if (argument.starts_with("--config=")) {
            out.config_file = argument.substr(9);
        } else if (argument == "--config" && i + 1 < arguments.size()) {
            out.config_file = arguments[++i];
        } else if (argument == "--config") {
            out.errors.emplace_back("--config: its value is missing");
        } else {
            out.rest.push_back(argument);
        }
    }
    return out;
}

constexpr std::string_view config_variable = "WEIR_CONFIG=";
// Read by the client commands, so no warning is due.
constexpr std::array<std::string_view, 2> variables_elsewhere{"WEIR_CONFIG", "WEIR_SERVER"};

}  // namespace

std::span<const property> properties() { return table; }

loaded_settings load_settings(std::span<const std::string> arguments, std::span<const std::string> environment) {
    own_flags own = split_own_flags(arguments);
    for (const std::string& variable : environment) {
        if (own.config_file.empty() && variable.starts_with(config_variable))
            own.config_file = variable.substr(config_variable.size());
    }
    configuration registry(table);
    if (!own.config_file.empty()) registry.read_file(own.config_file);
    registry.read_environment(environment, variables_elsewhere);
    registry.read_flags(own.rest);

    loaded_settings out;
    out.errors = own.errors;
    out.errors.insert(out.errors.end(), registry.errors().begin(), registry.errors().end());
    out.warnings = registry.warnings();
    out.show_config = own.show_config;
    out.help = own.help;
    out.values = settings_of(registry, out.errors);
    // A property that the struct forgets would be accepted and do nothing.
    WEIR_ASSERT(registry.unread().empty());
    out.shown = registry.show();
    return out;
}

std::vector<std::string> process_environment() {
    std::vector<std::string> out;
    for (char** variable = environ; variable != nullptr && *variable != nullptr; ++variable) out.emplace_back(*variable);
    return out;
}

std::string serve_help() {
    std::string out =
        "Usage: weir serve [--config FILE] [--show-config] [--PROPERTY=VALUE ...]\n\n"
        "Starts the server. Properties come from the file, then the environment (WEIR_ and upper case,\n"
        "__ for each dot), then flags; the later wins.\n\nProperties:\n";
    for (const property& p : table) {
        std::string left = "  --" + std::string(p.flag.empty() ? p.name : p.flag);
        left.resize(std::max<std::size_t>(left.size() + 1, 38), ' ');
        out += left + std::string(p.help) + " [" + std::string(p.default_value) + "]\n";
    }
    return out;
}

std::string configuration_page() {
    return "# Configuration\n\n"
           "`weir serve` takes properties from a YAML file (`--config FILE` or `WEIR_CONFIG`; nested keys are joined by\n"
           "dots), from the environment (`WEIR_` and the name in upper case, `__` for each dot:\n"
           "`WEIR_ADMISSION__QUEUED_MAX`), and from flags (`--admission.queued_max=5`); the later wins. An unknown property\n"
           "in the file or a flag is an error, an unknown variable a warning. `--show-config` prints every value and where\n"
           "it came from. Durations take a unit (`250ms`, `5s`, `10m`, `24h`), sizes too (`64KiB`, `16MiB`, `1GiB`).\n\n"
           "This table is made from the binary's own list; a test keeps it true, and with\n"
           "`WEIR_TEST_REWRITE_DOCS=1` writes it anew.\n\n" +
           configuration::markdown_table(table);
}

}  // namespace app
