// Files out of a box after everything in it has ended. Nothing here follows a name that a program could have made into
// a trap: what is taken lies beneath the box's own disk, without links, regular files only.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace stages::worker::sandbox {

enum class file_fault : std::uint8_t { none, not_found, not_regular, too_large, unreadable };
std::string_view to_string(file_fault value);  // for people

struct taken_file {
    file_fault fault = file_fault::none;
    std::string bytes;
};
// The file at `path` in the work directory of `disk`, if it has at most `bytes_max` bytes. May take long; any thread.
taken_file take_file(int disk, const std::string& path, std::uint64_t bytes_max);

}  // namespace stages::worker::sandbox
