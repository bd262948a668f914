#include "app/config.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <optional>
#include <regex>

#include "runtime/base/assert.hpp"

namespace app {
namespace {

using runtime::configuration;
using runtime::property;

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
        errors.push_back(std::string("limits.default.") + name + ": " + std::to_string(by_default) +
                         " is above limits.max." + name + ", " + std::to_string(most));
    };
    check("wall_ms", values.limits_default.wall_ms, values.limits_max.wall_ms);
    check("cpu_ms", values.limits_default.cpu_ms, values.limits_max.cpu_ms);
    check("memory_bytes", values.limits_default.memory_bytes, values.limits_max.memory_bytes);
    check("processes", values.limits_default.processes, values.limits_max.processes);
    check("output_bytes", values.limits_default.output_bytes, values.limits_max.output_bytes);
    check("disk_bytes", values.limits_default.disk_bytes, values.limits_max.disk_bytes);
}

// "noop:MS" or "noop:MS,LINES/MS"; the registry has checked the part before the colon.
void read_executor(const configuration& from, settings& values, std::vector<std::string>& errors) {
    const std::string& text = from.text("executor");
    values.executor.noop = text.starts_with("noop");
    const auto colon = text.find(':');
    if (colon == std::string::npos) return;
    static const std::regex form("([0-9]{1,8})(?:,([0-9]{1,4})/([0-9]{1,8}))?");
    std::smatch parts;
    const std::string behaviour = text.substr(colon + 1);
    const bool fits = std::regex_match(behaviour, parts, form);
    if (!fits || (parts[3].matched && std::stoll(parts[3]) == 0)) {
        errors.push_back(
            from.origin("executor").place + ": executor: behind \"noop:\" \"" + behaviour +
            "\" is neither MS nor MS,LINES/MS, with milliseconds below 100000000, a period of at least 1 and "
            "lines below 10000");
        return;
    }
    values.executor.noop_lasts = milliseconds(std::stoll(parts[1]));
    if (!parts[2].matched) return;
    values.executor.noop_lines = static_cast<std::uint32_t>(std::stoul(parts[2]));
    values.executor.noop_period = milliseconds(std::stoll(parts[3]));
}

std::vector<std::string> words_of(const std::string& text) {
    std::vector<std::string> out;
    std::size_t at = 0;
    while (at < text.size()) {
        const auto comma = std::min(text.find(',', at), text.size());
        std::string word = text.substr(at, comma - at);
        std::erase_if(word, [](char c) { return c == ' ' || c == '\t'; });
        if (!word.empty()) out.push_back(std::move(word));
        at = comma + 1;
    }
    return out;
}

template <class Rule>
std::vector<Rule> rules_of(const configuration& from, std::string_view name,
                           std::optional<Rule> (*parse)(std::string_view), const char* form,
                           std::vector<std::string>& errors) {
    std::vector<Rule> out;
    for (const auto& word : words_of(from.text(name))) {
        const auto rule = parse(word);
        if (rule) {
            out.push_back(*rule);
        } else {
            errors.push_back(from.origin(name).place + ": " + std::string(name) + ": \"" + word + "\" is not " + form);
        }
    }
    return out;
}

