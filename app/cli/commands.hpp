// The commands. Each returns its exit code, or a failure that the caller prints.
#pragma once

#include "app/cli/api.hpp"
#include "app/cli/command_line.hpp"

namespace app::cli {

runtime::task<outcome<int>> run_program(session& with, run_command what);
runtime::task<outcome<int>> attach_to_program(session& with, attach_command what);
runtime::task<outcome<int>> show_logs(session& with, logs_command what);
runtime::task<outcome<int>> show_execution(session& with, show_command what);
runtime::task<outcome<int>> list_executions(session& with, list_command what);
runtime::task<outcome<int>> cancel_executions(session& with, cancel_command what);
runtime::task<outcome<int>> list_stuck(session& with);
runtime::task<outcome<int>> backup_server(session& with, backup_command what);

// Without a server.
int run_bench(const common_options& common, const bench_command& what);
int print_version(const terminal& text, output_format output);
int examine_machine(const terminal& text, output_format output, const doctor_command& what);
int backup_directory(const terminal& text, output_format output, const backup_command& what);
int restore_backup(const terminal& text, output_format output, const restore_command& what);
int dump_log(const terminal& text, output_format output, const dump_command& what);
int repair_log(const terminal& text, output_format output, const repair_command& what);
int verify_archive(const terminal& text, output_format output, const archive_command& what);
int repair_archive(const terminal& text, output_format output, const archive_command& what);
int list_runtimes(const terminal& text, output_format output, const runtimes_command& what);
int verify_log(const terminal& text, output_format output, const verify_command& what);

}  // namespace app::cli
