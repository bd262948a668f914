// One server of the simulated world: what app/ wires, on simulated shards, disk and archive. It can be killed at any
// moment and started again on another number of shards.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "pipeline/engine_service.hpp"
#include "runtime/simulation/world.hpp"
#include "stages/coordinator/coordinator.hpp"
#include "stages/result/hand_over.hpp"
#include "stages/saga/script_saga.hpp"
#include "storage/embedded/blobs/log_blobs.hpp"
#include "storage/embedded/log/embedded_log.hpp"
#include "storage/simulated/archive.hpp"
#include "storage/simulated/disk.hpp"
#include "tests/simulation/fake_worker.hpp"
#include "tests/simulation/letter_watch.hpp"
#include "tests/support/faulty_carrier.hpp"

namespace simulation_tests {

struct node_options {
    std::size_t shards = 1;
    std::size_t seats = 4;
    unsigned partition_bits = 4;
    std::size_t queued_max = 1000;
    pipeline::snapshot_options snapshots;
    std::uint64_t segment_bytes = 1024 * 1024;
    std::uint64_t reserve_bytes = 0;
    std::size_t append_bytes_max = 32ULL << 20;
    runtime::milliseconds log_stalled_max{5000};
    // Each shard's worker; without it a fake_worker.
    std::function<std::unique_ptr<stages::worker::worker>()> make_worker;
    std::size_t user_open_max = 0;
    runtime::seconds user_lease_time{600};
    pipeline::letters::letter_limits letters;
    // Of the way between the shards; the same for all lives, and may change at any time.
    const tests::letter_faults* letter_faults = nullptr;
};

// One life of a server.
class node {
  public:
    node(runtime::simulation::world& world, storage::simulated::disk_image& image,
         storage::simulated::archive_service& archive, outside_world& outside, const node_options& options);

    // Opens everything on all shards; `ready()` afterwards, or `failed()`.
    void start();
    [[nodiscard]] bool ready() const;
    // It answers, if only that it takes no work now.
    [[nodiscard]] bool answers() const { return ready_ == shards_.size(); }
    [[nodiscard]] const std::string& failed() const { return failed_; }
    void heal();

    // The shard and engine that a client's connection happens to be on.
    [[nodiscard]] std::size_t size() const { return shards_.size(); }
    [[nodiscard]] runtime::simulation::simulated_shard& shard(std::size_t i) { return *shards_[i]->home; }
    [[nodiscard]] pipeline::engine_service& engine(std::size_t i) { return *shards_[i]->engine; }
    // Client tasks of this life.
    [[nodiscard]] runtime::gate& clients(std::size_t i) { return *shards_[i]->clients; }
    [[nodiscard]] const storage::embedded::log_directory& directory() const { return *directory_; }
    [[nodiscard]] std::size_t waiting_for_archive() const;
    // Unfinished executions that this life wrote again.
    [[nodiscard]] std::uint64_t snapshots_taken() const;
    // In memory: not ended, or not yet taken by the archive.
    [[nodiscard]] std::size_t unfinished() const;
    // Writes a letter that means nothing, from one partition to another of the simulated cluster.
    void rehearse(runtime::partition_id from, runtime::partition_id to, std::string body);
    [[nodiscard]] std::size_t letters_waiting() const;
    // With no letter under way: both ends of every lane agree.
    void check_lanes(outside_world& outside);
    // Unfinished executions of a user, and what the shards hold and the user's partition has lent for them.
    struct user_count {
        std::size_t open = 0;
        std::size_t held = 0;
        std::size_t lent = 0;
    };
    [[nodiscard]] user_count count_of(const runtime::uuid& user) const;

    // kill -9: nothing of it runs from now on.
    void kill();

  private:
    struct one_shard;
    runtime::task<void> open_directory();
    runtime::task<void> open(one_shard& mine);

    std::unique_ptr<storage::embedded::log_directory> directory_;
    std::vector<std::unique_ptr<one_shard>> shards_;
    pipeline::shard_map map_;
    tests::letter_places places_;
    tests::letter_faults no_faults_;
    runtime::random_source random_;
    std::size_t ready_ = 0;
    std::string failed_;

    struct one_shard {
        runtime::simulation::simulated_shard* home = nullptr;
        std::unique_ptr<storage::disk> disk;
        std::unique_ptr<storage::embedded::embedded_log> log;
        std::unique_ptr<storage::archive> archive;
        std::unique_ptr<storage::blobs> blobs;
        std::unique_ptr<pipeline::shard_state> state;
        std::unique_ptr<stages::worker::worker> worker;
        fake_worker* healable = nullptr;  // the worker, if it is that one
        std::unique_ptr<stages::coordinator::coordinator> coordinator;
        std::unique_ptr<stages::result::hand_over> hand_over;
        std::unique_ptr<stages::saga::script_saga> saga;
        std::unique_ptr<tests::faulty_carrier> carrier;
        std::unique_ptr<pipeline::engine_service> engine;
        std::unique_ptr<letter_watch> watch;
        std::unique_ptr<runtime::gate> clients;
    };
};

}  // namespace simulation_tests
