#include "app/backup/files.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "runtime/base/crc32c.hpp"

namespace app::backup {
namespace {

std::string because(const std::string& path, const std::string& doing) {
    return path + " cannot be " + doing + ": " + std::strerror(errno);
}

}  // namespace

file_writer::file_writer(std::string path) : path_(std::move(path)) {
    std::error_code made;
    std::filesystem::create_directories(std::filesystem::path(path_).parent_path(), made);
    file_ = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (file_ < 0) fail("made");
}

file_writer::~file_writer() {
    if (file_ >= 0) ::close(file_);
}

bool file_writer::fail(const std::string& doing) {
    no_space_ = errno == ENOSPC || errno == EDQUOT;
    if (diagnosis_.empty()) diagnosis_ = because(path_, doing);
    if (file_ >= 0) ::close(file_);
    file_ = -1;
    return false;
}

bool file_writer::write(std::string_view bytes) {
    if (file_ < 0) return false;
    crc_ = runtime::crc32c(bytes.data(), bytes.size(), crc_);
    bytes_ += bytes.size();
    while (!bytes.empty()) {
        const auto written = ::write(file_, bytes.data(), bytes.size());
        if (written < 0 && errno == EINTR) continue;
        if (written < 0) return fail("written");
        bytes.remove_prefix(static_cast<std::size_t>(written));
    }
    return true;
}

bool file_writer::finish() {
    if (file_ < 0) return false;
    if (::fsync(file_) != 0) return fail("synced");
    ::close(file_);
    file_ = -1;
    return true;
}

bool read_piece(const std::string& path, std::uint64_t offset, std::size_t bytes_max, std::string& out,
                std::string& diagnosis) {
    const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (file < 0) {
        diagnosis = because(path, "opened");
        return false;
    }
    out.resize(bytes_max);
    std::size_t have = 0;
    ssize_t got = 1;
    while (have < bytes_max && got != 0) {
        got = ::pread(file, out.data() + have, bytes_max - have, static_cast<off_t>(offset + have));
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) break;
        have += static_cast<std::size_t>(got);
    }
    if (got < 0) diagnosis = because(path, "read");
    ::close(file);
    out.resize(have);
    return got >= 0;
}

bool sync_folder(const std::string& path, std::string& diagnosis) {
    const int folder = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    const bool synced = folder >= 0 && ::fsync(folder) == 0;
    if (!synced) diagnosis = because(path, "synced");
    if (folder >= 0) ::close(folder);
    return synced;
}

bool sync_tree(const std::string& root, std::string& diagnosis) {
    std::error_code failed;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(root, failed))
        if (entry.is_directory() && !sync_folder(entry.path().string(), diagnosis)) return false;
    if (failed) {
        diagnosis = root + " cannot be listed: " + failed.message();
        return false;
    }
    return sync_folder(root, diagnosis);
}

bool is_empty_target(const std::string& path) {
    std::error_code failed;
    if (!std::filesystem::exists(path, failed)) return !failed;
    return std::filesystem::is_directory(path, failed) && std::filesystem::is_empty(path, failed) && !failed;
}

}  // namespace app::backup