void read_network(const configuration& from, pipeline::network_policy& out, std::vector<std::string>& errors) {
    constexpr auto host_form = "host:port, *.name:port or *:port";
    constexpr auto address_form = "address[/bits][:port]";
    out.hosts = rules_of(from, "network.hosts", &pipeline::parse_host_rule, host_form, errors);
    out.reachable = rules_of(from, "network.reachable", &pipeline::parse_address_rule, address_form, errors);
    out.never = rules_of(from, "network.never", &pipeline::parse_address_rule, address_form, errors);
    out.open = words_of(from.text("network.open"));
    out.connections_max = static_cast<std::uint32_t>(from.integer("network.connections_max"));
    out.names_max = static_cast<std::uint32_t>(from.integer("network.names_max"));
    out.bytes_max = count(from, "network.bytes_max");
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
    read_network(from, out.network, errors);
    out.sandbox.pool_max = static_cast<std::uint32_t>(from.integer("sandbox.pool_max"));
    out.runtimes.cache_bytes_max = static_cast<std::uint64_t>(from.integer("runtimes.cache_bytes_max"));
    out.runtimes.directory = from.text("runtimes.directory");
    out.admission.queued_max = count(from, "admission.queued_max");
    out.admission.user_open_max = count(from, "admission.user_open_max");
    out.admission.user_block_max = count(from, "admission.user_block_max");
    out.admission.user_lease = from.duration("admission.user_lease_s");
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
    out.log.snapshot_bytes = count(from, "log.snapshot_bytes");
    out.log.reserve_bytes = count(from, "log.reserve_bytes");
    out.log.snapshot_age_max = from.duration("log.snapshot_age_s");
    out.log.stalled = from.duration("log.stalled_ms");
    out.partition.bits = static_cast<unsigned>(from.integer("partition.bits"));
    out.archive.flush_bytes = count(from, "archive.flush_bytes");
    out.archive.flush_interval = from.duration("archive.flush_s");
    out.archive.retention_age = from.duration("archive.retention_age_s");
    out.archive.retention_count_max = static_cast<std::uint64_t>(from.integer("archive.retention_count_max"));
    out.archive.retention_bytes_max = static_cast<std::uint64_t>(from.integer("archive.retention_bytes_max"));
    out.archive.retention_interval = from.duration("archive.retention_interval_s");
    out.http.connections_max = count(from, "http.connections_max");
    out.http.header_bytes_max = count(from, "http.header_bytes_max");
    out.http.target_bytes_max = count(from, "http.target_bytes_max");
    out.http.fields_max = count(from, "http.fields_max");
    out.http.body_bytes_max = count(from, "http.body_bytes_max");
    out.http.chunk_overhead_bytes_max = count(from, "http.chunk_overhead_bytes_max");
    out.http.bodies_bytes_max = count(from, "http.bodies_bytes_max");
    out.http.answers_bytes_max = count(from, "http.answers_bytes_max");
    out.http.header_deadline = from.duration("http.header_deadline_ms");
    out.http.body_deadline = from.duration("http.body_deadline_ms");
    out.http.idle_deadline = from.duration("http.idle_deadline_ms");
    out.http.write_deadline = from.duration("http.write_deadline_ms");
    out.limits_default = program_limits_of(from, "limits.default");
    out.limits_max = program_limits_of(from, "limits.max");
    check_program_limits(out, errors);
    out.logging.level = from.text("logging.level");
    out.logging.format = from.text("logging.format");
    out.logging.repeated_per_second_max = static_cast<std::uint32_t>(from.integer("logging.repeated_per_second_max"));
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

loaded_settings load_settings(std::span<const std::string> arguments, std::span<const std::string> environment) {
    own_flags own = split_own_flags(arguments);
    for (const std::string& variable : environment) {
        if (own.config_file.empty() && variable.starts_with(config_variable))
            own.config_file = variable.substr(config_variable.size());
    }
    configuration registry(properties());
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
    for (char** variable = environ; variable != nullptr && *variable != nullptr; ++variable)
        out.emplace_back(*variable);
    return out;
}

std::string serve_help() {
    std::string out =
        "Usage: weir serve [--config FILE] [--show-config] [--PROPERTY=VALUE ...]\n\n"
        "Starts the server. Properties come from the file, then the environment (WEIR_ and upper case,\n"
        "__ for each dot), then flags; the later wins.\n\nProperties:\n";
    for (const property& p : properties()) {
        std::string left = "  --" + std::string(p.flag.empty() ? p.name : p.flag);
        left.resize(std::max<std::size_t>(left.size() + 1, 38), ' ');
        out += left + std::string(p.help) + " [" + std::string(p.default_value) + "]\n";
    }
    return out;
}

std::string configuration_page() {
    return "# Configuration\n\n"
           "`weir serve` takes properties from a YAML file (`--config FILE` or `WEIR_CONFIG`; nested keys are joined "
           "by\n"
           "dots), from the environment (`WEIR_` and the name in upper case, `__` for each dot:\n"
           "`WEIR_ADMISSION__QUEUED_MAX`), and from flags (`--admission.queued_max=5`); the later wins. An unknown "
           "property\n"
           "in the file or a flag is an error, an unknown variable a warning. `--show-config` prints every value and "
           "where\n"
           "it came from. Durations take a unit (`250ms`, `5s`, `10m`, `24h`), sizes too (`64KiB`, `16MiB`, "
           "`1GiB`).\n\n"
           "This table is made from the binary's own list; a test keeps it true, and with\n"
           "`WEIR_TEST_REWRITE_DOCS=1` writes it anew.\n\n" +
           configuration::markdown_table(properties());
}

}  // namespace app
