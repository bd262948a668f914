// weir backup: from a running server, which makes the backup and hands it out, or from a directory at rest.
#include <algorithm>
#include <filesystem>

#include "app/backup/files.hpp"
#include "app/backup/manifest.hpp"
#include "app/cli/commands.hpp"
#include "app/cli/progress.hpp"
#include "http/json_writer.hpp"
#include "runtime/shard_thread.hpp"
#include "storage/embedded/disk/real_disk.hpp"
#include "storage/embedded/log/directory.hpp"

namespace app::cli {
namespace {

using backup::file_writer;
using backup::manifest;
using http::client::request;
using runtime::task;

failure failed(std::string message, int exit_code = exit_run_failed) {
    failure out;
    out.exit_code = exit_code;
    out.message = std::move(message);
    http::json_writer json(out.json);
    json.begin_object().member("code", "backup_failed").member("detail", std::string_view(printable(out.message)));
    json.end_object();
    return out;
}

failure target_in_use(const std::string& path) {
    return failed(path + " is not an empty directory; a backup needs one of its own", exit_conflict);
}

// The list comes last: without it a directory is no backup.
bool seal(const std::string& target, const manifest& list, std::string& diagnosis) {
    file_writer writer(target + "/" + backup::manifest_name);
    if (!writer.write(backup::encode(list)) || !writer.finish()) {
        diagnosis = writer.diagnosis();
        return false;
    }
    return backup::sync_tree(target, diagnosis);
}

void print(const terminal& text, output_format output, const manifest& list, const std::string& target) {
    std::uint64_t bytes = 0;
    for (const auto& file : list.files) bytes += file.bytes;
    if (output == output_format::json) {
        std::string out;
        http::json_writer json(out);
        json.begin_object().member("created_at", std::string_view(list.created_at));
        json.member("files", std::uint64_t{list.files.size()}).member("bytes", bytes).end_object();
        text.out(out + "\n");
        return;
    }
    text.out(text.paint_out(style::good, "done") + ": " + std::to_string(list.files.size()) + " files, " +
             human_bytes(bytes) + " in " + printable(target) + ", as of " + printable(list.created_at) + "\n");
}

task<outcome<backup::manifest_file>> fetch(session& with, std::string base, backup_item what, std::string target,
                                           progress& shown) {
    file_writer writer(target + "/" + what.path);
    while (writer.bytes() < what.bytes) {
        auto got = co_await with.server.get(base + "?offset=" + std::to_string(writer.bytes()));
        if (got.has_error()) co_return got.error();
        if (got->body.empty()) co_return failed("the server has less of " + printable(what.path) + " than it said");
        if (!writer.write(got->body)) co_return failed(writer.diagnosis());
        shown.add(got->body.size());
    }
    if (!writer.finish()) co_return failed(writer.diagnosis());
    co_return backup::manifest_file{what.path, writer.bytes(), writer.crc32c()};
}

task<outcome<manifest>> fetch_all(session& with, const backup_list& offered, const std::string& target) {
    manifest out;
    out.created_at = offered.created_at;
    std::uint64_t total = 0;
    for (const auto& file : offered.files) {
        if (!backup::is_safe_path(file.path)) co_return failed("the server names a file " + printable(file.path));
        total += file.bytes;
    }
    progress shown(with.text, "copying", total);
    for (std::size_t i = 0; i < offered.files.size(); ++i) {
        const std::string base = "/api/v1/admin/backups/" + offered.id + "/files/" + std::to_string(i);
        auto file = co_await fetch(with, base, offered.files[i], target, shown);
        if (file.has_error()) co_return file.error();
        out.files.push_back(std::move(*file));
    }
    co_return out;
}

// Everything a server at rest needs of its directory.
bool belongs(const std::filesystem::path& path) {
    const auto name = path.filename().string();
    return name != "LOCK" && name != "reserve" && !name.ends_with(".new") && !name.ends_with(".spare") &&
           !name.ends_with(".tmp");
}

bool list_directory(const std::string& data, std::vector<backup_item>& out, std::string& diagnosis) {
    try {
        for (const auto* part : {"log", "archive"}) {
            const auto root = data + "/" + part;
            if (!std::filesystem::exists(root)) continue;
            for (const auto& entry : std::filesystem::recursive_directory_iterator(root)) {
                if (!entry.is_regular_file() || !belongs(entry.path())) continue;
                out.push_back({entry.path().lexically_relative(data).string(), entry.file_size()});
            }
        }
    } catch (const std::filesystem::filesystem_error& why) {
        diagnosis = why.what();
        return false;
    }
    return true;
}

bool copy_file(const std::string& from, const backup_item& what, const std::string& target, manifest& list,
               progress& shown, std::string& diagnosis) {
    file_writer writer(target + "/" + what.path);
    std::string piece;
    while (writer.bytes() < what.bytes) {
        if (!backup::read_piece(from + "/" + what.path, writer.bytes(), backup::piece_bytes, piece, diagnosis))
            return false;
        if (piece.empty()) {
            diagnosis = what.path + " became shorter while it was copied";
            return false;
        }
        if (!writer.write(piece)) break;
        shown.add(piece.size());
    }
    if (!writer.finish()) {
        diagnosis = writer.diagnosis();
        return false;
    }
    list.files.push_back({what.path, writer.bytes(), writer.crc32c()});
    return true;
}

bool copy_all(const terminal& text, const backup_command& what, manifest& list, std::string& diagnosis) {
    std::vector<backup_item> files;
    if (!list_directory(what.from, files, diagnosis)) return false;
    std::uint64_t total = 0;
    for (const auto& file : files) total += file.bytes;
    progress shown(text, "copying", total);
    for (const auto& file : files)
        if (!copy_file(what.from, file, what.target, list, shown, diagnosis)) return false;
    return seal(what.target, list, diagnosis);
}

// With the log's lock held, which a server needs too.
task<void> copy_on_shard(const terminal& text, const backup_command& what, manifest& list, std::string& diagnosis) {
    auto& home = runtime::shard::here();
    list.created_at = runtime::to_rfc3339(home.time().utc());
    auto disk = storage::embedded::make_real_disk(home, {storage::embedded::writer_kind::thread, true});
    if (disk.has_error()) {
        diagnosis = "the disk cannot be used: " + disk.error().message();
        co_return;
    }
    storage::embedded::directory_options options;
    options.path = what.from + "/log";
    storage::embedded::log_directory directory(home, **disk, options);
    const auto verified = co_await directory.verify();
    if (verified.has_error()) {
        diagnosis = directory.recovered().diagnosis;
        if (verified.error() == boost::system::errc::resource_unavailable_try_again)
            diagnosis += "; a running server makes its backup itself: weir backup http://ADDRESS TARGET";
    } else {
        copy_all(text, what, list, diagnosis);
    }
    co_await directory.stop();
}

int report(const terminal& text, output_format output, const failure& why) {
    text.error(output == output_format::json ? why.json + "\n"
                                             : text.paint_error(style::bad, "weir: ") + printable(why.message) + "\n");
    return why.exit_code;
}

}  // namespace

task<outcome<int>> backup_server(session& with, backup_command what) {
    if (!backup::is_empty_target(what.target)) co_return target_in_use(what.target);
    request ask("POST", "/api/v1/admin/backups");
    const auto answer = co_await with.server.call(std::move(ask));
    if (answer.has_error()) co_return answer.error();
    const auto offered = parse_backup(answer->body);
    if (!offered) co_return failed("the server's answer is not a backup");
    const auto list = co_await fetch_all(with, *offered, what.target);
    request give_back("DELETE", "/api/v1/admin/backups/" + offered->id);
    // If this fails the server forgets it by itself.
    static_cast<void>(co_await with.server.call(std::move(give_back)));
    if (list.has_error()) co_return list.error();
    std::string diagnosis;
    if (!seal(what.target, *list, diagnosis)) co_return failed(diagnosis);
    print(with.text, with.options.output, *list, what.target);
    co_return exit_ok;
}

int backup_directory(const terminal& text, output_format output, const backup_command& what) {
    std::error_code ignored;
    if (!std::filesystem::exists(what.from + "/log/META", ignored))
        return report(text, output, failed("there is no log in " + what.from + "/log", exit_not_found));
    if (!backup::is_empty_target(what.target)) return report(text, output, target_in_use(what.target));
    manifest list;
    std::string diagnosis;
    runtime::shard_limits limits;
    limits.pinned = false;
    runtime::shard_group group(1, limits);
    group.start();
    group.run_and_wait(0, [&] { return copy_on_shard(text, what, list, diagnosis); });
    group.stop();
    if (!diagnosis.empty()) return report(text, output, failed(diagnosis));
    print(text, output, list, what.target);
    return exit_ok;
}

}  // namespace app::cli
