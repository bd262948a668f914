// Letter offices on a simulated disk: lives that begin on any number of shards and end by kill -9.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "pipeline/records.hpp"
#include "pipeline/letters/letter_office.hpp"
#include "storage/embedded/log/embedded_log.hpp"
#include "storage/simulated/disk.hpp"
#include "tests/support/faulty_carrier.hpp"
#include "tests/support/letter_checker.hpp"
#include "tests/unit/storage/simulated_life.hpp"

namespace tests {

namespace letters = pipeline::letters;

class letter_rig {
  public:
    static constexpr unsigned bits = 3;
    static constexpr std::uint16_t partitions = 8;

    explicit letter_rig(std::uint64_t seed) : world_(seed), disk_(world_), random_(world_.random().split()) {}
    ~letter_rig() {
        if (life_) crash();
    }

    void begin_life(std::size_t shards, letters::letter_limits limits = {}) {
        checker.begin_life();
        life_ = std::make_shared<life>(world_, shards);
        life_->places.partition_bits = bits;
        for (std::size_t i = 0; i < shards; ++i) add_shard(i, limits);
        life_->node.run(0, [this] { return open_directory(); });
        for (std::size_t i = 0; i < shards; ++i) life_->node.run(i, [this, i] { return open(i); });
    }
    void crash() {
        life_->node.kill();
        disk_.crash();
        world_.bury(std::move(life_));
    }

    [[nodiscard]] std::size_t owner_of(std::uint16_t partition) const { return partition % life_->shards.size(); }
    letters::letter_office& office(std::size_t i) { return *life_->shards[i]->office; }
    pipeline::journal& journal(std::size_t i) { return *life_->shards[i]->journal; }
    [[nodiscard]] const letters::letter_book* book(std::uint16_t partition) {
        return office(owner_of(partition)).book_of({partition});
    }
    void run(std::size_t i, simulated_life::maker make) { life_->node.run(i, std::move(make)); }
    void start(std::size_t i, simulated_life::maker make) { life_->node.start(i, std::move(make)); }

    runtime::result<std::uint64_t> send(std::uint16_t from, std::uint16_t to, std::string body) {
        runtime::result<std::uint64_t> out = std::uint64_t{0};
        run(owner_of(from), [&]() -> runtime::task<void> {
            letters::letter_draft draft;
            draft.to = letters::slot_of({to}, bits);
            draft.body = std::move(body);
            out = office(owner_of(from)).send({from}, std::move(draft));
            co_return;
        });
        return out;
    }
    // False if not in the given time.
    bool wait_for_rest(runtime::nanoseconds limit = runtime::seconds(600)) {
        const auto quiet = [this] {
            for (auto& one : life_->shards)
                if (one->office->waiting() > 0) return false;
            return true;
        };
        return world_.run_until(quiet, limit);
    }
    void pass(runtime::nanoseconds time) {
        bool over = false;
        world_.after(time, [&over] { over = true; });
        world_.run_until([&over] { return over; }, runtime::seconds(3600));
    }
    // Holds what both sides believe against each other.
    void check_at_rest() {
        for (std::uint16_t from = 0; from < partitions; ++from) {
            const auto* const sender = book(from);
            if (sender == nullptr) continue;
            for (const auto& lane : sender->lanes()) {
                const auto* const receiver = book(lane.peer.value);
                const auto received = receiver == nullptr ? 0 : receiver->received_through({from});
                const letter_checker::lane where{{from}, lane.peer};
                checker.claimed(where, lane.delivered, received);
                checker.at_rest(where, lane.sent, received);
            }
        }
    }

    letter_checker checker;
    letter_faults faults;
    std::map<std::string, std::uint64_t> sometimes;
    // What a reader says to a letter; nothing by default.
    std::function<std::vector<letters::letter_draft>(const letters::arrival&)> answers;
    std::vector<letters::arrival> taken;  // live, in the order of all shards

  private:
    struct reader final : letters::letter_reader {
        explicit reader(letter_rig& r) : rig(r) {}
        [[nodiscard]] std::vector<letters::letter_draft> answer(const letters::arrival& in) const override {
            if (!rig.answers) return {};
            return rig.answers(in);
        }
        void fold(const letters::arrival& in, bool live) override {
            rig.checker.taken(in);
            if (live) rig.taken.push_back(in);
        }
        letter_rig& rig;
    };
    struct one_shard {
        std::unique_ptr<storage::disk> disk;
        std::unique_ptr<storage::embedded::embedded_log> log;
        std::unique_ptr<pipeline::journal> journal;
        std::unique_ptr<letters::letter_office> office;
        std::unique_ptr<letters::letter_reader> reader;
        std::unique_ptr<letters::letter_carrier> carrier;
    };
    struct life {
        life(runtime::simulation::world& world, std::size_t n) : node(world, n) {}
        simulated_life node;
        std::unique_ptr<storage::embedded::log_directory> directory;
        std::vector<std::unique_ptr<one_shard>> shards;
        letter_places places;
    };

    void add_shard(std::size_t i, letters::letter_limits limits) {
        auto& home = life_->node.shard(i);
        const runtime::shard::running here(home);
        auto one = std::make_unique<one_shard>();
        one->disk = disk_.open_shard(home);
        storage::embedded::directory_options where;
        where.path = "log";
        where.partition_bits = bits;
        where.segment_bytes = 1 << 20;
        where.small_segment_bytes = 1 << 20;
        if (i == 0) life_->directory = std::make_unique<storage::embedded::log_directory>(home, *one->disk, where);
        storage::embedded::log_options options;
        options.batch_bytes_max = 640 << 10;
        one->log = std::make_unique<storage::embedded::embedded_log>(*life_->directory, home, *one->disk, options);
        one->journal = std::make_unique<pipeline::journal>(home, *one->log, bits);
        one->office = std::make_unique<letters::letter_office>(home, *one->journal, limits);
        one->reader = std::make_unique<reader>(*this);
        one->office->read_by(letters::letter_kind::rehearsal, *one->reader);
        one->carrier = std::make_unique<faulty_carrier>(life_->places, faults, random_, sometimes);
        life_->places.shards.push_back(&home);
        life_->places.offices.push_back(one->office.get());
        life_->shards.push_back(std::move(one));
    }
    runtime::task<void> open_directory() {
        const auto opened = co_await life_->directory->open();
        EXPECT_TRUE(opened) << life_->directory->recovered().diagnosis;
    }
    runtime::task<void> open(std::size_t i) {
        auto& one = *life_->shards[i];
        std::vector<runtime::partition_id> mine;
        for (std::uint16_t p = 0; p < partitions; ++p)
            if (owner_of(p) == i) mine.push_back({p});
        // Records of other kinds stand between those of letters.
        auto replay = [&one](const storage::record_view& record) {
            return record.header.type == static_cast<std::uint16_t>(pipeline::record_type::output) ||
                   one.office->recover(record);
        };
        const auto opened = co_await one.log->open(mine, std::move(replay), *one.journal);
        EXPECT_TRUE(opened) << one.log->diagnosis();
        if (!opened) co_return;
        for (const auto& where : *opened) one.journal->opened(where);
        one.office->start(*one.carrier);
    }

    runtime::simulation::world world_;
    storage::simulated::disk_image disk_;
    runtime::random_source random_;
    std::shared_ptr<life> life_;
};

}  // namespace tests
