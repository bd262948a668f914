#include "app/shard_services.hpp"

#include "storage/embedded/blobs/log_blobs.hpp"
#include "storage/embedded/disk/real_disk.hpp"
#include "storage/embedded/log/embedded_log.hpp"

namespace app {

using runtime::result;
using runtime::task;

namespace {

// A node's budget, shared out evenly: going over it by one for each shard is allowed.
std::size_t share_of(std::size_t whole, std::size_t shards) { return whole == 0 ? 0 : (whole + shards - 1) / shards; }

// Seats are shared out so that the sum is what was asked for, and every shard has one.
std::size_t seats_of(const process_services& process, std::size_t shard) {
    if (process.values.executor.noop) return 0;
    const std::size_t whole = process.seats / process.shards + (shard < process.seats % process.shards ? 1 : 0);
    return std::max<std::size_t>(1, whole);
}

stages::result::retention_options retention_of(const settings& values) {
    stages::result::retention_options out;
    out.limits.age_max = values.archive.retention_age;
    out.limits.documents_max = values.archive.retention_count_max;
    out.limits.bytes_max = values.archive.retention_bytes_max;
    out.interval = values.archive.retention_interval;
    return out;
}

}  // namespace

shard_services::shard_services(runtime::shard& home, process_services& process, std::unique_ptr<storage::disk> disk,
                               std::unique_ptr<stages::worker::worker> worker, const std::string& executor)
    : process_(process), disk_(std::move(disk)), worker_(std::move(worker)) {
    const auto& values = process.values;
    storage::embedded::log_options log_options;
    log_options.batch_bytes_max = values.log.batch_bytes_max;
    log_options.batch_delay_us = static_cast<std::uint64_t>(values.log.record_age_max.count()) * 1000;
    log_ = std::make_unique<storage::embedded::embedded_log>(*process.log_directory, home, *disk_, log_options);
    archive_ = process.archive->open_shard(home);
    blobs_ = std::make_unique<storage::embedded::log_blobs>(
        *log_, static_cast<std::uint16_t>(pipeline::record_type::blob_piece));
    const auto keys_max = share_of(values.idempotency.keys_max, process.shards);
    pipeline::letters::letter_limits letters;
    letters.behind_bytes_max = values.log.snapshot_bytes;
    letters.age_max = values.log.snapshot_age_max;
    state_ = std::make_unique<pipeline::shard_state>(home, *log_, *archive_, *blobs_, values.partition.bits, keys_max,
                                                     letters);
    coordinator_ = std::make_unique<stages::coordinator::coordinator>(state_->table, seats_of(process, home.id()));
    hand_over_ = std::make_unique<stages::result::hand_over>(*state_);
    if (home.id() == 0) retention_ = std::make_unique<stages::result::retention>(home, *archive_, retention_of(values));
    saga_ = std::make_unique<stages::saga::script_saga>(*state_, *coordinator_, *worker_, *hand_over_);

    pipeline::engine_options options;
    options.limits = process.limits;
    options.queued_max = share_of(values.admission.queued_max, process.shards);
    options.queued_max_node = values.admission.queued_max;
    options.users.limit = values.admission.user_open_max;
    options.users.block_max = values.admission.user_block_max;
    options.users.lease_time = std::chrono::duration_cast<runtime::seconds>(values.admission.user_lease);
    options.executor = executor;
    options.log_stalled_max = values.log.stalled;
    options.key_ttl = std::chrono::duration_cast<runtime::seconds>(values.idempotency.key_ttl);
    options.snapshots.behind_bytes_max = values.log.snapshot_bytes;
    options.snapshots.age_max = values.log.snapshot_age_max;
    engine_ = std::make_unique<pipeline::engine_service>(*state_, *saga_, process.map, options);
}

shard_services::~shard_services() = default;

task<result<void>> shard_services::start() {
    const auto working = co_await worker_->start();
    if (!working) {
        diagnosis_ = "the executor does not start: " + worker_->diagnosis();
        co_return working;
    }
    hand_over_->start();
    if (retention_) retention_->start();
    const auto opened = co_await engine_->start();
    if (!opened) diagnosis_ = log_->diagnosis();
    co_return opened;
}

task<void> shard_services::finish() {
    engine_->drain();
    co_await saga_->stop(process_.values.shutdown.grace);
}

task<void> shard_services::stop() {
    co_await worker_->stop();
    co_await engine_->stop();
    if (retention_) co_await retention_->stop();
    co_await hand_over_->stop();
    co_await log_->stop();
    co_await archive_->stop();
}

task<void> shard_services::dispose() {
    // Files and sockets go on the shard that made them.
    engine_.reset();
    saga_.reset();
    retention_.reset();
    hand_over_.reset();
    coordinator_.reset();
    worker_.reset();
    state_.reset();
    blobs_.reset();
    archive_.reset();
    log_.reset();
    disk_.reset();
    co_return;
}

}  // namespace app
