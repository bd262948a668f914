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
    bool disk_fills = false;
    bool disk_stalls = false;
    bool archive_leaves = false;
    bool clock_jumps = false;
    network_faults network;
    std::uint32_t letter_faults = 0;  // of each kind, parts per million
    bool rehearsals = false;
    bool posts_wait = false;  // every second one, for the end
    node_options node;

    static choices of(runtime::random_source& random) {
        choices out;
        out.posts = 10 + random.below(60);
        out.posts_wait = out.posts % 3 == 0;
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
        if (random.below(4) == 0) {
            // Snapshots of many parts, with kills between them.
            snapshots = {1000, milliseconds(20), milliseconds(5), 100 + random.below(400)};
            out.lives_max += 4;
        }
        if (random.below(2) == 0) out.node.user_open_max = 1 + random.below(8);
        if (random.below(3) > 0) out.letter_faults = static_cast<std::uint32_t>(random.below(250'000));
        out.rehearsals = random.below(2) == 0;
        out.node.letters.held_records_max = 1 + random.below(60);
        out.node.letters.parcel_letters_max = 1 + random.below(30);
        out.choose_surroundings(random);
        return out;
    }
    void choose_surroundings(runtime::random_source& random) {
        disk_fills = random.below(4) == 0;
        disk_stalls = random.below(4) == 0;
        archive_leaves = random.below(4) == 0;
        clock_jumps = random.below(4) == 0;
        node.reserve_bytes = random.below(2) * 2 * node.segment_bytes;
        if (random.below(4) == 0) node.queued_max = 1 + random.below(8);
        if (random.below(disk_stalls ? 2 : 6) == 0) node.append_bytes_max = 700 * 1024;
        // So short that leases run out while the disk stalls or letters are lost: then the limit is not exact.
        if (random.below(3) == 0) node.user_lease_time = seconds(2 + random.below(10));
        node.log_stalled_max = milliseconds(100 + random.below(1000));
        if (random.below(4) == 0) return;
        const auto some = [&random] { return static_cast<std::uint32_t>(random.below(150'000)); };
        network.request_lost = some();
        network.answer_lost = some();
        network.stream_broken = some();
        network.stream_slow = some() / 4;
        network.delay_max = random.below(2) == 0 ? milliseconds(1) : milliseconds(300);
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
               " letter_faults=" + std::to_string(letter_faults) + " rehearsals=" + std::to_string(rehearsals) +
               " queued_max=" + std::to_string(node.queued_max) + " disk_fills=" + std::to_string(disk_fills) +
               " disk_stalls=" + std::to_string(disk_stalls) + " archive_leaves=" + std::to_string(archive_leaves) +
               " clock_jumps=" + std::to_string(clock_jumps) +
               " append_bytes_max=" + std::to_string(node.append_bytes_max) +
               " network_delay_ns=" + std::to_string(network.delay_max.count());
    }
};

class run {
  public:
    explicit run(std::uint64_t seed)
        : world_(seed),
          random_(world_.random().split()),
          choices_(choices::of(random_)),
          disk_(world_),
          archive_(world_),
          network_(world_, outside_) {
        network_.faults() = choices_.network;
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
            if (node_->answers() && act()) {
                ++posted;
                taken_at_ = world_.time().steady();
            }
            if (random_.below(10) == 0) change_surroundings();
            if (choices_.disk_fills && !node_->failed().empty()) {
                // The disk was full again before it was up.
                ++outside_.sometimes["a start failed on a full disk"];
                crash();
            }
            if (world_.time().steady() - taken_at_ > patience) outside_.broken("P4: posts are never taken");
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
    // A recovery may meet one stall of the disk after the other.
    static constexpr runtime::nanoseconds patience = seconds(600);

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
        const bool exact = choices_.node.user_lease_time == node_options().user_lease_time;
        if (choices_.node.user_open_max == 0 || !exact || !node_->ready() || !outside_.is_whole()) return;
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
        network_.connect(node_.get());
        ++lives_;
        taken_at_ = world_.time().steady();
        if (random_.below(4) == 0) return;  // it may be killed while it recovers
        await_ready();
        taken_at_ = world_.time().steady();
    }

    void await_ready() {
        const bool ready = world_.run_until([this] { return node_->ready() || !node_->failed().empty(); }, patience);
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
        network_.cut();
        disk_.crash();
        // Whoever starts a server makes room for it.
        disk_.behaviour().space_bytes = UINT64_MAX;
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
        if (dice < 5 || outside_.acknowledged().empty()) {
            std::string key;
            if (choices_.keys > 0 && random_.below(2) == 0) key = "key " + std::to_string(random_.below(choices_.keys));
            const auto choice = random_.below(1'000'000);
            send_post(key, choice);
            return true;
        }
        const auto id = somebody();
        if (dice < 6) {
            ask(any_door(), [this, id](pipeline::engine& e) { return cancel(e, outside_, id); });
        } else if (dice < 8) {
            ask(door_home(id), [this, id](pipeline::engine& e) { return follow(e, outside_, &network_, id); });
        } else {
            ask(any_door(), [this, id](pipeline::engine& e) { return look(e, outside_, id); });
        }
        return false;
    }

    network::choose_door any_door() {
        return [number = random_.below(6)](node& life) { return number % life.size(); };
    }
    static network::choose_door door_home(execution_id id) {
        return [id](node& life) { return static_cast<std::size_t>(life.engine(0).home_of(id).id()); };
    }
    void ask(network::choose_door door, network::make_task make) {
        network_.request(std::move(door), std::move(make), [](bool) {});
    }

    // With a key it is sent again until there is an answer, at whichever door; now and then the client is too impatient
    // to wait for the first one.
    void send_post(const std::string& key, std::uint64_t choice) {
        ++posts_unsettled_;
        const bool waits = choices_.posts_wait && choice % 2 == 0;
        const auto make = [this, key, choice, waits](pipeline::engine& e) {
            return waits ? post_and_wait(e, outside_, key, choice) : post(e, outside_, key, choice);
        };
        const bool impatient = !key.empty() && random_.below(8) == 0;
        network_.request(any_door(), make, [this, key, choice](bool answered) {
            --posts_unsettled_;
            if (answered || key.empty()) return;
            ++outside_.sometimes["a post was sent again for want of an answer"];
            ++posts_unsettled_;
            world_.after(milliseconds(1 + random_.below(200)), [this, key, choice] {
                --posts_unsettled_;
                send_post(key, choice);
            });
        });
        if (!impatient) return;
        ++posts_unsettled_;
        network_.request(any_door(), make, [this](bool) { --posts_unsettled_; });
    }

    void change_surroundings() {
        auto& disk = disk_.behaviour();
        if (choices_.disk_fills) {
            const bool is_full = disk.space_bytes != UINT64_MAX;
            disk.space_bytes = is_full ? UINT64_MAX : disk_.bytes_used() + random_.below(128) * 1024;
        }
        disk.stall_max = seconds(12);
        if (choices_.disk_stalls) disk.stalled = disk.stalled > 0 ? 0 : 30'000;
        if (choices_.archive_leaves) archive_.behaviour().absent = !archive_.behaviour().absent;
        if (choices_.clock_jumps)
            world_.jump_wall_clock(
                runtime::microseconds(static_cast<std::int64_t>(random_.below(4'000'000)) - 2'000'000));
    }

    void heal() {
        archive_.behaviour() = {};
        auto& disk = disk_.behaviour();
        disk.space_bytes = UINT64_MAX;
        disk.stalled = 0;
        letter_faults_ = {};
        network_.faults() = {};
        if (choices_.disk_fills && !node_->failed().empty()) crash();
        if (!node_->ready()) await_ready();
        node_->heal();
        const bool settled =
            world_.run_until([this] { return posts_unsettled_ == 0 || !outside_.is_whole(); }, seconds(1000));
        if (!settled) outside_.broken("P4: posts get no answer although nothing is broken any more");
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
        const bool done = world_.run_until([&] { return left == 0 || !outside_.is_whole(); }, seconds(400));
        if (!done) outside_.broken("P4: the world does not come to rest");
        if (!outside_.is_whole()) return;
        left = 1;
        on_shard(0, [this, &left](pipeline::engine& e) { return expect_nothing_stuck(e, outside_, left); });
        world_.run_until([&] { return left == 0; }, seconds(100));
        const bool handed = world_.run_until([this] { return node_->waiting_for_archive() == 0; }, seconds(100));
        if (!handed) outside_.broken("documents wait for the archive for ever");
        outside_.at_rest();
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
    network network_;
    std::uint64_t posts_unsettled_ = 0;
    tests::letter_faults letter_faults_;
    std::uint64_t rehearsed_ = 0;
    std::shared_ptr<node> node_;
    std::uint64_t lives_ = 0;
    runtime::steady_time taken_at_;  // the last post, or the end of the last start
};

}  // namespace

report run_scenario(std::uint64_t seed) {
    run one(seed);
    return one.go();
}

}  // namespace simulation_tests
