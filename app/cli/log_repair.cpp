#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "app/cli/commands.hpp"
#include "app/cli/log_records.hpp"
#include "app/cli/terminal.hpp"
#include "http/json_writer.hpp"
#include "storage/embedded/log/repair.hpp"

namespace app::cli {
namespace {

using storage::embedded::drop_place;
using storage::embedded::dropped_record;
using storage::embedded::repair_report;

runtime::task<void> repair_on(storage::disk& on, std::string from, std::string into, std::vector<drop_place> places,
                              std::function<void(const dropped_record&)> dropped, repair_report& report) {
    report = co_await storage::embedded::repair_log(on, std::move(from), std::move(into), std::move(places),
                                                    std::move(dropped));
}

// The repaired log takes the name of the old one in one step, so that a crash finds the one or the other; then the old
// one gets the name that says what it is. Empty, or why not.
std::string exchange(const std::string& log, const std::string& repaired, const std::string& kept) {
    if (::renameat2(AT_FDCWD, repaired.c_str(), AT_FDCWD, log.c_str(), RENAME_EXCHANGE) != 0)
        return "the repaired log in " + repaired + " cannot take the place of " + log + ": " + std::strerror(errno);
    if (::rename(repaired.c_str(), kept.c_str()) != 0)
        return "the old log stays in " + repaired + ": " + std::strerror(errno);
    const int folder = ::open(std::filesystem::path(log).parent_path().c_str(), O_RDONLY | O_DIRECTORY);
    const bool synced = folder >= 0 && ::fsync(folder) == 0;
    if (folder >= 0) ::close(folder);
    return synced ? std::string()
                  : "the new names may not survive a loss of power now: " + std::string(strerror(errno));
}

void print_report(const terminal& text, output_format output, const repair_report& report, const std::string& kept) {
    if (output == output_format::json) {
        std::string out;
        http::json_writer json(out);
        json.begin_object().member("kept", report.kept).member("dropped", report.dropped);
        json.member("old_log", std::string_view(printable(kept))).key("unread").begin_array();
        for (const auto& place : report.unread)
            json.begin_object()
                .member("path", std::string_view(printable(place.path)))
                .member("position", place.position)
                .member("bytes", place.bytes)
                .end_object();
        json.end_array().key("remarks").begin_array();
        for (const auto& remark : report.remarks) json.value(std::string_view(remark));
        json.end_array().end_object();
        text.out(out + "\n");
        return;
    }
    for (const auto& place : report.unread)
        text.out("not readable  " + printable(place.path) + ", position " + std::to_string(place.position) + "\n");
    for (const auto& remark : report.remarks) text.out(remark + "\n");
    text.out(text.paint_out(style::good, "repaired") + ": " + std::to_string(report.kept) + " records kept, " +
             std::to_string(report.dropped) + " dropped; the log as it was is in " + printable(kept) + "\n");
}

}  // namespace

int repair_log(const terminal& text, output_format output, const repair_command& what) {
    const auto fail = [&](const std::string& why) {
        text.error(text.paint_error(style::bad, "weir: ") + printable(why) + "\n");
        return static_cast<int>(exit_run_failed);
    };
    const std::string log = what.directory + "/log";
    const std::string repaired = what.directory + "/log.repaired";
    std::error_code ignored;
    if (!std::filesystem::exists(log + "/META", ignored)) return fail("there is no log in " + log);
    // What an earlier attempt left.
    std::filesystem::remove_all(repaired, ignored);
    std::vector<drop_place> places;
    for (const auto& [file, position] : what.drop_after) places.push_back({file, position});
    const auto dropped = [&](const dropped_record& one) {
        const std::string_view why = one.behind_gap ? "behind_gap" : "behind_place";
        if (output == output_format::json) {
            text.out(record_json(one.where, "\"dropped\":\"" + std::string(why) + "\"") + "\n");
        } else {
            text.out(std::string(one.behind_gap ? "dropped, a record before it is gone  " : "dropped  ") +
                     record_text(one.where) + "\n");
        }
    };
    repair_report report;
    std::string why;
    on_a_shard([&](storage::disk& on) { return repair_on(on, log, repaired, places, dropped, report); }, why);
    if (why.empty()) why = report.diagnosis;
    if (!why.empty()) return fail(why);
    std::string kept = what.directory + "/log.cut-" + std::to_string(report.epoch);
    while (std::filesystem::exists(kept, ignored)) kept += "-again";
    why = exchange(log, repaired, kept);
    if (!why.empty()) return fail(why);
    print_report(text, output, report, kept);
    return exit_ok;
}

}  // namespace app::cli
