// Files into a box before anything runs in it, and out of it after everything in it has ended. Nothing here follows a
// name that a program could have made into a trap: in goes before there is a program; out comes beneath the box's own
// disk, without links, regular files only.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "runtime/base/result.hpp"
#include "stages/worker/sandbox/descriptor.hpp"
#include "stages/worker/sandbox/protocol.hpp"

namespace stages::worker::sandbox {

// Called by pid 1 of a box, before any program of a user is there, with the work directory mounted on /box: each file's
// bytes come from the descriptor of its source. Null when all went well, else what failed, with errno as it was.
const char* put_files(const std::vector<box_file>& files, std::span<const int> sources);

// Called on the server's side when the tree has ended.
enum class file_fault : std::uint8_t { none, not_found, not_regular, too_large, unreadable };
std::string_view to_string(file_fault value);  // for people

struct taken_file {
    file_fault fault = file_fault::none;
    std::string bytes;
};
// The file at `path` in the work directory of `disk`, if it has at most `bytes_max` bytes. May take long; any thread.
taken_file take_file(int disk, const std::string& path, std::uint64_t bytes_max);

// A sealed file in memory that holds the texts, one behind the other. `executable`: said to the kernels that ask.
runtime::result<descriptor> make_sealed_file(const char* name, std::span<const std::string_view> texts,
                                             bool executable = false);

}  // namespace stages::worker::sandbox
