// The blocking calls of the real disk, run on helper threads. Each returns zero or more, or a negative errno.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace storage::embedded::posix {

struct opened {
    int file = -1;  // or a negative errno
    bool direct = false;
    std::uint64_t bytes = 0;
};
// O_DIRECT where it is wanted and the file system takes it.
opened open_file(const std::string& path, bool create, bool direct);
int write_zeros(int file, std::uint64_t position, std::uint64_t bytes);
std::int64_t read_all(int file, std::span<std::byte> into, std::uint64_t position);
int sync_file(int file);
int sync_folder(const std::string& path);
int make_folders(const std::string& path);
std::pair<int, std::vector<std::string>> list_folder(const std::string& path);
// What an ordinary user may still write there.
std::int64_t free_bytes(const std::string& folder);
// A locked file, or a negative errno: -EAGAIN when somebody else holds it.
int lock_file(const std::string& path);

}  // namespace storage::embedded::posix
