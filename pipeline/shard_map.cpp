#include "pipeline/shard_map.hpp"

#include "pipeline/engine_service.hpp"
#include "runtime/submit.hpp"

namespace pipeline {

std::vector<runtime::partition_id> shard_map::partitions_of(std::size_t shard) const {
    std::vector<runtime::partition_id> out;
    for (unsigned p = 0; p < 1U << partition_bits; ++p) {
        const runtime::partition_id id{static_cast<std::uint16_t>(p)};
        if (owner_of(id) == shard) out.push_back(id);
    }
    return out;
}

runtime::task<std::vector<letters::receipt>> shard_carrier::carry(std::size_t destination, letters::parcel what) {
    auto there = [office = &map_.engines[destination]->letters(), what = std::move(what)]() mutable {
        return office->receive(std::move(what));
    };
    co_return co_await runtime::submit(*map_.shards[destination], std::move(there));
}

}  // namespace pipeline
