#include "stages/worker/sandbox/files/taken_file.hpp"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

#include "stages/worker/sandbox/channel/descriptor.hpp"

namespace stages::worker::sandbox {

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

}  // namespace stages::worker::sandbox
