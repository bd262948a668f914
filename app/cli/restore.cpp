// weir restore: a backup becomes a data directory. Every byte is checked on its way; the log's META comes last, so that
// a directory that was not finished is none that a server takes.
#include <algorithm>
#include <filesystem>

#include "app/backup/files.hpp"
#include "app/backup/manifest.hpp"
#include "app/cli/commands.hpp"
#include "app/cli/progress.hpp"
#include "http/json_writer.hpp"

namespace app::cli {
namespace {

using backup::file_writer;
using backup::manifest;
using backup::manifest_file;

constexpr std::string_view last_file = "log/META";
constexpr std::size_t manifest_bytes_max = 64 << 20;

bool read_manifest(const std::string& source, manifest& out, std::string& diagnosis) {
    const std::string path = source + "/" + backup::manifest_name;
    std::string text;
    if (!backup::read_piece(path, 0, manifest_bytes_max, text, diagnosis)) return false;
    if (!backup::decode(text, out, diagnosis)) {
        diagnosis = path + ": " + diagnosis;
        return false;
    }
    const auto last = std::find_if(out.files.begin(), out.files.end(),
                                   [](const manifest_file& file) { return file.path == last_file; });
    if (last == out.files.end()) {
        diagnosis = path + ": " + std::string(last_file) + " is not in it";
        return false;
    }
    std::rotate(last, last + 1, out.files.end());
    return true;
}

bool restore_file(const std::string& source, const manifest_file& what, const std::string& target, progress& shown,
                  std::string& diagnosis) {
    file_writer writer(target + "/" + what.path);
    std::string piece;
    while (writer.bytes() < what.bytes) {
        const auto most = std::min<std::uint64_t>(backup::piece_bytes, what.bytes - writer.bytes());
        const auto path = source + "/" + what.path;
        if (!backup::read_piece(path, writer.bytes(), static_cast<std::size_t>(most), piece, diagnosis)) return false;
        if (piece.empty()) {
            diagnosis =
                path + " has " + std::to_string(writer.bytes()) + " bytes instead of " + std::to_string(what.bytes);
            return false;
        }
        if (!writer.write(piece)) break;
        shown.add(piece.size());
    }
    if (writer.diagnosis().empty() && writer.crc32c() != what.crc32c) {
        diagnosis = source + "/" + what.path + " is damaged: its checksum is not the one in the list";
        return false;
    }
    if (writer.finish()) return true;
    diagnosis = writer.diagnosis();
    return false;
}

bool restore_all(const terminal& text, const restore_command& what, const manifest& list, std::string& diagnosis) {
    std::uint64_t total = 0;
    for (const auto& file : list.files) total += file.bytes;
    progress shown(text, "restoring", total);
    for (const auto& file : list.files) {
        // Everything before the last file is durable before it.
        if (file.path == last_file && !backup::sync_tree(what.directory, diagnosis)) return false;
        if (!restore_file(what.source, file, what.directory, shown, diagnosis)) return false;
    }
    return backup::sync_tree(what.directory, diagnosis);
}

void empty(const std::string& directory) {
    std::error_code ignored;
    for (const auto& entry : std::filesystem::directory_iterator(directory, ignored))
        std::filesystem::remove_all(entry.path(), ignored);
}

int report(const terminal& text, output_format output, const std::string& diagnosis, int exit_code) {
    if (output == output_format::json) {
        std::string out;
        http::json_writer json(out);
        json.begin_object().member("code", "restore_failed");
        json.member("detail", std::string_view(printable(diagnosis))).end_object();
        text.error(out + "\n");
    } else {
        text.error(text.paint_error(style::bad, "weir: ") + printable(diagnosis) + "\n");
    }
    return exit_code;
}

}  // namespace

int restore_backup(const terminal& text, output_format output, const restore_command& what) {
    std::error_code ignored;
    if (!std::filesystem::exists(what.source + "/" + backup::manifest_name, ignored))
        return report(text, output, what.source + " is not a whole backup: it has no " + backup::manifest_name,
                      exit_not_found);
    if (!backup::is_empty_target(what.directory))
        return report(text, output, what.directory + " is not an empty directory", exit_conflict);
    manifest list;
    std::string diagnosis;
    if (!read_manifest(what.source, list, diagnosis)) return report(text, output, diagnosis, exit_run_failed);
    if (!restore_all(text, what, list, diagnosis)) {
        empty(what.directory);
        return report(text, output, diagnosis + "; nothing was restored", exit_run_failed);
    }
    if (output == output_format::json) {
        std::string out;
        http::json_writer json(out);
        json.begin_object().member("created_at", std::string_view(list.created_at));
        json.member("files", std::uint64_t{list.files.size()}).end_object();
        text.out(out + "\n");
    } else {
        text.out(text.paint_out(style::good, "done") + ": " + std::to_string(list.files.size()) +
                 " files, all checksums right, as of " + printable(list.created_at) + "; `weir serve --data " +
                 printable(what.directory) + "` opens it\n");
    }
    return exit_ok;
}

}  // namespace app::cli
