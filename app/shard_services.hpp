// Everything that one shard of the server runs, wired: the only place that names concrete back-ends.
#pragma once

#include <memory>
#include <string>

#include "app/config.hpp"
#include "pipeline/engine_service.hpp"
#include "stages/coordinator/coordinator.hpp"
#include "stages/result/hand_over.hpp"
#include "stages/result/retention.hpp"
#include "stages/saga/script_saga.hpp"
#include "stages/worker/worker.hpp"
#include "storage/embedded/archive/archive_store.hpp"
#include "storage/embedded/log/embedded_log.hpp"

namespace app {

// What the shards of a process share; made before them.
struct process_services {
    settings values;
    std::size_t shards = 1;
    std::size_t seats = 1;
    std::unique_ptr<storage::embedded::archive_store> archive;
    std::unique_ptr<storage::disk> directory_disk;                    // of shard 0
    std::unique_ptr<storage::embedded::log_directory> log_directory;  // at home on shard 0
    pipeline::shard_map map;
    pipeline::operator_limits limits;
};

// Shard: `home`, its owner only; constructed and disposed of there.
class shard_services {
  public:
    shard_services(runtime::shard& home, process_services& process, std::unique_ptr<storage::disk> disk,
                   std::unique_ptr<stages::worker::worker> worker, const std::string& executor);
    ~shard_services();

    // The engine must exist on every shard before the first of them is started.
    [[nodiscard]] pipeline::engine_service& engine() { return *engine_; }
    [[nodiscard]] storage::embedded::embedded_log& log() { return *log_; }
    // Starts the executor, opens the partitions and takes up what was left unfinished.
    runtime::task<runtime::result<void>> start();
    // Why start() failed.
    [[nodiscard]] const std::string& diagnosis() const { return diagnosis_; }
    // Takes no new work, gives what runs its grace, then ends it. Answers are still given.
    runtime::task<void> finish();
    // Hands over what has ended and closes the log, after everybody's finish().
    runtime::task<void> stop();
    // Files go on the shard that made them.
    runtime::task<void> dispose();

  private:
    process_services& process_;
    std::unique_ptr<storage::disk> disk_;
    std::unique_ptr<storage::embedded::embedded_log> log_;
    std::unique_ptr<storage::archive> archive_;
    std::unique_ptr<storage::blobs> blobs_;
    std::unique_ptr<pipeline::shard_state> state_;
    std::unique_ptr<stages::worker::worker> worker_;
    std::unique_ptr<stages::coordinator::coordinator> coordinator_;
    std::unique_ptr<stages::result::hand_over> hand_over_;
    std::unique_ptr<stages::result::retention> retention_;  // on shard 0, for the whole node
    std::unique_ptr<stages::saga::script_saga> saga_;
    std::unique_ptr<pipeline::engine_service> engine_;
    std::string diagnosis_;
};

}  // namespace app
