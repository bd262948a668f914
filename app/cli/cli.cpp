#include "app/cli/cli.hpp"

#include <csignal>
#include <cstdlib>

#include "app/cli/commands.hpp"
#include "app/cli/terminal.hpp"
#include "runtime/shard_thread.hpp"

namespace app::cli {
namespace {

using runtime::task;

task<outcome<int>> dispatch(session& with, const any_command& command) {
    if (const auto* run = std::get_if<run_command>(&command)) return run_program(with, *run);
    if (const auto* attached = std::get_if<attach_command>(&command)) return attach_to_program(with, *attached);
    if (const auto* logs = std::get_if<logs_command>(&command)) return show_logs(with, *logs);
    if (const auto* show = std::get_if<show_command>(&command)) return show_execution(with, *show);
    if (const auto* list = std::get_if<list_command>(&command)) return list_executions(with, *list);
    if (const auto* cancel = std::get_if<cancel_command>(&command)) return cancel_executions(with, *cancel);
    if (const auto* backup = std::get_if<backup_command>(&command)) return backup_server(with, *backup);
    return list_stuck(with);
}

int report(const terminal& text, output_format output, const failure& why) {
    if (output == output_format::json) {
        text.error(why.json + "\n");
        return why.exit_code;
    }
    text.error(text.paint_error(style::bad, "weir: ") + why.message + "\n");
    for (const auto& line : why.details) text.error("  " + line + "\n");
    if (!why.hint.empty()) text.error(text.paint_error(style::faint, "hint: " + why.hint) + "\n");
    return why.exit_code;
}

task<void> run_on_shard(const command_line& line, const terminal& text, http::client::url where, int& code) {
    auto& home = runtime::shard::here();
    api server(home, std::move(where));
    session with{home, line.common, text, server};
    const auto ended = co_await dispatch(with, line.command);
    code = ended.has_value() ? *ended : report(text, line.common.output, ended.error());
}

int run_with_server(const command_line& line, const terminal& text) {
    const auto where = http::client::parse_url(line.common.server);
    if (where.has_error()) {
        text.error("weir: --server: \"" + printable(line.common.server) + "\" is " + where.error().message() + "\n");
        return exit_usage;
    }
    runtime::shard_limits limits;
    limits.pinned = false;
    limits.offload_threads = 1;
    runtime::shard_group group(1, limits);
    group.start();
    int code = exit_run_failed;
    group.run_and_wait(0, [&] { return run_on_shard(line, text, *where, code); });
    group.stop();
    return code;
}

// Nothing is buffered, so a client may be interrupted anywhere; `weir run` has its own way once it is accepted.
void end_interrupted(int) { std::_Exit(exit_interrupted); }

}  // namespace

int run_command_line(std::vector<std::string> arguments) {
    std::signal(SIGINT, end_interrupted);
    // A reader that has gone (weir logs | head) is met where standard output is written; a socket must not end us.
    std::signal(SIGPIPE, SIG_IGN);
    const char* server = std::getenv("WEIR_SERVER");
    auto line = parse_command_line(std::move(arguments), server == nullptr ? "" : server);
    if (!line.parsed) {
        const terminal plain(color_choice::never);
        if (line.exit_code == 0) {
            plain.out(line.message);
        } else {
            plain.error("weir: " + line.message);
        }
        return line.exit_code;
    }
    const terminal text(line.parsed->common.color);
    const auto output = line.parsed->common.output;
    if (const auto* bench = std::get_if<bench_command>(&line.parsed->command))
        return run_bench(line.parsed->common, *bench);
    if (std::holds_alternative<version_command>(line.parsed->command)) return print_version(text, output);
    if (const auto* doctor = std::get_if<doctor_command>(&line.parsed->command))
        return examine_machine(text, output, *doctor);
    if (const auto* runtimes = std::get_if<runtimes_command>(&line.parsed->command))
        return list_runtimes(text, output, *runtimes);
    if (const auto* dump = std::get_if<dump_command>(&line.parsed->command)) return dump_log(text, output, *dump);
    if (const auto* repair = std::get_if<repair_command>(&line.parsed->command))
        return repair_log(text, output, *repair);
    if (const auto* verify = std::get_if<verify_command>(&line.parsed->command))
        return verify_log(text, output, *verify);
    if (const auto* archive = std::get_if<archive_command>(&line.parsed->command))
        return archive->repair ? repair_archive(text, output, *archive) : verify_archive(text, output, *archive);
    if (const auto* restore = std::get_if<restore_command>(&line.parsed->command))
        return restore_backup(text, output, *restore);
    if (const auto* backup = std::get_if<backup_command>(&line.parsed->command)) {
        if (!backup->from_server()) return backup_directory(text, output, *backup);
        line.parsed->common.server = backup->from;
    }
    return run_with_server(*line.parsed, text);
}

}  // namespace app::cli
