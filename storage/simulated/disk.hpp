// A disk of the simulated world, with what a real one does to a log at a crash: writes that were in flight are there,
// gone, cut or in pieces; what was not synced is lost; names need the sync of their folder. It can also be slow, stall,
// fail or be full.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "runtime/base/time.hpp"
#include "runtime/simulation/world.hpp"
#include "storage/api/disk.hpp"

namespace storage::simulated {

// Chances in parts per million of calls. Tests may change any of it at any time.
struct disk_behaviour {
    runtime::nanoseconds delay_min = runtime::microseconds(20);  // of every call
    runtime::nanoseconds delay_max = runtime::microseconds(300);
    std::uint32_t stalled = 0;  // a call takes up to stall_max instead
    runtime::nanoseconds stall_max = runtime::seconds(5);
    std::uint32_t write_failed = 0;  // EIO; the blocks then hold anything
    std::uint32_t sync_failed = 0;   // EIO of sync() and sync_directory()
    std::uint32_t read_failed = 0;
    std::uint64_t space_bytes = UINT64_MAX;  // ENOSPC when files would grow beyond
    // After a kill without loss of power a write in flight may reach the disk this much later, in the next life.
    runtime::nanoseconds late_write_max = runtime::milliseconds(20);
    // The bug that a test must find: durable writes answer without having synced.
    bool durable_writes_lie = false;
};

// What a crash did, for tests that want to have seen it.
struct crash_counters {
    std::uint64_t writes_lost = 0;
    std::uint64_t writes_whole = 0;
    std::uint64_t writes_torn = 0;
    std::uint64_t writes_late = 0;
    std::uint64_t names_lost = 0;
};

// The medium that the disks of all shards and of all lives of a node share. World: the one its shards belong to, which
// outlives it. kill() the shards of a node, then call crash(); disks of killed shards are buried, never destroyed.
class disk_image {
  public:
    explicit disk_image(runtime::simulation::world& world, disk_behaviour behaviour = {});

    std::unique_ptr<disk> open_shard(runtime::shard& home);

    // Loss of power or a mere kill, by the world's seed. Locks are given up.
    void crash();
    // Each decision is made by `choose(n)`, a number below n; so a test can go through all of them.
    using chooser = std::function<std::uint64_t(std::uint64_t)>;
    void crash(const chooser& choose);
    // Only what was durable and whole: the kindest loss of power.
    void crash_cleanly();

    [[nodiscard]] disk_behaviour& behaviour();
    [[nodiscard]] const crash_counters& crashes() const;
    // Durable writes that were begun and have not completed.
    [[nodiscard]] std::size_t writes_in_flight() const;
    // Rises whenever a call begins or takes effect: between two rises a crash leaves the same.
    [[nodiscard]] std::uint64_t activity() const;
    // The same of calls that change the medium alone: each write, sync, create, rename and remove counts twice, when it
    // begins and when it takes effect.
    [[nodiscard]] std::uint64_t changes() const;
    [[nodiscard]] std::uint64_t bytes_used() const;

    // The medium itself, for tests that damage it. Paths as the log used them.
    [[nodiscard]] std::vector<std::string> files() const;
    [[nodiscard]] std::vector<std::byte> content(const std::string& path) const;
    void set_content(const std::string& path, std::vector<std::byte> bytes);
    void flip_bit(const std::string& path, std::uint64_t bit);

    struct state;

  private:
    std::shared_ptr<state> state_;
};

}  // namespace storage::simulated
