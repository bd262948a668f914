#include <filesystem>

#include "app/cli/commands.hpp"
#include "app/cli/log_records.hpp"
#include "app/cli/terminal.hpp"

namespace app::cli {
namespace {

using storage::embedded::dump_report;
using storage::embedded::dumped_record;

// Lines go out in pieces of this size.
constexpr std::size_t piece_bytes = 64 * 1024;

runtime::task<void> dump_on(storage::disk& on, std::string folder, std::function<void(const dumped_record&)> visit,
                            dump_report& report) {
    report = co_await storage::embedded::dump_log(on, std::move(folder), std::move(visit));
}

}  // namespace

int dump_log(const terminal& text, output_format output, const dump_command& what) {
    const std::string folder = what.directory + "/log";
    std::error_code ignored;
    if (!std::filesystem::exists(folder + "/META", ignored)) {
        text.error("weir: there is no log in " + printable(folder) + "\n");
        return exit_run_failed;
    }
    std::string lines;
    const auto visit = [&](const dumped_record& one) {
        const auto& h = one.record.header;
        if (what.partition && *what.partition != h.partition.value) return;
        if (h.at < what.from) return;
        lines += output == output_format::json ? record_json(one) : record_text(one);
        lines.push_back('\n');
        if (lines.size() < piece_bytes) return;
        text.out(lines);
        lines.clear();
    };
    dump_report report;
    std::string why;
    on_a_shard([&](storage::disk& on) { return dump_on(on, folder, visit, report); }, why);
    text.out(lines);
    if (why.empty()) why = report.diagnosis;
    for (const auto& place : report.damaged) {
        const std::string where = printable(place.path) + ", position " + std::to_string(place.position);
        text.error(where + (place.is_followed ? ": damaged although good batches follow\n"
                                              : ": the last batch never became whole\n"));
        if (place.is_followed && why.empty()) why = "the log is damaged; see weir log repair";
    }
    if (why.empty()) return exit_ok;
    text.error(text.paint_error(style::bad, "weir: ") + printable(why) + "\n");
    return exit_run_failed;
}

}  // namespace app::cli
