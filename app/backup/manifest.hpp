// What a backup consists of: the file BACKUP beside its files, plain text so that people can read it, whole or not at
// all.
//
//     weir backup
//     format 1
//     created 2026-11-21T03:04:05.000006Z
//     file BYTES CRC32C PATH           one line each, sorted by path
//     crc32c CRC                       of everything before this line
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/result.hpp"

namespace app::backup {

inline constexpr const char* manifest_name = "BACKUP";

struct manifest_file {
    std::string path;  // below the backup and below the data directory
    std::uint64_t bytes = 0;
    std::uint32_t crc32c = 0;
};

struct manifest {
    std::string created_at;
    std::vector<manifest_file> files;
};

std::string encode(const manifest& what);
// Nothing but `diagnosis` when it is not whole, or of a later version.
bool decode(std::string_view text, manifest& out, std::string& diagnosis);

// Stays below the directory it is put into: no absolute path, no "..", no empty part.
bool is_safe_path(std::string_view path);

}  // namespace app::backup
