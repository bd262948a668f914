// A copy of RocksDB's MANIFEST, which says what every other file of the archive is. RocksDB takes one that lost its end
// for whole, and then deletes what it does not know of any more; and without one nothing can be read. The copy finds
// the first and heals the second. Private to this folder.
#pragma once

#include <mutex>
#include <string>

namespace storage::embedded {

// Threads: any where blocking is allowed.
class manifest_copy {
  public:
    explicit manifest_copy(std::string directory) : directory_(std::move(directory)) {}

    // After every change of the files. What fails is tried again with the next change.
    void update();

  private:
    std::string directory_;
    std::mutex mutex_;
};

// Before RocksDB opens the directory: what is wrong with CURRENT or the MANIFEST, or empty. A directory in which
// there is nothing of an archive is good.
std::string find_metadata_damage(const std::string& directory);

// Puts CURRENT and MANIFEST back from the copy. Says what was done, or empty with a diagnosis.
std::string restore_metadata(const std::string& directory, std::string& diagnosis);

}  // namespace storage::embedded
