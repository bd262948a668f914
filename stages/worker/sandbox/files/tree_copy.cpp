#include "stages/worker/sandbox/files/tree_copy.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string_view>

#include "stages/worker/sandbox/channel/descriptor.hpp"

namespace stages::worker::sandbox {
namespace {

template <class Take>
void for_each_in(int folder, const Take& take) {
    DIR* list = fdopendir(openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (list == nullptr) return;
    while (const dirent* entry = readdir(list)) {
        const std::string_view name = entry->d_name;
        if (name != "." && name != "..") take(entry->d_name);
    }
    closedir(list);
}

}  // namespace

void tree_copy::copy_matching(const char* pattern) {
    for_each_in(from_, [&](const char* name) {
        if (fnmatch(pattern, name, FNM_PERIOD) == 0) copy(name);
    });
}

void tree_copy::copy_file(int from, int to, const char* name, std::size_t bytes) {
    if (bytes > bytes_max - bytes_) return;
    const descriptor in(openat(from, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
    const descriptor out(openat(to, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644));
    if (!in || !out) return;
    bytes_ += bytes;
    while (bytes > 0) {
        const ssize_t n = sendfile(out.get(), in.get(), nullptr, bytes);
        if (n <= 0) return;
        bytes -= static_cast<std::size_t>(n);
    }
}

void tree_copy::copy_folder(int from, int to, const char* name, int depth) {
    if (mkdirat(to, name, 0755) != 0) return;
    const descriptor inner_from(openat(from, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    const descriptor inner_to(openat(to, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!inner_from || !inner_to) return;
    for_each_in(inner_from.get(), [&](const char* each) { copy(inner_from.get(), inner_to.get(), each, depth + 1); });
}

void tree_copy::copy(int from, int to, const char* name, int depth) {
    struct stat about{};
    if (depth > depth_max || fstatat(from, name, &about, AT_SYMLINK_NOFOLLOW) != 0) return;
    if (++entries_ > entries_max) return;
    if (S_ISLNK(about.st_mode)) {
        char target[1024];
        const ssize_t length = readlinkat(from, name, target, sizeof target - 1);
        if (length <= 0) return;
        target[length] = '\0';
        static_cast<void>(symlinkat(target, to, name));
    } else if ((about.st_mode & S_IROTH) == 0) {
        return;
    } else if (S_ISREG(about.st_mode)) {
        copy_file(from, to, name, static_cast<std::size_t>(about.st_size));
    } else if (S_ISDIR(about.st_mode)) {
        copy_folder(from, to, name, depth);
    }
}

}  // namespace stages::worker::sandbox
