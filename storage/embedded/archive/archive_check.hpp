// Checks and repairs an archive that no server uses. Threads: where blocking is allowed.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "runtime/base/ids.hpp"

namespace storage::embedded {

struct archive_check {
    bool good = false;
    std::uint64_t files = 0;
    std::uint64_t documents = 0;
    std::vector<std::string> damage;  // one line each: which file, what about it
};

// Which files are missing or too short, quickly; nothing if that cannot be told.
std::vector<std::string> find_missing_files(const std::string& directory);

// Reads every file and every document. Changes nothing.
archive_check verify_archive(const std::string& directory);

struct archive_repair {
    bool done = false;
    std::string diagnosis;           // why not
    std::vector<std::string> steps;  // what was done, for people
    std::uint64_t saved = 0;         // documents that are whole
    // Known to have been there, and not whole: at most `lost_ids_max` are named.
    static constexpr std::size_t lost_ids_max = 1000;
    std::uint64_t lost = 0;
    std::vector<runtime::execution_id> lost_ids;
    std::uint64_t unknown = 0;  // by the archive's own count there were so many more
    bool counted = true;        // false: that count is lost too
    std::string set_aside;      // where the damaged archive is now; empty if it was not replaced
};

// Puts the metadata back if need be. If anything else is damaged, every whole document is copied into a new archive,
// which takes the place of the damaged one; that is kept beside it, and nothing of it is changed or deleted.
archive_repair repair_archive(const std::string& directory);

}  // namespace storage::embedded
