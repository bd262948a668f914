#include "pipeline/key_table.hpp"

#include <algorithm>

namespace pipeline {
namespace {

// A key's first two bytes are its execution's slot, whose upper bits are the partition.
std::size_t first_part(runtime::partition_id partition, unsigned partition_bits) {
    return std::size_t{partition.value} << 8 >> partition_bits;
}

}  // namespace

key_digest digest_of(const principal& who, std::string_view route, std::string_view key) {
    runtime::sha256_hasher hasher;
    const std::string_view separator("\0", 1);
    for (const std::string_view part : {std::string_view(who.tenant), std::string_view(who.user), route, key}) {
        hasher.update(part);
        hasher.update(separator);
    }
    const auto digest = hasher.finish();
    key_digest out{};
    std::copy_n(digest.begin(), out.key.size(), out.key.begin());
    out.home = {static_cast<std::uint16_t>(digest[0] << 8 | digest[1])};
    return out;
}

const key_table::entry* key_table::find(const key_hash& key) const {
    // A key past its time still counts as long as it is here: expire() keeps those whose execution is open.
    const auto& some = entries_[key[0]];
    const auto it = some.find(key);
    return it == some.end() ? nullptr : &it->second;
}

void key_table::insert(const key_entry& key, storage::offset at) {
    auto& some = entries_[key.key[0]];
    const auto [it, added] = some.insert_or_assign(key.key, entry{key.body_sha256, key.execution, key.expires, at});
    if (!added) return;
    ++size_;
    by_expiry_.emplace(key.expires, key.key);
}

bool key_table::expire(runtime::utc_time now, const std::function<bool(execution_id)>& is_open) {
    int looked_at = 0;
    for (; looked_at < expired_at_once && !by_expiry_.empty() && by_expiry_.top().first <= now; ++looked_at) {
        const auto key = by_expiry_.top().second;
        by_expiry_.pop();
        auto& some = entries_[key[0]];
        const auto it = some.find(key);
        if (it == some.end()) continue;
        if (it->second.expires > now || is_open(it->second.execution)) {
            // Bound anew, or still in use: looked at again a minute later.
            const runtime::utc_time later{now.microseconds_since_epoch + 60'000'000};
            by_expiry_.emplace(std::max(it->second.expires, later), key);
        } else {
            some.erase(it);
            --size_;
        }
    }
    return looked_at == expired_at_once;
}

std::size_t key_table::parts_of(unsigned partition_bits) {
    return partition_bits >= 8 ? 1 : std::size_t{1} << (8 - partition_bits);
}

std::size_t key_table::count_of(runtime::partition_id partition, unsigned partition_bits) const {
    std::size_t sum = 0;
    for (std::size_t i = 0; i < parts_of(partition_bits); ++i)
        sum += entries_[first_part(partition, partition_bits) + i].size();
    return sum;
}

void key_table::add_part(runtime::partition_id partition, unsigned partition_bits, std::size_t part,
                         std::vector<key_entry>& to) const {
    const auto before = static_cast<std::ptrdiff_t>(to.size());
    for (const auto& [key, value] : entries_[first_part(partition, partition_bits) + part]) {
        if (runtime::partition_of(value.execution.home(), partition_bits) != partition) continue;
        to.push_back({key, value.body_sha256, value.execution, value.expires});
    }
    std::sort(to.begin() + before, to.end(),
              [](const key_entry& a, const key_entry& b) { return a.execution < b.execution; });
}

}  // namespace pipeline
