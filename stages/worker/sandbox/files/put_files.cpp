#include "stages/worker/sandbox/files/put_files.hpp"

#include <fcntl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "stages/worker/sandbox/channel/descriptor.hpp"

namespace stages::worker::sandbox {
namespace {

// The folders above a file. Several files may share them.
bool make_folders(const std::string& path, std::size_t from) {
    for (auto slash = path.find('/', from); slash != std::string::npos; slash = path.find('/', slash + 1)) {
        const std::string folder = path.substr(0, slash);
        if (mkdir(folder.c_str(), 0755) != 0 && errno != EEXIST) return false;
    }
    return true;
}

bool copy_bytes(int from, std::uint64_t offset, std::uint64_t bytes, int to) {
    auto at = static_cast<off_t>(offset);
    while (bytes > 0) {
        const ssize_t n = sendfile(to, from, &at, bytes);
        if (n < 0 && errno == EINTR) continue;
        if (n == 0) errno = ENODATA;
        if (n <= 0) return false;
        bytes -= static_cast<std::uint64_t>(n);
    }
    return true;
}

}  // namespace

const char* put_files(const std::vector<box_file>& files, std::span<const int> sources) {
    const std::string root = "/box/";
    for (const auto& file : files) {
        const std::string path = root + file.path;
        if (!make_folders(path, root.size())) return "make a folder for a file";
        const mode_t mode = file.executable ? 0755 : 0644;
        const descriptor made(open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode));
        if (!made) return "make a file";
        if (!copy_bytes(sources[file.source], file.offset, file.bytes, made.get())) return "fill a file";
    }
    return nullptr;
}

}  // namespace stages::worker::sandbox
