// Who owns what in this process, and the way that letters take between its shards.
#pragma once

#include <vector>

#include "pipeline/letters/letter.hpp"
#include "runtime/shard.hpp"

namespace pipeline {

class engine_service;

// Partition p belongs to shard p mod n. Made before the shards start, constant afterwards.
struct shard_map {
    std::vector<runtime::shard*> shards;
    std::vector<engine_service*> engines;
    unsigned partition_bits = runtime::partition_bits_default;
    // Rises with every start of the process.
    std::uint64_t life = 1;

    [[nodiscard]] std::size_t owner_of(runtime::partition_id partition) const {
        return partition.value % shards.size();
    }
    [[nodiscard]] std::size_t owner_of(runtime::slot slot) const {
        return owner_of(runtime::partition_of(slot, partition_bits));
    }
    [[nodiscard]] std::vector<runtime::partition_id> partitions_of(std::size_t shard) const;
};

// Carries by submit(): nothing is lost between the shards of one process, but for its own end.
class shard_carrier final : public letters::letter_carrier {
  public:
    explicit shard_carrier(const shard_map& map) : map_(map) {}

    [[nodiscard]] std::size_t destinations() const override { return map_.shards.size(); }
    [[nodiscard]] std::size_t destination_of(runtime::partition_id to) const override { return map_.owner_of(to); }
    runtime::task<std::vector<letters::receipt>> carry(std::size_t destination, letters::parcel what) override;

  private:
    const shard_map& map_;
};

}  // namespace pipeline
