// weir archive verify and repair: the archive of a data directory at rest.
#include <algorithm>
#include <filesystem>
#include <set>

#include "app/cli/commands.hpp"
#include "app/cli/log_records.hpp"
#include "app/cli/terminal.hpp"
#include "http/json_writer.hpp"
#include "stages/result/rebuild.hpp"
#include "storage/embedded/archive/archive_check.hpp"
#include "storage/embedded/archive/archive_store.hpp"
#include "storage/embedded/log/directory.hpp"

namespace app::cli {
namespace {

using runtime::task;
using storage::embedded::archive_check;
using storage::embedded::log_directory;
using storage::embedded::recovery_report;

// What a repair came to, the log's part included.
struct outcome_of_repair {
    storage::embedded::archive_repair archive;
    std::uint64_t from_log = 0;
    std::string log_note;  // why the log gave nothing
    std::string refusal;   // nothing was done
};

// The log's lock is what a server needs to start: with it nobody uses the archive. A log that is damaged is locked all
// the same.
bool holds_lock(const runtime::result<void>& verified) {
    return verified.has_value() || verified.error() != boost::system::errc::resource_unavailable_try_again;
}

log_directory open_log(storage::disk& on, const std::string& data) {
    storage::embedded::directory_options options;
    options.path = data + "/log";
    return {runtime::shard::here(), on, options};
}

bool has_log(const std::string& data) {
    std::error_code ignored;
    return std::filesystem::exists(data + "/log/META", ignored);
}

task<void> verify_on(storage::disk& on, std::string data, archive_check& out) {
    auto log = open_log(on, data);
    const auto verified = co_await log.verify();
    if (holds_lock(verified)) {
        out = storage::embedded::verify_archive(data + "/archive");
    } else {
        out.damage.push_back(log.recovered().diagnosis);
    }
    co_await log.stop();
}

// Puts documents that the archive does not have.
task<runtime::result<void>> put_missing(storage::archive& archive, std::vector<storage::document> documents,
                                        std::set<runtime::execution_id>& put) {
    for (auto& one : documents) {
        const auto there = co_await archive.find(one.id);
        if (there.has_error()) co_return there.error();
        if (there->has_value()) continue;
        const auto id = one.id;
        std::vector<storage::document> single;
        single.push_back(std::move(one));
        const auto taken = co_await archive.put(std::move(single), {});
        if (taken.has_error()) co_return taken.error();
        put.insert(id);
    }
    co_return runtime::result<void>();
}

task<void> rebuild_from_log(log_directory& log, std::string path, outcome_of_repair& out) {
    storage::embedded::archive_options options;
    options.directory = std::move(path);
    auto store = storage::embedded::archive_store::open(options, out.log_note);
    if (store.has_error()) co_return;
    auto front = (*store)->open_shard(runtime::shard::here());
    std::vector<storage::document> found;
    std::set<runtime::execution_id> put;
    stages::result::rebuild collector(runtime::shard::here(),
                                      [&found](storage::document one) { found.push_back(std::move(one)); });
    for (const auto& key : log.segments()) {
        auto visit = [&collector](const storage::record_view& record) { collector.take(record); };
        const auto read = co_await log.read_segment(key, visit);
        auto done = read;
        if (done.has_value()) done = co_await put_missing(*front, std::exchange(found, {}), put);
        if (done.has_error()) {
            out.log_note = "the log could not be read to its end: " + done.error().message();
            break;
        }
    }
    const auto flushed = co_await front->flush();
    if (flushed.has_error()) out.log_note = "the archive takes nothing: " + flushed.error().message();
    co_await front->stop();
    front.reset();
    out.from_log = put.size();
    auto& archive = out.archive;
    const auto again = std::erase_if(archive.lost_ids, [&](const auto& id) { return put.contains(id); });
    archive.lost -= again;
    archive.unknown -= std::min<std::uint64_t>(archive.unknown, put.size() - again);
}

task<void> repair_on(storage::disk& on, std::string data, outcome_of_repair& out) {
    auto log = open_log(on, data);
    const auto verified = co_await log.verify();
    if (!holds_lock(verified)) {
        out.refusal = log.recovered().diagnosis;
    } else {
        const std::string path = data + "/archive";
        out.archive = storage::embedded::repair_archive(path);
        const bool was_damaged = !out.archive.steps.empty() || !out.archive.set_aside.empty();
        if (verified.has_error()) out.log_note = "the log itself is damaged: " + log.recovered().diagnosis;
        if (out.archive.done && was_damaged && verified.has_value()) co_await rebuild_from_log(log, path, out);
    }
    co_await log.stop();
}

std::string missing_log(const std::string& data) { return "there is no log in " + data + "/log"; }

void print_check(const terminal& text, output_format output, const archive_check& found) {
    if (output == output_format::json) {
        std::string out;
        http::json_writer json(out);
        json.begin_object().member("ok", found.good).member("files", found.files).member("documents", found.documents);
        json.key("damage").begin_array();
        for (const auto& line : found.damage) json.value(std::string_view(printable(line)));
        json.end_array().end_object();
        text.out(out + "\n");
        return;
    }
    for (const auto& line : found.damage) text.error(text.paint_error(style::bad, "weir: ") + printable(line) + "\n");
    if (found.good)
        text.out(text.paint_out(style::good, "good") + ": " + std::to_string(found.files) + " files, " +
                 std::to_string(found.documents) + " ended executions\n");
}

void print_json(const terminal& text, const outcome_of_repair& found) {
    const auto& archive = found.archive;
    std::string out;
    http::json_writer json(out);
    json.begin_object().member("ok", archive.done && found.refusal.empty());
    json.member("saved", archive.saved).member("from_log", found.from_log).member("lost", archive.lost);
    json.key("lost_ids").begin_array();
    for (const auto& id : archive.lost_ids) json.value(std::string_view(id.to_string()));
    json.end_array().key("lost_unknown");
    if (archive.counted) {
        json.value(archive.unknown);
    } else {
        json.null();
    }
    json.member("set_aside", std::string_view(printable(archive.set_aside))).key("steps").begin_array();
    for (const auto& step : archive.steps) json.value(std::string_view(printable(step)));
    json.end_array();
    const std::string why = found.refusal + archive.diagnosis + found.log_note;
    json.member("diagnosis", std::string_view(printable(why))).end_object();
    text.out(out + "\n");
}

void print_text(const terminal& text, const outcome_of_repair& found) {
    const auto& archive = found.archive;
    for (const auto& step : archive.steps) text.out(printable(step) + "\n");
    const std::string why = found.refusal + archive.diagnosis;
    if (!why.empty()) {
        text.error(text.paint_error(style::bad, "weir: ") + printable(why) + "\n");
        return;
    }
    if (!found.log_note.empty()) text.out(printable(found.log_note) + "\n");
    for (const auto& id : archive.lost_ids) text.out("lost: " + id.to_string() + "\n");
    std::string line = text.paint_out(style::good, "done") + ": " + std::to_string(archive.saved) + " saved, " +
                       std::to_string(found.from_log) + " rebuilt from the log, " + std::to_string(archive.lost) +
                       " lost";
    if (archive.unknown > 0) line += ", and " + std::to_string(archive.unknown) + " more whose ids are gone too";
    if (!archive.counted) line += "; how many more there were is not known";
    if (!archive.set_aside.empty()) line += "; the damaged archive is now " + printable(archive.set_aside);
    text.out(line + "\n");
}

}  // namespace

int verify_archive(const terminal& text, output_format output, const archive_command& what) {
    archive_check found;
    std::string why;
    if (has_log(what.directory)) {
        on_a_shard([&](storage::disk& on) { return verify_on(on, what.directory, found); }, why);
    } else {
        why = missing_log(what.directory);
    }
    if (!why.empty()) found.damage.push_back(why);
    print_check(text, output, found);
    return found.good ? exit_ok : exit_run_failed;
}

int repair_archive(const terminal& text, output_format output, const archive_command& what) {
    outcome_of_repair found;
    if (has_log(what.directory)) {
        on_a_shard([&](storage::disk& on) { return repair_on(on, what.directory, found); }, found.refusal);
    } else {
        found.refusal = missing_log(what.directory);
    }
    if (output == output_format::json) {
        print_json(text, found);
    } else {
        print_text(text, found);
    }
    return found.archive.done && found.refusal.empty() ? exit_ok : exit_run_failed;
}

}  // namespace app::cli
