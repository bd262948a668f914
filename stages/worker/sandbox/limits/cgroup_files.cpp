#include "stages/worker/sandbox/limits/cgroup_files.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <charconv>

#include "stages/worker/sandbox/channel/descriptor.hpp"

namespace stages::worker::sandbox {

std::string read_counter(int file) {
    char buffer[2048];
    const ssize_t n = ::pread(file, buffer, sizeof buffer, 0);
    return n > 0 ? std::string(buffer, static_cast<std::size_t>(n)) : std::string();
}

std::string read_at(int directory, const char* name) {
    std::string text;
    const descriptor file(openat(directory, name, O_RDONLY | O_CLOEXEC));
    char buffer[4096];
    while (file) {
        const ssize_t n = ::read(file.get(), buffer, sizeof buffer);
        if (n <= 0) break;
        text.append(buffer, static_cast<std::size_t>(n));
    }
    return text;
}

bool write_at(int directory, const char* name, std::string_view text) {
    const descriptor file(openat(directory, name, O_WRONLY | O_CLOEXEC));
    return file && ::write(file.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size());
}

bool exists_at(int directory, const char* name) { return faccessat(directory, name, F_OK, 0) == 0; }

std::optional<std::uint64_t> to_number(std::string_view text) {
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end == text.data()) return std::nullopt;
    return value;
}

void put_first(int directory) {
    static_cast<void>(write_at(directory, "cpu.idle", "0"));
    static_cast<void>(write_at(directory, "cpu.weight", "10000") || write_at(directory, "cpu.shares", "262144"));
}

bool put_usual(int directory) { return write_at(directory, "cpu.shares", "1024"); }

}  // namespace stages::worker::sandbox
