#include "storage/embedded/archive/manifest_copy.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <optional>
#include <vector>

#include "runtime/base/crc32c.hpp"
#include "runtime/base/log.hpp"

namespace storage::embedded {
namespace {

constexpr const char* copy_name = "weir-manifest-copy";
constexpr std::string_view manifest_prefix = "MANIFEST-";

// A file, with what is in it on disk if `synced`.
bool read_file(const std::string& path, std::string& out, bool synced = false) {
    const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (file < 0) return false;
    out.clear();
    char piece[64 * 1024];
    ssize_t got = 0;
    while ((got = ::read(file, piece, sizeof piece)) > 0) out.append(piece, static_cast<std::size_t>(got));
    // Else the copy could hold what a loss of power takes from the file itself.
    const bool good = got == 0 && (!synced || ::fsync(file) == 0);
    ::close(file);
    return good;
}

bool sync_path(const std::string& path, int flags) {
    const int file = ::open(path.c_str(), flags | O_CLOEXEC);
    const bool good = file >= 0 && ::fsync(file) == 0;
    if (file >= 0) ::close(file);
    return good;
}

// Whole and on disk, or as it was before.
bool replace_file(const std::string& directory, const std::string& name, std::string_view bytes) {
    const std::string path = directory + "/" + name;
    const std::string beside = path + ".tmp";
    const int file = ::open(beside.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (file < 0) return false;
    bool good = true;
    while (good && !bytes.empty()) {
        const ssize_t written = ::write(file, bytes.data(), bytes.size());
        if (written < 0 && errno == EINTR) continue;
        good = written >= 0;
        if (good) bytes.remove_prefix(static_cast<std::size_t>(written));
    }
    good = good && ::fsync(file) == 0;
    ::close(file);
    good = good && ::rename(beside.c_str(), path.c_str()) == 0;
    return good && sync_path(directory, O_RDONLY | O_DIRECTORY);
}

// "MANIFEST-000005" of CURRENT's one line.
std::optional<std::string> manifest_of(const std::string& current) {
    if (!current.starts_with(manifest_prefix) || !current.ends_with('\n')) return std::nullopt;
    const auto name = current.substr(0, current.size() - 1);
    const auto digits = name.substr(manifest_prefix.size());
    const bool is_number = !digits.empty() && digits.size() < 19 &&
                           std::all_of(digits.begin(), digits.end(), [](char c) { return c >= '0' && c <= '9'; });
    if (!is_number) return std::nullopt;
    return name;
}

std::uint64_t number_of(const std::string& manifest) {
    return std::strtoull(manifest.c_str() + manifest_prefix.size(), nullptr, 10);
}

struct copied_manifest {
    std::string name;
    std::string bytes;
};

std::optional<copied_manifest> read_copy(const std::string& directory) {
    std::string text;
    if (!read_file(directory + "/" + copy_name, text)) return std::nullopt;
    const auto line = text.find('\n');
    char name[64];
    unsigned long long size = 0;
    unsigned crc = 0;
    if (line > 150) return std::nullopt;  // a longer line than any of ours, or none
    const std::string head = text.substr(0, line);
    if (std::sscanf(head.c_str(), "weir manifest copy 1 %63s %llu %8x", name, &size, &crc) != 3) return std::nullopt;
    copied_manifest out{name, text.substr(line + 1)};
    const auto found =
        runtime::crc32c(out.bytes.data(), out.bytes.size(), runtime::crc32c(out.name.data(), out.name.size()));
    if (out.bytes.size() != size || crc != found || !manifest_of(out.name + "\n")) return std::nullopt;
    return out;
}

// Whether anything in it is RocksDB's.
bool holds_an_archive(const std::string& directory) {
    std::error_code failed;
    for (const auto& entry : std::filesystem::directory_iterator(directory, failed)) {
        const auto name = entry.path().filename().string();
        if (name.starts_with(manifest_prefix) || name.ends_with(".sst") || name.ends_with(".blob") || name == copy_name)
            return true;
    }
    return false;
}

std::string compare(const std::string& directory, const std::string& name, const std::string& manifest) {
    const auto copy = read_copy(directory);
    // Of a version that made none, or lost: the archive itself is not damaged.
    if (!copy) return {};
    if (copy->name != name) {
        if (number_of(copy->name) < number_of(name)) return {};
        return "CURRENT names " + name + ", but " + copy->name + " came after it";
    }
    if (manifest.starts_with(copy->bytes)) return {};
    const auto at = std::mismatch(copy->bytes.begin(), copy->bytes.end(), manifest.begin(), manifest.end()).first;
    return name + " is damaged at byte " + std::to_string(at - copy->bytes.begin()) + " of " +
           std::to_string(copy->bytes.size());
}

}  // namespace

void manifest_copy::update() {
    const std::lock_guard hold(mutex_);
    std::string current;
    std::string manifest;
    bool good = read_file(directory_ + "/CURRENT", current);
    const auto name = manifest_of(current);
    good = good && name && read_file(directory_ + "/" + *name, manifest, true);
    if (good) {
        const auto crc = runtime::crc32c(manifest.data(), manifest.size(), runtime::crc32c(name->data(), name->size()));
        char head[160];
        std::snprintf(head, sizeof head, "weir manifest copy 1 %s %zu %08x\n", name->c_str(), manifest.size(), crc);
        good = replace_file(directory_, copy_name, head + manifest);
    }
    if (!good)
        runtime::log(runtime::log_level::warning, "the copy of the archive's manifest could not be renewed",
                     {{"directory", directory_}});
}

std::string find_metadata_damage(const std::string& directory) {
    std::string current;
    if (!read_file(directory + "/CURRENT", current))
        return holds_an_archive(directory) ? "CURRENT is missing or cannot be read" : std::string();
    const auto name = manifest_of(current);
    if (!name) return "CURRENT is damaged: it does not name a manifest";
    std::string manifest;
    if (!read_file(directory + "/" + *name, manifest)) return *name + " is missing or cannot be read";
    return compare(directory, *name, manifest);
}

std::string restore_metadata(const std::string& directory, std::string& diagnosis) {
    const auto copy = read_copy(directory);
    // Where only CURRENT is gone, the manifest itself is newer.
    std::string manifest;
    const bool is_there = copy && read_file(directory + "/" + copy->name, manifest);
    if (is_there && manifest.starts_with(copy->bytes) && find_metadata_damage(directory).starts_with("CURRENT")) {
        if (replace_file(directory, "CURRENT", copy->name + "\n")) return "CURRENT was written anew";
        diagnosis = std::string("CURRENT cannot be written: ") + std::strerror(errno);
        return {};
    }
    if (!copy) {
        diagnosis = "the copy of the manifest is missing or damaged too";
        return {};
    }
    if (!replace_file(directory, copy->name, copy->bytes) || !replace_file(directory, "CURRENT", copy->name + "\n")) {
        diagnosis = std::string("it cannot be put back from its copy: ") + std::strerror(errno);
        return {};
    }
    return "CURRENT and " + copy->name + " were put back from the copy";
}

}  // namespace storage::embedded
