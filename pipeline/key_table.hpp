// Idempotency keys of a shard's partitions: key hash to (execution, body, expiry). A fold over accepted and key_table
// records; at most 80 bytes a key.
#pragma once

#include <array>
#include <deque>
#include <functional>
#include <queue>
#include <unordered_map>
#include <vector>

#include "pipeline/records.hpp"

namespace pipeline {

// SHA-256(tenant, user, route, key); its first 16 bits are the slot of an execution that is accepted under the key.
struct key_digest {
    key_hash key;
    runtime::slot home;
};
key_digest digest_of(const principal& who, std::string_view route, std::string_view key);

// Shard: its owner only.
class key_table {
  public:
    explicit key_table(std::size_t keys_max) : keys_max_(keys_max) {}

    struct entry {
        runtime::sha256_digest body_sha256;
        execution_id execution;
        runtime::utc_time expires;
        storage::offset at;  // of the record that bound it
    };
    [[nodiscard]] const entry* find(const key_hash& key) const;
    void insert(const key_entry& key, storage::offset at);
    // Forgets keys whose time has come and whose execution `is_open` no longer knows. At most expired_at_once of them;
    // true if there may be more.
    static constexpr int expired_at_once = 256;
    bool expire(runtime::utc_time now, const std::function<bool(execution_id)>& is_open);
    [[nodiscard]] bool full() const { return size_ >= keys_max_; }
    [[nodiscard]] std::size_t size() const { return size_; }
    [[nodiscard]] std::size_t keys_max() const { return keys_max_; }
    // How many keys a partition has; where a byte is shared by several partitions, at least as many.
    [[nodiscard]] std::size_t count_of(runtime::partition_id partition, unsigned partition_bits) const;
    // The keys of one partition, in so many parts, each of 1/256 of all keys at most: adds those of one part.
    [[nodiscard]] static std::size_t parts_of(unsigned partition_bits);
    void add_part(runtime::partition_id partition, unsigned partition_bits, std::size_t part,
                  std::vector<key_entry>& to) const;

  private:
    struct hash {
        std::size_t operator()(const key_hash& key) const noexcept {
            std::size_t word = 0;
            for (std::size_t i = 0; i < sizeof word; ++i) word = word << 8 | key[i];
            return word;
        }
    };
    std::size_t keys_max_;
    // By the first byte of the key. It is the upper half of the slot too, so that a partition's keys lie together.
    std::array<std::unordered_map<key_hash, entry, hash>, 256> entries_;
    std::size_t size_ = 0;
    // The first to expire on top. Mostly they come in that order, but not from a log that is read, partition by
    // partition. A deque, since a vector of a million would now and then be copied in one go.
    using expiry = std::pair<runtime::utc_time, key_hash>;
    std::priority_queue<expiry, std::deque<expiry>, std::greater<>> by_expiry_;
};

}  // namespace pipeline
