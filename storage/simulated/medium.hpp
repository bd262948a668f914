// The simulated disk's medium: files, names, and what of them a loss of power would leave. No time here.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace storage::simulated {

inline constexpr std::size_t sector_bytes = 512;

struct inode {
    std::vector<std::byte> data;
    // What lies behind was given its size but not synced.
    std::uint64_t durable_bytes = 0;
    // Sectors below that were overwritten and not synced, as they were.
    std::map<std::uint64_t, std::vector<std::byte>> undo;

    void put(std::uint64_t position, std::span<const std::byte> bytes);
    // Overwrites without a sync.
    void put_volatile(std::uint64_t position, std::span<const std::byte> bytes);
    void sync();
};

using chooser = std::function<std::uint64_t(std::uint64_t)>;

// How much of a write that was in flight is on the medium after power was lost.
enum class write_fate { lost, whole, cut, sectors, blocks };
// Applies that much of it; true if it is neither lost nor whole.
bool put_torn(inode& into, std::uint64_t position, std::span<const std::byte> bytes, write_fate fate,
              const chooser& choose);

// Names and their history since the folder's last sync. Operations reach the medium in their order, as journals have
// it.
class name_table {
  public:
    [[nodiscard]] std::shared_ptr<inode> find(const std::string& path) const;
    void add(const std::string& path, std::shared_ptr<inode> file);
    void rename(const std::string& from, const std::string& to);
    void remove(const std::string& path);
    void sync();
    // How many of the operations since the last sync survive is chosen; returns how many were lost.
    std::size_t lose_power(const chooser& choose);
    [[nodiscard]] const std::map<std::string, std::shared_ptr<inode>>& all() const { return visible_; }

  private:
    using names = std::map<std::string, std::shared_ptr<inode>>;
    names visible_;
    names durable_;
    std::vector<std::function<void(names&)>> since_sync_;
    void note(std::function<void(names&)> change);
};

// What a loss of power leaves of data that was not synced.
void lose_unsynced(inode& file, const chooser& choose);

}  // namespace storage::simulated
