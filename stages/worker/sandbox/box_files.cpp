#include "stages/worker/sandbox/box_files.hpp"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

#include "runtime/base/last_error.hpp"

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

std::string_view to_string(file_fault value) {
    switch (value) {
        case file_fault::none: return "";
        case file_fault::not_found: return "there is no such file";
        case file_fault::not_regular: return "it is not a regular file, or a link leads to it";
        case file_fault::too_large: return "it is too large";
        case file_fault::unreadable: return "it cannot be read";
    }
    return "";
}

taken_file take_file(int disk, const std::string& path, std::uint64_t bytes_max) {
    taken_file out;
    const std::string below = "box/" + path;
    open_how how{};
    // A pipe must not make us wait, nor a terminal become ours.
    how.flags = O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC | O_NOFOLLOW;
    how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV;
    const descriptor file(static_cast<int>(syscall(SYS_openat2, disk, below.c_str(), &how, sizeof how)));
    if (!file) {
        const bool absent = errno == ENOENT || errno == ENOTDIR;
        const bool irregular = errno == ELOOP || errno == EXDEV || errno == ENXIO || errno == ENODEV;
        out.fault = absent ? file_fault::not_found : irregular ? file_fault::not_regular : file_fault::unreadable;
        return out;
    }
    struct stat about{};
    if (fstat(file.get(), &about) != 0 || !S_ISREG(about.st_mode)) {
        out.fault = file_fault::not_regular;
        return out;
    }
    // What a sparse file says of itself counts, not what it takes on disk: its bytes are what would be kept.
    if (static_cast<std::uint64_t>(about.st_size) > bytes_max) {
        out.fault = file_fault::too_large;
        return out;
    }
    out.bytes.resize(static_cast<std::size_t>(about.st_size));
    std::size_t have = 0;
    while (have < out.bytes.size()) {
        const ssize_t n = ::read(file.get(), out.bytes.data() + have, out.bytes.size() - have);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) {
            out.bytes.clear();
            out.fault = file_fault::unreadable;
            return out;
        }
        have += static_cast<std::size_t>(n);
    }
    return out;
}

runtime::result<descriptor> make_sealed_file(const char* name, std::span<const std::string_view> texts,
                                             bool executable) {
    constexpr unsigned flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
    constexpr unsigned may_be_executed = 0x10;  // MFD_EXEC, of Linux 6.3
    descriptor memory(memfd_create(name, executable ? flags | may_be_executed : flags));
    if (!memory && executable && errno == EINVAL) memory.reset(memfd_create(name, flags));
    if (!memory) return runtime::last_error();
    for (std::string_view rest : texts) {
        while (!rest.empty()) {
            const ssize_t n = ::write(memory.get(), rest.data(), rest.size());
            if (n < 0 && errno == EINTR) continue;
            if (n <= 0) return runtime::last_error();
            rest.remove_prefix(static_cast<std::size_t>(n));
        }
    }
    if (lseek(memory.get(), 0, SEEK_SET) != 0 ||
        fcntl(memory.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) != 0)
        return runtime::last_error();
    return memory;
}

}  // namespace stages::worker::sandbox
