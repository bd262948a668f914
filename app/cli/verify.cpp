#include <csignal>
#include <filesystem>

#include "app/cli/commands.hpp"
#include "app/cli/terminal.hpp"
#include "http/json_writer.hpp"
#include "runtime/shard_thread.hpp"
#include "storage/embedded/disk/real_disk.hpp"
#include "storage/embedded/log/directory.hpp"

namespace app::cli {
namespace {

using runtime::task;
using storage::embedded::recovery_report;

struct verified {
    bool good = false;
    recovery_report report;
};

task<void> verify_on_shard(std::string path, verified& out) {
    auto& home = runtime::shard::here();
    auto disk = storage::embedded::make_real_disk(home, {storage::embedded::writer_kind::thread, true});
    if (disk.has_error()) {
        out.report.diagnosis = "the disk cannot be used: " + disk.error().message();
        co_return;
    }
    storage::embedded::directory_options options;
    options.path = std::move(path);
    storage::embedded::log_directory directory(home, **disk, options);
    const auto done = co_await directory.verify();
    out.report = directory.recovered();
    out.good = done.has_value();
    co_await directory.stop();
}

void print_json(const terminal& text, const verified& found) {
    std::string out;
    http::json_writer json(out);
    json.begin_object().member("ok", found.good).member("clean_stop", found.report.was_clean);
    json.member("segments", found.report.segments).member("batches", found.report.batches);
    json.member("records", found.report.records).key("cut").begin_array();
    for (const auto& cut : found.report.cut)
        json.begin_object()
            .member("path", std::string_view(printable(cut.path)))
            .member("position", cut.position)
            .member("bytes", cut.bytes)
            .end_object();
    json.end_array().key("diagnosis");
    if (found.good) {
        json.null();
    } else {
        json.value(std::string_view(printable(found.report.diagnosis)));
    }
    json.end_object();
    text.out(out + "\n");
}

void print_text(const terminal& text, const verified& found) {
    const auto& report = found.report;
    if (!found.good) {
        text.error(text.paint_error(style::bad, "weir: ") + printable(report.diagnosis) + "\n");
        return;
    }
    for (const auto& cut : report.cut)
        text.out(printable(cut.path) + ": the last batch, " + human_bytes(cut.bytes) + " at position " +
                 std::to_string(cut.position) + ", never became whole; nobody was told that it was there\n");
    text.out(text.paint_out(style::good, "good") + ": " + std::to_string(report.segments) + " segments, " +
             std::to_string(report.batches) + " batches, " + std::to_string(report.records) + " records, " +
             (report.was_clean ? "stopped in order" : "not stopped in order") + "\n");
}

}  // namespace

int verify_log(const terminal& text, output_format output, const verify_command& what) {
    verified found;
    const std::string directory = what.directory + "/log";
    std::error_code ignored;
    if (std::filesystem::exists(directory + "/META", ignored)) {
        runtime::shard_limits limits;
        limits.pinned = false;
        runtime::shard_group group(1, limits);
        group.start();
        group.run_and_wait(0, [&] { return verify_on_shard(directory, found); });
        group.stop();
    } else {
        found.report.diagnosis = "there is no log in " + directory;
    }
    if (output == output_format::json) {
        print_json(text, found);
    } else {
        print_text(text, found);
    }
    return found.good ? exit_ok : exit_run_failed;
}

}  // namespace app::cli
