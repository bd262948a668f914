#include "pipeline/key_table.hpp"

#include <algorithm>

namespace pipeline {

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
    const auto it = entries_.find(key);
    return it == entries_.end() ? nullptr : &it->second;
}

void key_table::insert(const key_entry& key, storage::offset at) {
    const auto [it, added] = entries_.insert_or_assign(key.key, entry{key.body_sha256, key.execution, key.expires, at});
    if (added) by_expiry_.emplace_back(key.expires, key.key);
}

void key_table::expire(runtime::utc_time now, const std::function<bool(execution_id)>& is_open) {
    constexpr int bite = 64;
    for (int i = 0; i < bite && !by_expiry_.empty() && by_expiry_.front().first <= now; ++i) {
        const auto key = by_expiry_.front().second;
        by_expiry_.pop_front();
        const auto it = entries_.find(key);
        if (it == entries_.end()) continue;
        if (it->second.expires > now || is_open(it->second.execution)) {
            // Bound anew, or still in use: looked at again a minute later.
            const runtime::utc_time later{now.microseconds_since_epoch + 60'000'000};
            by_expiry_.emplace_back(std::max(it->second.expires, later), key);
        } else {
            entries_.erase(it);
        }
    }
}

std::vector<key_entry> key_table::of(runtime::partition_id partition, unsigned partition_bits) const {
    std::vector<key_entry> out;
    for (const auto& [key, value] : entries_) {
        if (runtime::partition_of(value.execution.home(), partition_bits) != partition) continue;
        out.push_back({key, value.body_sha256, value.execution, value.expires});
    }
    std::sort(out.begin(), out.end(), [](const key_entry& a, const key_entry& b) { return a.execution < b.execution; });
    return out;
}

}  // namespace pipeline
