#include "app/cli/command_line.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>

#include "app/cli/exit_code.hpp"

namespace app::cli {
namespace {

// "key=value" with a key.
std::string check_pair(const std::string& text) {
    const auto equals = text.find('=');
    return equals == std::string::npos || equals == 0 ? "\"" + text + "\" is not of the form KEY=VALUE" : std::string();
}

// "file:position".
std::string check_place(const std::string& text) {
    const auto colon = text.rfind(':');
    const bool good = colon != std::string::npos && colon > 0 && colon + 1 < text.size() && text.size() - colon < 20 &&
                      text.find_first_not_of("0123456789", colon + 1) == std::string::npos;
    return good ? std::string() : "\"" + text + "\" is not of the form FILE:POSITION";
}

std::vector<std::pair<std::string, std::uint64_t>> split_places(const std::vector<std::string>& texts) {
    std::vector<std::pair<std::string, std::uint64_t>> out;
    for (const auto& text : texts) {
        const auto colon = text.rfind(':');
        out.emplace_back(text.substr(0, colon), std::stoull(text.substr(colon + 1)));
    }
    return out;
}

text_pairs split_pairs(const std::vector<std::string>& texts) {
    text_pairs out;
    for (const auto& text : texts) {
        const auto equals = text.find('=');
        out.emplace_back(text.substr(0, equals), text.substr(equals + 1));
    }
    return out;
}

// What CLI11 writes into; turned into a command afterwards.
struct parsed_values {
    common_options common;
    std::string output = "text";
    std::string color = "auto";
    run_command run;
    std::vector<std::string> more_arguments;
    std::vector<std::string> limits;
    std::vector<std::string> run_labels;
    attach_command attach;
    logs_command logs;
    show_command show;
    list_command list;
    std::vector<std::string> list_labels;
    cancel_command cancel;
    verify_command verify;
    dump_command dump;
    repair_command repair;
    std::vector<std::string> drop_after;
    doctor_command doctor;
    backup_command backup;
    restore_command restore;
    archive_command archive;
    runtimes_command runtimes;
    bench_command bench;
};

void add_common(CLI::App& app, parsed_values& values) {
    app.add_option("--server", values.common.server, "Address of the server [WEIR_SERVER, else 127.0.0.1:8080]")
        ->type_name("URL");
    app.add_option("-o,--output", values.output, "text is for people, json a stable contract")
        ->check(CLI::IsMember({"text", "json"}).description(""))
        ->type_name("text|json");
    app.add_option("--color", values.color, "Colours in text [auto; NO_COLOR turns them off]")
        ->check(CLI::IsMember({"auto", "always", "never"}).description(""))
        ->type_name("auto|always|never");
}

void add_run(CLI::App& app, parsed_values& values) {
    auto* run = app.add_subcommand("run", "Run a program, show its output while it runs, end with its exit code");
    run->add_option("file", values.run.file, "The program; - reads it from standard input")
        ->required()
        ->type_name("FILE");
    run->add_option("arguments", values.more_arguments, "Arguments of the program; behind -- they may look like flags")
        ->type_name("ARG");
    run->add_option("--lang", values.run.lang, "Language [from the extension or the first line]")->type_name("LANG");
    run->add_option("--lang-version", values.run.lang_version, "Version of the language")->type_name("VERSION");
    run->add_option("--arg", values.run.arguments, "An argument of the program; repeatable")
        ->type_name("ARG")
        ->take_all()
        ->allow_extra_args(false);
    run->add_option("--stdin", values.run.standard_input, "What the program reads; - is standard input")
        ->type_name("FILE");
    run->add_option("--limit", values.limits,
                    "One of wall_ms, cpu_ms, memory_bytes, processes, output_bytes, disk_bytes, "
                    "on_output_limit; 10s and 64MiB are understood; repeatable")
        ->type_name("KEY=VALUE")
        ->check(check_pair)
        ->allow_extra_args(false);
    run->add_option("--priority", values.run.priority, "critical, high, normal, low or background")
        ->type_name("PRIORITY");
    run->add_option("--label", values.run_labels, "A label to find it by; repeatable")
        ->type_name("KEY=VALUE")
        ->check(check_pair)
        ->allow_extra_args(false);
    run->add_option("--key", values.run.key, "Idempotency key: the same key never runs twice")->type_name("KEY");
    run->add_option("--allow", values.run.allow, "A host that the program may reach; again for another one")
        ->type_name("HOST:PORT")
        ->allow_extra_args(false);
    run->add_option("--network", values.run.network, "none, or open for every host of the internet")
        ->check(CLI::IsMember({"none", "open"}).description(""))
        ->type_name("MODE");
    run->add_flag("-d,--detach", values.run.detach, "Print the id and leave at once");
    run->add_flag("-i,--interactive", values.run.interactive, "The program reads what is typed here");
    run->add_flag("-t,--tty", values.run.terminal, "The program runs on a terminal; implies -i");

    auto* attach = app.add_subcommand("attach", "Type to a running program that was started with -i or -t");
    attach->add_option("id", values.attach.id, "Execution id")->required()->type_name("ID");
    attach->add_option("--after", values.attach.after, "Skip the events up to this number")
        ->check(CLI::Range(std::uint64_t{0}, std::uint64_t{UINT32_MAX}).description(""))
        ->type_name("N");
}

void add_reading(CLI::App& app, parsed_values& values) {
    auto* logs = app.add_subcommand("logs", "Print what a program wrote so far");
    logs->add_option("id", values.logs.id, "Execution id")->required()->type_name("ID");
    logs->add_flag("-f,--follow", values.logs.follow, "Go on until it ends");
    logs->add_option("--after", values.logs.after, "Skip the events up to this number")
        ->check(CLI::Range(std::uint64_t{0}, std::uint64_t{UINT32_MAX}).description(""))
        ->type_name("N");

    auto* show = app.add_subcommand("show", "Show one execution");
    show->add_option("id", values.show.id, "Execution id")->required()->type_name("ID");

    auto* list = app.add_subcommand("list", "List executions, newest first");
    list->add_option("--status", values.list.status, "Only this status")->type_name("STATUS");
    list->add_option("--lang", values.list.lang, "Only this language")->type_name("LANG");
    list->add_option("--label", values.list_labels, "Only with this label; repeatable, all must match")
        ->type_name("KEY=VALUE")
        ->check(check_pair)
        ->allow_extra_args(false);
    list->add_option("--limit", values.list.limit, "How many [20]")
        ->check(CLI::Range(1, 1'000'000).description(""))
        ->type_name("N");
    list->add_option("--cursor", values.list.cursor, "Go on where a list ended")->type_name("CURSOR");
}

void add_backups(CLI::App& app, parsed_values& values) {
    auto* backup = app.add_subcommand("backup", "Copy a node's whole state, while its server runs or not");
    backup->add_option("from", values.backup.from, "The server's address, or a data directory that no server uses")
        ->required()
        ->type_name("SERVER|DIR");
    backup->add_option("target", values.backup.target, "A new or empty directory")->required()->type_name("TARGET");
    auto* restore = app.add_subcommand("restore", "Make a data directory of a backup");
    restore->add_option("source", values.restore.source, "The backup")->required()->type_name("SOURCE");
    restore->add_option("directory", values.restore.directory, "A new or empty directory")
        ->required()
        ->type_name("DIR");
    auto* archive = app.add_subcommand("archive", "The archive on disk");
    archive->require_subcommand(1);
    auto* verify =
        archive->add_subcommand("verify", "Check every file and document of a directory that no server uses");
    verify->add_option("directory,--data", values.archive.directory, "Data directory [./data]")->type_name("DIR");
    auto* repair = archive->add_subcommand("repair", "Save what is whole into a new archive; the damaged one is kept");
    repair->add_option("directory,--data", values.archive.directory, "Data directory [./data]")->type_name("DIR");
}

void add_rest(CLI::App& app, parsed_values& values) {
    auto* cancel = app.add_subcommand("cancel", "Ask executions to end");
    cancel->add_option("id", values.cancel.ids, "Execution ids")->required()->type_name("ID");
    auto* admin = app.add_subcommand("admin", "For operators");
    admin->require_subcommand(1);
    admin->add_subcommand("stuck", "List executions that nothing will move on; ends with 1 if there are any");
    auto* log = app.add_subcommand("log", "The log on disk");
    log->require_subcommand(1);
    auto* dump = log->add_subcommand("dump", "Print the records of a data directory that no server uses, one a line");
    dump->add_option("directory,--data", values.dump.directory, "Data directory [./data]")->type_name("DIR");
    dump->add_option("--partition", values.dump.partition, "Only this partition")->type_name("P");
    dump->add_option("--from", values.dump.from, "Only offsets from here on")->type_name("OFFSET");
    auto* repair = log->add_subcommand("repair", "Cut off what follows a damaged place; the log as it was is kept");
    repair->add_option("directory,--data", values.repair.directory, "Data directory [./data]")->type_name("DIR");
    repair->add_option("--drop-after", values.drop_after, "The place, as the diagnosis names it; repeatable")
        ->required()
        ->type_name("FILE:POSITION")
        ->check(check_place)
        ->allow_extra_args(false);
    auto* verify = log->add_subcommand("verify", "Check every record of a data directory that no server uses");
    verify->add_option("directory,--data", values.verify.directory, "Data directory [./data]")->type_name("DIR");
    auto* doctor = app.add_subcommand("doctor", "Check whether this machine can keep the server's promises");
    doctor->add_option("directory,--data", values.doctor.directory, "Data directory [./data]")->type_name("DIR");
    auto* runtimes = app.add_subcommand("runtimes", "List the languages that this machine can run");
    runtimes->add_option("--runtimes", values.runtimes.directory, "Folder of manifests [where a server would look]")
        ->type_name("DIR");
    // Everything behind the word is the harness's own, its --help included.
    auto* bench = app.add_subcommand("bench", "Load a server and check every answer; `weir bench --help`");
    bench->prefix_command();
    bench->set_help_flag();
    bench->fallthrough(false);
    app.add_subcommand("version", "Print the version");
    // Dispatched before this parser is asked; named here for the help text.
    app.add_subcommand("serve", "Start the server; `weir serve --help` lists its properties");
}

any_command command_of(const CLI::App& app, parsed_values& values) {
    if (app.got_subcommand("run")) {
        values.run.interactive |= values.run.terminal;
        values.run.limits = split_pairs(values.limits);
        values.run.labels = split_pairs(values.run_labels);
        auto& arguments = values.run.arguments;
        arguments.insert(arguments.end(), values.more_arguments.begin(), values.more_arguments.end());
        return values.run;
    }
    if (app.got_subcommand("attach")) return values.attach;
    if (app.got_subcommand("logs")) return values.logs;
    if (app.got_subcommand("show")) return values.show;
    if (app.got_subcommand("list")) {
        values.list.labels = split_pairs(values.list_labels);
        return values.list;
    }
    if (app.got_subcommand("cancel")) return values.cancel;
    if (app.got_subcommand("admin")) return stuck_command{};
    if (app.got_subcommand("log")) {
        const auto* log = app.get_subcommand("log");
        if (log->got_subcommand("dump")) return values.dump;
        if (!log->got_subcommand("repair")) return values.verify;
        values.repair.drop_after = split_places(values.drop_after);
        return values.repair;
    }
    if (app.got_subcommand("doctor")) return values.doctor;
    if (app.got_subcommand("backup")) return values.backup;
    if (app.got_subcommand("restore")) return values.restore;
    if (app.got_subcommand("archive")) {
        values.archive.repair = app.get_subcommand("archive")->got_subcommand("repair");
        return values.archive;
    }
    if (app.got_subcommand("runtimes")) return values.runtimes;
    if (app.got_subcommand("bench")) {
        values.bench.arguments = app.get_subcommand("bench")->remaining();
        return values.bench;
    }
    return version_command{};
}

}  // namespace

parsed_command_line parse_command_line(std::vector<std::string> arguments, const std::string& environment_server) {
    CLI::App app("Weir runs programs: it admits, measures and never loses them.", "weir");
    parsed_values values;
    if (!environment_server.empty()) values.common.server = environment_server;
    app.require_subcommand(1);
    // Common options may stand before or behind the command.
    app.fallthrough();
    add_common(app, values);
    app.set_version_flag("--version", "");
    add_run(app, values);
    add_reading(app, values);
    add_backups(app, values);
    add_rest(app, values);
    app.footer(
        "Exit codes: 0 ok, 1 the run failed, 2 usage, 3 not found, 4 not allowed, 5 conflict, 6 limited,\n"
        "7 server unreachable, 124 time limit, 130 interrupted; `weir run` ends with the program's own.\n");

    // What stands behind -- is the program's, whatever it looks like.
    const auto dashes = std::ranges::find(arguments, "--");
    std::vector<std::string> behind(dashes == arguments.end() ? dashes : dashes + 1, arguments.end());
    arguments.erase(dashes, arguments.end());

    parsed_command_line out;
    try {
        std::ranges::reverse(arguments);  // as CLI11 wants them
        app.parse(arguments);
        if (!behind.empty() && !app.got_subcommand("run")) throw CLI::ExtrasError(behind);
        values.more_arguments.insert(values.more_arguments.end(), behind.begin(), behind.end());
    } catch (const CLI::CallForVersion&) {
        out.parsed = command_line{values.common, version_command{}};
        return out;
    } catch (const CLI::CallForHelp&) {
        // Of the innermost command that was named.
        const CLI::App* named = &app;
        while (!named->get_subcommands().empty()) named = named->get_subcommands().front();
        out.message = named->help();
        return out;
    } catch (const CLI::ParseError& mistake) {
        out.exit_code = exit_usage;
        out.message = std::string(mistake.what()) + "\nRun `weir --help`, or `weir COMMAND --help`.\n";
        return out;
    }
    values.common.output = values.output == "json" ? output_format::json : output_format::text;
    if (values.color == "always") values.common.color = color_choice::always;
    if (values.color == "never") values.common.color = color_choice::never;
    out.parsed = command_line{values.common, command_of(app, values)};
    return out;
}

}  // namespace app::cli
