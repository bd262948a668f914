// Which files an open archive consists of, and whether they are what they were when they were written. Private to this
// folder.
#pragma once

#include <rocksdb/db.h>

#include <string>
#include <vector>

namespace storage::embedded {

// Tables and blob files that are missing or have another size: quick, it reads none.
std::vector<std::string> find_missing_files(rocksdb::DB& db, const std::string& directory);
// The same, and reads them all against the checksums that were kept when they were written.
std::vector<std::string> find_damaged_files(rocksdb::DB& db, const std::string& directory, std::uint64_t& files);

}  // namespace storage::embedded
