#include "storage/simulated/medium.hpp"

#include <algorithm>
#include <cstring>

#include "storage/api/disk.hpp"

namespace storage::simulated {

void inode::put(std::uint64_t position, std::span<const std::byte> bytes) {
    if (data.size() < position + bytes.size()) data.resize(position + bytes.size());
    std::memcpy(data.data() + position, bytes.data(), bytes.size());
    for (std::uint64_t at = position; at < position + bytes.size(); at += sector_bytes) undo.erase(at / sector_bytes);
    durable_bytes = std::max<std::uint64_t>(durable_bytes, position + bytes.size());
}

void inode::put_volatile(std::uint64_t position, std::span<const std::byte> bytes) {
    for (std::uint64_t at = position; at < position + bytes.size() && at < durable_bytes; at += sector_bytes) {
        const auto begin = data.begin() + static_cast<std::ptrdiff_t>(at);
        undo.try_emplace(at / sector_bytes, begin, begin + sector_bytes);
    }
    if (data.size() < position + bytes.size()) data.resize(position + bytes.size());
    std::memcpy(data.data() + position, bytes.data(), bytes.size());
}

void inode::sync() {
    undo.clear();
    durable_bytes = data.size();
}

bool put_torn(inode& into, std::uint64_t position, std::span<const std::byte> bytes, write_fate fate,
              const chooser& choose) {
    switch (fate) {
        case write_fate::lost: return false;
        case write_fate::whole: into.put(position, bytes); return false;
        case write_fate::cut: {
            const std::size_t sectors = bytes.size() / sector_bytes;
            const std::size_t kept = choose(sectors);
            if (kept > 0) into.put(position, bytes.first(kept * sector_bytes));
            return kept > 0;
        }
        case write_fate::sectors:
        case write_fate::blocks: {
            const std::size_t piece = fate == write_fate::sectors ? sector_bytes : disk_block_bytes;
            bool some = false;
            bool all = true;
            for (std::size_t at = 0; at < bytes.size(); at += piece) {
                const bool kept = choose(2) == 1;
                if (kept) into.put(position + at, bytes.subspan(at, std::min(piece, bytes.size() - at)));
                some = some || kept;
                all = all && kept;
            }
            return some && !all;
        }
    }
    return false;
}

void lose_unsynced(inode& file, const chooser& choose) {
    for (const auto& [sector, before] : file.undo) {
        if (choose(2) == 0) std::memcpy(file.data.data() + sector * sector_bytes, before.data(), before.size());
    }
    file.undo.clear();
    if (file.data.size() > file.durable_bytes) {
        // The size may be there before the data, which is then whatever the blocks held.
        const std::uint64_t sectors = (file.data.size() - file.durable_bytes) / sector_bytes;
        const std::uint64_t kept = file.durable_bytes + choose(sectors + 1) * sector_bytes;
        file.data.resize(kept);
        if (kept > file.durable_bytes && choose(2) == 1)
            std::fill(file.data.begin() + static_cast<std::ptrdiff_t>(file.durable_bytes), file.data.end(),
                      static_cast<std::byte>(0xe5));
        file.durable_bytes = kept;
    }
}

std::shared_ptr<inode> name_table::find(const std::string& path) const {
    const auto it = visible_.find(path);
    return it == visible_.end() ? nullptr : it->second;
}

void name_table::note(std::function<void(names&)> change) {
    change(visible_);
    since_sync_.push_back(std::move(change));
}

void name_table::add(const std::string& path, std::shared_ptr<inode> file) {
    note([path, file = std::move(file)](names& in) { in[path] = file; });
}

void name_table::rename(const std::string& from, const std::string& to) {
    note([from, to](names& in) {
        const auto it = in.find(from);
        if (it == in.end()) return;
        auto file = it->second;
        in.erase(it);
        in[to] = std::move(file);
    });
}

void name_table::remove(const std::string& path) {
    note([path](names& in) { in.erase(path); });
}

void name_table::sync() {
    durable_ = visible_;
    since_sync_.clear();
}

std::size_t name_table::lose_power(const chooser& choose) {
    const std::size_t kept = since_sync_.empty() ? 0 : choose(since_sync_.size() + 1);
    const std::size_t lost = since_sync_.size() - kept;
    for (std::size_t i = 0; i < kept; ++i) since_sync_[i](durable_);
    visible_ = durable_;
    since_sync_.clear();
    return lost;
}

}  // namespace storage::simulated
