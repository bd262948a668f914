#include "tests/simulation/scenario.hpp"

#include "runtime/base/planted_bug.hpp"
#include "runtime/spawn.hpp"
#include "tests/simulation/clients.hpp"

namespace simulation_tests {
namespace {

using runtime::milliseconds;
using runtime::seconds;

// Chosen by the seed; some faults are wholly off in some runs, so that they cannot hide each other.
struct choices {
    std::uint64_t posts = 0;
    std::uint64_t lives_max = 0;
    std::uint64_t keys = 0;  // how many different ones; 0: none are used
    runtime::nanoseconds pause{0};
    bool archive_breaks = false;
    std::uint32_t letter_faults = 0;  // of each kind, parts per million
    bool rehearsals = false;
    node_options node;

    static choices of(runtime::random_source& random) {
        choices out;
        out.posts = 10 + random.below(60);
        out.lives_max = random.below(6);
        out.keys = random.below(3) == 0 ? 0 : 1 + random.below(10);
        out.pause = milliseconds(1 + random.below(60));
        out.archive_breaks = random.below(3) == 0;
        out.node.seats = 1 + random.below(6);
        out.node.partition_bits = 2 + static_cast<unsigned>(random.below(3));
        out.node.segment_bytes = (704 + 64 * random.below(6)) * 1024;
        // Mostly so often that many executions are written again, some of them several times.
        auto& snapshots = out.node.snapshots;
        snapshots.pause = milliseconds(1 + random.below(100));
        snapshots.behind_bytes_max = random.below(4) == 0 ? 1 << 30 : 1000 + random.below(200'000);
        if (random.below(2) == 0) snapshots.part_bytes_max = 200 + random.below(5'000);
        snapshots.age_max = milliseconds(50 + random.below(5'000));
        if (random.below(2) == 0) out.node.user_open_max = 1 + random.below(8);
        if (random.below(3) > 0) out.letter_faults = static_cast<std::uint32_t>(random.below(250'000));
        out.rehearsals = random.below(2) == 0;
        out.node.letters.held_records_max = 1 + random.below(60);
        out.node.letters.parcel_letters_max = 1 + random.below(30);
        return out;
    }
    [[nodiscard]] std::string text() const {
        return "posts=" + std::to_string(posts) + " lives_max=" + std::to_string(lives_max) +
               " keys=" + std::to_string(keys) + " pause_ns=" + std::to_string(pause.count()) +
               " archive_breaks=" + std::to_string(archive_breaks) + " seats=" + std::to_string(node.seats) +
               " partition_bits=" + std::to_string(node.partition_bits) +
               " segment_bytes=" + std::to_string(node.segment_bytes) +
               " snapshot_bytes=" + std::to_string(node.snapshots.behind_bytes_max) +
               " snapshot_age_us=" + std::to_string(node.snapshots.age_max.count()) +
               " user_open_max=" + std::to_string(node.user_open_max) +
               " letter_faults=" + std::to_string(letter_faults) + " rehearsals=" + std::to_string(rehearsals);
    }
};

class run {
  public:
    explicit run(std::uint64_t seed)
        : world_(seed),
          random_(world_.random().split()),
          choices_(choices::of(random_)),
          disk_(world_),
          archive_(world_) {
        // One of the planted bugs is a disk that answers without having synced.
        disk_.behaviour().durable_writes_lie = runtime::planted(runtime::planted_bug::no_sync_before_answer);
        const auto fault = choices_.letter_faults;
        letter_faults_ = {fault, fault, fault, fault, fault};
        choices_.node.letter_faults = &letter_faults_;
        if (choices_.archive_breaks) {
            archive_.behaviour().refused = 100'000;
            archive_.behaviour().failed_but_taken = 50'000;
        }
    }

    report go() {
        begin_life();
        std::uint64_t posted = 0;
        while (posted < choices_.posts && outside_.is_whole()) {
            pass(runtime::nanoseconds(random_.below(static_cast<std::uint64_t>(choices_.pause.count()))));
            if (node_ && node_->ready()) posted += act() ? 1 : 0;
            if (lives_ > choices_.lives_max) continue;
            // Between a letter and its receipt there is little time.
            const bool amid_letters = choices_.rehearsals && random_.below(12) == 0 && rehearse_some();
            if (amid_letters || random_.below(25) == 0) crash();
        }
        heal();
        finish();
        count_snapshots();
        node_->kill();
        world_.bury(node_);
        report out;
        out.broken = outside_.broken();
        out.options = choices_.text();
        out.steps = world_.steps();
        out.trace_hash = world_.trace_hash();
        out.acknowledged = outside_.acknowledged().size();
        out.lives = lives_;
        out.sometimes = outside_.sometimes;
        return out;
    }

  private:
    void pass(runtime::nanoseconds time) {
        bool over = false;
        world_.after(time, [&over] { over = true; });
        world_.run_until(
            [this, &over] {
                check_users();
                return over;
            },
            seconds(3600));
    }

    // At no moment has a user more open than the limit allows. (While a log is read, ends are read after beginnings.)
    void check_users() {
        if (choices_.node.user_open_max == 0 || !node_->ready()) return;
        for (const auto& user : some_users()) {
            const auto count = node_->count_of(user.user_id);
            const auto open = count.open;
            if (open == choices_.node.user_open_max) outside_.sometimes["a user had as many open as allowed"] = 1;
            if (open > choices_.node.user_open_max)
                return outside_.broken("user " + user.user + " has " + std::to_string(open) + " open; held are " +
                                       std::to_string(count.held) + " and lent " + std::to_string(count.lent));
        }
    }

    void begin_life() {
        choices_.node.shards = 1 + random_.below(3);
        node_ = std::make_shared<node>(world_, disk_, archive_, outside_, choices_.node);
        node_->start();
        ++lives_;
        if (random_.below(4) == 0) return;  // it may be killed while it recovers
        await_ready();
    }

    void await_ready() {
        const bool ready =
            world_.run_until([this] { return node_->ready() || !node_->failed().empty(); }, seconds(600));
        if (!ready || !node_->failed().empty())
            outside_.broken("a life does not start: " +
                            (ready ? node_->failed() : std::string("no end to its recovery")));
    }

    void count_snapshots() {
        if (const auto taken = node_->snapshots_taken(); taken > 0)
            outside_.sometimes["an execution was written again"] += taken;
    }

    // Now and then so soon after a request that its records are on their way to the disk.
    void crash() {
        for (auto steps = random_.below(60); steps > 0; --steps) world_.step();
        if (!node_->ready()) ++outside_.sometimes["killed while recovering"];
        count_snapshots();
        node_->kill();
        disk_.crash();
        archive_.crash();
        world_.bury(node_);
        begin_life();
    }

    // A client's task on a shard of this life.
    template <class Make>
    void on_shard(std::size_t i, Make make) {
        auto& home = node_->shard(i);
        home.post([i, make = std::move(make), life = node_.get()]() mutable {
            runtime::spawn(life->clients(i), life->shard(i), make(life->engine(i)));
        });
    }

    execution_id somebody() {
        auto it = outside_.acknowledged().begin();
        std::advance(it, static_cast<std::ptrdiff_t>(random_.below(outside_.acknowledged().size())));
        return it->first;
    }
    std::size_t home_of(execution_id id) { return node_->engine(0).home_of(id).id(); }

    void rehearse() {
        const auto partitions = std::uint64_t{1} << choices_.node.partition_bits;
        const runtime::partition_id from{static_cast<std::uint16_t>(random_.below(partitions))};
        const runtime::partition_id to{static_cast<std::uint16_t>(random_.below(partitions))};
        std::string body(random_.below(4), '!');
        node_->rehearse(from, to, body + "letter " + std::to_string(++rehearsed_));
    }

    bool rehearse_some() {
        if (!node_->ready()) return false;
        for (int i = 0; i < 8; ++i) rehearse();
        pass(runtime::microseconds(random_.below(3000)));
        return true;
    }

    // True if it was a post.
    bool act() {
        if (choices_.rehearsals && random_.below(2) == 0) rehearse();
        const auto dice = random_.below(10);
        const std::size_t door = random_.below(node_->size());
        if (dice < 5 || outside_.acknowledged().empty()) {
            std::string key;
            if (choices_.keys > 0 && random_.below(2) == 0) key = "key " + std::to_string(random_.below(choices_.keys));
            const auto choice = random_.below(1'000'000);
            on_shard(door, [this, key, choice](pipeline::engine& e) { return post(e, outside_, key, choice); });
            return true;
        }
        const auto id = somebody();
        if (dice < 6) {
            on_shard(door, [this, id](pipeline::engine& e) { return cancel(e, outside_, id); });
        } else if (dice < 8) {
            on_shard(home_of(id), [this, id](pipeline::engine& e) { return follow(e, outside_, id); });
        } else {
            on_shard(door, [this, id](pipeline::engine& e) { return look(e, outside_, id); });
        }
        return false;
    }

    void heal() {
        archive_.behaviour() = {};
        letter_faults_ = {};
        if (!node_->ready()) await_ready();
        node_->heal();
    }

    void finish() {
        if (!outside_.is_whole()) return;
        int left = 0;
        for (const auto& acknowledged : outside_.acknowledged()) {
            const execution_id id = acknowledged.first;
            ++left;
            on_shard(home_of(id),
                     [this, id, &left](pipeline::engine& e) { return expect_ended(e, outside_, id, left); });
        }
        const bool done = world_.run_until([&] { return left == 0 || !outside_.is_whole(); }, seconds(10'000));
        if (!done) outside_.broken("P4: the world does not come to rest");
        if (!outside_.is_whole()) return;
        left = 1;
        on_shard(0, [this, &left](pipeline::engine& e) { return expect_nothing_stuck(e, outside_, left); });
        world_.run_until([&] { return left == 0; }, seconds(100));
        const bool handed = world_.run_until([this] { return node_->waiting_for_archive() == 0; }, seconds(100));
        if (!handed) outside_.broken("documents wait for the archive for ever");
        if (outside_.is_whole()) finish_letters();
    }

    // Everything that was written is taken, once and in order, and what was borrowed for users is back.
    void finish_letters() {
        pass(seconds(30));
        const bool quiet = world_.run_until([this] { return node_->letters_waiting() == 0; }, seconds(100));
        if (!quiet) return outside_.broken("letters are never delivered");
        node_->check_lanes(outside_);
        for (std::size_t i = 0; i < some_users().size() && choices_.node.user_open_max > 0; ++i) {
            const auto count = node_->count_of(some_users()[i].user_id);
            if (count.open + count.held + count.lent > 0)
                outside_.broken("at rest " + some_users()[i].user + " has " + std::to_string(count.open) +
                                " open, held are " + std::to_string(count.held) + " and lent " +
                                std::to_string(count.lent));
            int left = 1;
            on_shard(random_.below(node_->size()),
                     [this, i, &left](pipeline::engine& e) { return expect_room(e, outside_, i, left); });
            world_.run_until([&] { return left == 0; }, seconds(100));
        }
    }

    runtime::simulation::world world_;
    runtime::random_source random_;
    choices choices_;
    outside_world outside_;
    storage::simulated::disk_image disk_;
    storage::simulated::archive_service archive_;
    tests::letter_faults letter_faults_;
    std::uint64_t rehearsed_ = 0;
    std::shared_ptr<node> node_;
    std::uint64_t lives_ = 0;
};

}  // namespace

report run_scenario(std::uint64_t seed) {
    run one(seed);
    return one.go();
}

}  // namespace simulation_tests
