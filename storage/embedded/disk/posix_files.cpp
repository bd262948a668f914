#include "storage/embedded/disk/posix_files.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <string_view>

#include "storage/api/disk.hpp"

namespace storage::embedded::posix {
namespace {

constexpr std::size_t zeros_bytes = 256 * 1024;

struct closer {
    int file;
    ~closer() { ::close(file); }
};

}  // namespace

opened open_file(const std::string& path, bool create, bool direct) {
    const int flags = O_RDWR | O_CLOEXEC | (create ? O_CREAT | O_EXCL : 0);
    opened out;
    out.direct = direct;
    out.file = ::open(path.c_str(), flags | (direct ? O_DIRECT : 0), 0640);
    if (out.file < 0 && errno == EINVAL && direct) {
        // Some file systems create the file before they refuse the flag.
        out.direct = false;
        out.file = ::open(path.c_str(), flags & ~O_EXCL, 0640);
    }
    if (out.file < 0) {
        out.file = -errno;
        return out;
    }
    struct stat facts{};
    if (::fstat(out.file, &facts) < 0) {
        const int why = -errno;
        ::close(out.file);
        out.file = why;
        return out;
    }
    out.bytes = static_cast<std::uint64_t>(facts.st_size);
    // After a failed write the page cache may hold what the disk does not: it is read from the disk.
    if (!out.direct && !create) ::posix_fadvise(out.file, 0, 0, POSIX_FADV_DONTNEED);
    return out;
}

int write_zeros(int file, std::uint64_t position, std::uint64_t bytes) {
    static const block_buffer zeros(zeros_bytes);
    while (bytes > 0) {
        const std::size_t now = std::min<std::uint64_t>(bytes, zeros_bytes);
        const ssize_t written = ::pwrite(file, zeros.data(), now, static_cast<off_t>(position));
        if (written < 0) {
            if (errno == EINTR) continue;
            return -errno;
        }
        if (written == 0) return -EIO;
        position += static_cast<std::uint64_t>(written);
        bytes -= static_cast<std::uint64_t>(written);
    }
    return 0;
}

std::int64_t read_all(int file, std::span<std::byte> into, std::uint64_t position) {
    std::size_t have = 0;
    while (have < into.size()) {
        const ssize_t got = ::pread(file, into.data() + have, into.size() - have, static_cast<off_t>(position + have));
        if (got < 0) {
            if (errno == EINTR) continue;
            return -errno;
        }
        if (got == 0) break;
        have += static_cast<std::size_t>(got);
        // Behind an odd end of file O_DIRECT takes no further read.
        if (have % disk_block_bytes != 0) break;
    }
    return static_cast<std::int64_t>(have);
}

int sync_file(int file) { return ::fdatasync(file) < 0 ? -errno : 0; }

int sync_folder(const std::string& path) {
    const int folder = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0) return -errno;
    const closer close_it{folder};
    return ::fsync(folder) < 0 ? -errno : 0;
}

int make_folders(const std::string& path) {
    std::error_code failed;
    std::filesystem::create_directories(path, failed);
    return failed ? -failed.value() : 0;
}

std::pair<int, std::vector<std::string>> list_folder(const std::string& path) {
    std::pair<int, std::vector<std::string>> out{0, {}};
    std::error_code failed;
    for (std::filesystem::directory_iterator it(path, failed), end; !failed && it != end; it.increment(failed))
        out.second.push_back(it->path().filename().string());
    out.first = failed ? -failed.value() : 0;
    std::sort(out.second.begin(), out.second.end());
    return out;
}

std::int64_t free_bytes(const std::string& folder) {
    struct statvfs about{};
    if (::statvfs(folder.c_str(), &about) < 0) return -errno;
    return static_cast<std::int64_t>(about.f_bavail * about.f_frsize);
}

int lock_file(const std::string& path) {
    const int file = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0640);
    if (file < 0) return -errno;
    if (::flock(file, LOCK_EX | LOCK_NB) == 0) return file;
    const int why = errno == EWOULDBLOCK ? -EAGAIN : -errno;
    ::close(file);
    return why;
}

}  // namespace storage::embedded::posix
