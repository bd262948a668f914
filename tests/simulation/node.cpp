#include "tests/simulation/node.hpp"

#include "runtime/spawn.hpp"
#include "storage/embedded/log/embedded_log.hpp"
#include "storage/simulated/disk.hpp"

namespace simulation_tests {

node::node(runtime::simulation::world& world, storage::simulated::disk_image& image,
           storage::simulated::archive_service& archive, outside_world& outside, const node_options& options) {
    map_.partition_bits = options.partition_bits;
    for (std::size_t i = 0; i < options.shards; ++i) {
        auto mine = std::make_unique<one_shard>();
        mine->home = &world.add_shard(static_cast<runtime::shard_id>(i));
        const runtime::shard::running here(*mine->home);
        mine->disk = image.open_shard(*mine->home);
        if (i == 0) {
            storage::embedded::directory_options where;
            where.path = "log";
            where.partition_bits = options.partition_bits;
            where.segment_bytes = options.segment_bytes;
            where.small_segment_bytes = options.segment_bytes;
            directory_ = std::make_unique<storage::embedded::log_directory>(*mine->home, *mine->disk, where);
        }
        storage::embedded::log_options log_options;
        log_options.batch_bytes_max = 640 * 1024;
        mine->log =
            std::make_unique<storage::embedded::embedded_log>(*directory_, *mine->home, *mine->disk, log_options);
        mine->archive = archive.open_shard(*mine->home);
        mine->blobs = std::make_unique<storage::embedded::log_blobs>(
            *mine->log, static_cast<std::uint16_t>(pipeline::record_type::blob_piece));
        mine->state = std::make_unique<pipeline::shard_state>(*mine->home, *mine->log, *mine->archive, *mine->blobs,
                                                              options.partition_bits, 10'000);
        if (options.make_worker) {
            mine->worker = options.make_worker();
        } else {
            auto fake = std::make_unique<fake_worker>(world, outside);
            mine->healable = fake.get();
            mine->worker = std::move(fake);
        }
        mine->coordinator = std::make_unique<stages::coordinator::coordinator>(mine->state->table, options.seats);
        mine->hand_over = std::make_unique<stages::result::hand_over>(*mine->state);
        mine->saga = std::make_unique<stages::saga::script_saga>(*mine->state, *mine->coordinator, *mine->worker,
                                                                 *mine->hand_over);
        mine->clients = std::make_unique<runtime::gate>(*mine->home);
        map_.shards.push_back(mine->home);
        shards_.push_back(std::move(mine));
    }
    for (auto& mine : shards_) {
        const runtime::shard::running here(*mine->home);
        pipeline::engine_options engine_options;
        engine_options.queued_max = options.queued_max;
        engine_options.snapshots = options.snapshots;
        mine->engine = std::make_unique<pipeline::engine_service>(*mine->state, *mine->saga, map_, engine_options);
        map_.engines.push_back(mine->engine.get());
    }
}

runtime::task<void> node::open(one_shard& mine) {
    mine.hand_over->start();
    const auto opened = co_await mine.engine->start();
    if (opened) {
        ++ready_;
    } else {
        failed_ = opened.error().message() + ": " + mine.log->diagnosis();
    }
}

runtime::task<void> node::open_directory() {
    const auto opened = co_await directory_->open();
    if (!opened) {
        failed_ = directory_->recovered().diagnosis;
        co_return;
    }
    for (auto& mine : shards_) {
        mine->home->post([this, raw = mine.get()] { runtime::spawn(*raw->clients, *raw->home, open(*raw)); });
    }
}

void node::start() {
    auto& first = *shards_.front();
    first.home->post([this, &first] { runtime::spawn(*first.clients, *first.home, open_directory()); });
}

void node::heal() {
    for (auto& mine : shards_)
        if (mine->healable != nullptr) mine->healable->heal();
}

std::size_t node::waiting_for_archive() const {
    std::size_t sum = 0;
    for (const auto& mine : shards_) sum += mine->hand_over->waiting() + mine->hand_over->unconfirmed();
    return sum;
}

std::uint64_t node::snapshots_taken() const {
    std::uint64_t sum = 0;
    for (const auto& mine : shards_) sum += mine->engine->snapshots_taken();
    return sum;
}

std::size_t node::unfinished() const {
    std::size_t sum = 0;
    for (const auto& mine : shards_) sum += mine->state->table.size();
    return sum;
}

void node::kill() {
    for (auto& mine : shards_) mine->home->kill();
}

}  // namespace simulation_tests
