// The logs that the conformance suite runs on.
#pragma once

#include "storage/embedded/disk/real_disk.hpp"
#include "storage/embedded/log/embedded_log.hpp"
#include "storage/simulated/disk.hpp"
#include "tests/unit/storage/log_rig.hpp"

namespace tests {

// The embedded log in the simulated world. Every test may reach for the disk below it.
class simulated_embedded_rig final : public log_rig {
  public:
    explicit simulated_embedded_rig(std::uint64_t seed);
    simulated_embedded_rig(std::uint64_t seed, storage::embedded::directory_options where);
    ~simulated_embedded_rig() override;

    std::string begin_life(std::size_t shards) override;
    void end_life() override;
    [[nodiscard]] std::size_t shards() const override;
    runtime::shard& shard(std::size_t i) override;
    storage::log& log(std::size_t i) override;
    void run(std::size_t i, runtime::unique_function<runtime::task<void>()> make) override;
    runtime::simulation::world* world() override { return &world_; }
    void start(std::size_t i, runtime::unique_function<runtime::task<void>()> make) override;
    void vary(runtime::random_source& random) override;
    bool undecided() override { return disk_.writes_in_flight() > 0; }
    void crash() override;
    // The same, with each decision made by the caller.
    void crash(const storage::simulated::disk_image::chooser& choose);
    [[nodiscard]] bool has_disk_faults() const override { return true; }
    void fail_writes(bool fail) override { disk().behaviour().write_failed = fail ? 1'000'000 : 0; }
    void set_full(bool full) override { disk().behaviour().space_bytes = full ? disk().bytes_used() : UINT64_MAX; }
    std::uint64_t stored_bytes() override { return disk().bytes_used(); }

    storage::simulated::disk_image& disk() { return disk_; }
    storage::embedded::log_directory& directory();
    storage::embedded::embedded_log& embedded(std::size_t i);
    storage::embedded::log_options log_options;

  private:
    struct life;
    void bury();

    runtime::simulation::world world_;
    storage::simulated::disk_image disk_;
    storage::embedded::directory_options where_;
    std::shared_ptr<life> life_;
};

std::unique_ptr<log_rig> make_real_rig(storage::embedded::writer_kind writer, bool direct);
// The log over the simulated broker; with faults, acknowledgements get lost and requests arrive late.
std::unique_ptr<log_rig> make_broker_rig(std::uint64_t seed, bool faults);

}  // namespace tests
