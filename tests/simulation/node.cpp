#include "tests/simulation/node.hpp"

#include <algorithm>

#include "runtime/spawn.hpp"
#include "storage/embedded/log/embedded_log.hpp"
#include "storage/simulated/disk.hpp"

namespace simulation_tests {

node::node(runtime::simulation::world& world, storage::simulated::disk_image& image,
           storage::simulated::archive_service& archive, outside_world& outside, const node_options& options)
    : random_(world.random().split()) {
    outside.letters.begin_life();
    places_.partition_bits = options.partition_bits;
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
            where.reserve_bytes = options.reserve_bytes;
            directory_ = std::make_unique<storage::embedded::log_directory>(*mine->home, *mine->disk, where);
        }
        storage::embedded::log_options log_options;
        log_options.batch_bytes_max = 640 * 1024;
        log_options.append_bytes_max = options.append_bytes_max;
        mine->log =
            std::make_unique<storage::embedded::embedded_log>(*directory_, *mine->home, *mine->disk, log_options);
        mine->archive = archive.open_shard(*mine->home);
        mine->blobs = std::make_unique<storage::embedded::log_blobs>(
            *mine->log, static_cast<std::uint16_t>(pipeline::record_type::blob_piece));
        mine->state = std::make_unique<pipeline::shard_state>(*mine->home, *mine->log, *mine->archive, *mine->blobs,
                                                              options.partition_bits, 10'000, options.letters);
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
        places_.shards.push_back(mine->home);
        places_.offices.push_back(&mine->state->letters);
        shards_.push_back(std::move(mine));
    }
    for (auto& mine : shards_) {
        const runtime::shard::running here(*mine->home);
        pipeline::engine_options engine_options;
        engine_options.queued_max = options.queued_max;
        engine_options.log_stalled_max = options.log_stalled_max;
        engine_options.snapshots = options.snapshots;
        engine_options.users.limit = options.user_open_max;
        engine_options.users.lease_time = options.user_lease_time;
        const auto& faults = options.letter_faults != nullptr ? *options.letter_faults : no_faults_;
        mine->carrier = std::make_unique<tests::faulty_carrier>(places_, faults, random_, outside.sometimes);
        engine_options.carrier = mine->carrier.get();
        mine->engine = std::make_unique<pipeline::engine_service>(*mine->state, *mine->saga, map_, engine_options);
        mine->watch = std::make_unique<letter_watch>(mine->state->letters, outside, options.partition_bits);
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
    map_.life = directory_->recovered().epoch;
    for (auto& mine : shards_) {
        mine->home->post([this, raw = mine.get()] { runtime::spawn(*raw->clients, *raw->home, open(*raw)); });
    }
}

bool node::ready() const {
    return ready_ == shards_.size() &&
           std::all_of(shards_.begin(), shards_.end(), [](const auto& mine) { return mine->engine->ready(); });
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

void node::rehearse(runtime::partition_id from, runtime::partition_id to, std::string body) {
    auto& mine = *shards_[map_.owner_of(from)];
    pipeline::letters::letter_draft draft;
    draft.to = pipeline::letters::slot_of(to, map_.partition_bits);
    draft.body = std::move(body);
    auto write = [&mine, from, draft = std::move(draft)] { static_cast<void>(mine.state->letters.send(from, draft)); };
    mine.home->post(std::move(write));
}

std::size_t node::letters_waiting() const {
    std::size_t sum = 0;
    for (const auto& mine : shards_) sum += mine->state->letters.waiting();
    return sum;
}

void node::check_lanes(outside_world& outside) {
    const auto book_of = [this](runtime::partition_id p) {
        return shards_[map_.owner_of(p)]->state->letters.book_of(p);
    };
    for (std::uint16_t p = 0; p < 1U << map_.partition_bits; ++p) {
        const auto* const sender = book_of({p});
        if (sender == nullptr) continue;
        for (const auto& lane : sender->lanes()) {
            const auto* const receiver = book_of(lane.peer);
            const auto received = receiver == nullptr ? 0 : receiver->received_through({p});
            const tests::letter_checker::lane where{{p}, lane.peer};
            outside.letters.claimed(where, lane.delivered, received);
            outside.letters.at_rest(where, lane.sent, received);
        }
    }
}

node::user_count node::count_of(const runtime::uuid& user) const {
    user_count out;
    for (const auto& mine : shards_) {
        out.open += mine->state->table.open_of(user);
        out.held += mine->engine->borrowed().held_for(user);
        out.lent += mine->engine->lent().lent_to(user);
    }
    return out;
}

void node::kill() {
    for (auto& mine : shards_) mine->home->kill();
}

}  // namespace simulation_tests
