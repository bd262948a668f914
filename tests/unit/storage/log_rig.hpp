// What the log's conformance suite runs on: a place that keeps data over the lives of a node, and the logs of one life.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "runtime/base/unique_function.hpp"
#include "runtime/gate.hpp"
#include "runtime/shard.hpp"
#include "runtime/simulation/world.hpp"
#include "storage/api/log.hpp"

namespace tests {

class log_rig {
  public:
    virtual ~log_rig() = default;

    // Begins a life with this many shards, each with a log that has no partition open yet. Empty, or why it failed.
    virtual std::string begin_life(std::size_t shards) = 0;
    // Stops it in order.
    virtual void end_life() = 0;
    [[nodiscard]] virtual std::size_t shards() const = 0;
    virtual runtime::shard& shard(std::size_t i) = 0;
    virtual storage::log& log(std::size_t i) = 0;
    // Runs a task on a shard and waits for its end. Exceptions travel.
    virtual void run(std::size_t i, runtime::unique_function<runtime::task<void>()> make) = 0;

    [[nodiscard]] virtual unsigned partition_bits() const { return 4; }
    [[nodiscard]] std::uint16_t partitions() const { return static_cast<std::uint16_t>(1U << partition_bits()); }

    // Null on a real machine; what follows needs one.
    virtual runtime::simulation::world* world() { return nullptr; }
    // Starts a task that may still run when the life is crashed.
    virtual void start(std::size_t, runtime::unique_function<runtime::task<void>()>) {}
    // Makes what is below the log slow or uneven in some way, for this life.
    virtual void vary(runtime::random_source&) {}
    // Something that a crash would leave undecided is under way.
    virtual bool undecided() { return false; }
    // The node dies at this moment, by the world's seed in the one way or the other.
    virtual void crash() {}

    // Whether writes can be made to fail, and the disk full.
    [[nodiscard]] virtual bool has_disk_faults() const { return false; }
    virtual void fail_writes(bool) {}
    virtual void set_full(bool) {}
    // What the records take where they are kept.
    virtual std::uint64_t stored_bytes() = 0;
    // Acknowledgements may stay away for ever: partitions then close, and may be opened again.
    [[nodiscard]] virtual bool may_close_by_itself() const { return false; }
};

struct rig_parameter {
    std::string name;
    std::function<std::unique_ptr<log_rig>(std::uint64_t seed)> make;
    std::uint64_t seed = 1;
};
inline void PrintTo(const rig_parameter& parameter, std::ostream* out) {
    *out << parameter.name << ", seed " << parameter.seed;
}

}  // namespace tests
