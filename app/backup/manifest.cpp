#include "app/backup/manifest.hpp"

#include <algorithm>
#include <cstdio>
#include <sstream>

#include "runtime/base/crc32c.hpp"

namespace app::backup {
namespace {

constexpr std::string_view title = "weir backup\n";
constexpr std::string_view format = "format ";
constexpr unsigned format_version = 1;
constexpr std::string_view last_line = "crc32c ";

std::string hex(std::uint32_t number) {
    char text[16];
    std::snprintf(text, sizeof text, "%08x", number);
    return text;
}

bool decode_line(const std::string& line, manifest& out) {
    std::istringstream words(line);
    std::string kind;
    words >> kind;
    if (kind == "created") return static_cast<bool>(words >> out.created_at);
    if (kind != "file") return true;  // a later version's, of the same format
    manifest_file file;
    words >> file.bytes >> std::hex >> file.crc32c >> std::ws;
    std::getline(words, file.path);
    if (!words || !is_safe_path(file.path)) return false;
    out.files.push_back(std::move(file));
    return true;
}

}  // namespace

bool is_safe_path(std::string_view path) {
    while (true) {
        const auto slash = path.find('/');
        const auto part = path.substr(0, slash);
        if (part.empty() || part == "." || part == ".." || part.find('\0') != std::string_view::npos) return false;
        if (part.find('\n') != std::string_view::npos) return false;
        if (slash == std::string_view::npos) return true;
        path.remove_prefix(slash + 1);
    }
}

std::string encode(const manifest& what) {
    auto files = what.files;
    std::sort(files.begin(), files.end(), [](const auto& a, const auto& b) { return a.path < b.path; });
    std::string out(title);
    out.append(format).append(std::to_string(format_version)).append("\n");
    out.append("created ").append(what.created_at).append("\n");
    for (const auto& file : files)
        out += "file " + std::to_string(file.bytes) + " " + hex(file.crc32c) + " " + file.path + "\n";
    const auto crc = runtime::crc32c(out.data(), out.size());
    out.append(last_line).append(hex(crc)).append("\n");
    return out;
}

bool decode(std::string_view text, manifest& out, std::string& diagnosis) {
    const std::string head = std::string(title) + std::string(format);
    if (!text.starts_with(head)) {
        diagnosis = "it is not the list of a backup";
        return false;
    }
    const auto version = std::string(text.substr(head.size(), text.find('\n', head.size()) - head.size()));
    if (version != std::to_string(format_version)) {
        diagnosis = "it has format " + version + "; this version knows " + std::to_string(format_version);
        return false;
    }
    const auto end = text.rfind(last_line);
    const auto body = text.substr(0, end);
    const auto last = end == std::string_view::npos ? std::string_view() : text.substr(end + last_line.size());
    if (last != hex(runtime::crc32c(body.data(), body.size())) + "\n") {
        diagnosis = "it is not whole: its checksum is another";
        return false;
    }
    std::istringstream lines{std::string(body.substr(head.size() + version.size() + 1))};
    for (std::string line; std::getline(lines, line);) {
        if (decode_line(line, out)) continue;
        diagnosis = "the line \"" + line + "\" cannot be used";
        return false;
    }
    return true;
}

}  // namespace app::backup
