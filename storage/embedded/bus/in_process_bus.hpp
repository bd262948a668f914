// The bus of one process: hints travel from shard to shard as messages.
//
// For app/: one hub for the process, then one front for each shard, each made on its shard or before the shards start:
//     auto hub = std::make_unique<bus_hub>(std::vector<runtime::shard*>{...}, bus_limits{});
//     std::unique_ptr<storage::bus> front = hub->open_shard(shard);
// Fronts are destroyed on their shard, or after the shards' threads have ended; the hub is destroyed after all of them.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "runtime/shard.hpp"
#include "storage/api/bus.hpp"

namespace storage::embedded {

struct bus_limits {
    // Hints on their way from one shard to another; further ones are dropped until some have arrived.
    std::uint32_t in_flight_max = 1024;
    // A longer payload is left out: the subscriber asks the owner instead.
    std::size_t payload_bytes_max = 64 * 1024;
};

// Read by metrics from any thread; of all shards.
struct bus_counters {
    std::atomic<std::uint64_t> published{0};
    std::atomic<std::uint64_t> delivered{0};          // calls of a subscriber
    std::atomic<std::uint64_t> dropped{0};            // in_flight_max was reached
    std::atomic<std::uint64_t> payloads_left_out{0};  // payload_bytes_max was exceeded
};

class bus_hub {
  public:
    // The shards' ids are their places in the vector: 0, 1, 2 …
    bus_hub(std::vector<runtime::shard*> shards, bus_limits limits);
    ~bus_hub();
    bus_hub(const bus_hub&) = delete;
    bus_hub& operator=(const bus_hub&) = delete;

    // One for each shard at a time. A hint reaches subscribers from the ready list of their shard, never inside
    // publish(); whoever subscribes while one is on its way may get it.
    std::unique_ptr<bus> open_shard(runtime::shard& home);

    [[nodiscard]] const bus_counters& counters() const { return counters_; }

  private:
    friend class in_process_bus;
    // What other shards may look at: whether anybody listens there, and how much is on its way from each shard.
    struct alignas(64) lane {
        std::atomic<std::uint32_t> in_flight{0};
    };
    struct alignas(64) station {
        std::atomic<std::size_t> subscriptions{0};
        class in_process_bus* front = nullptr;  // touched on its shard alone
        std::unique_ptr<lane[]> from;
    };

    std::vector<runtime::shard*> shards_;
    bus_limits limits_;
    bus_counters counters_;
    std::unique_ptr<station[]> stations_;
};

}  // namespace storage::embedded
