#include "tests/random_programs/simulated_run.hpp"

#include "runtime/spawn.hpp"
#include "tests/random_programs/history.hpp"
#include "tests/simulation/node.hpp"

namespace random_programs {
namespace {

using runtime::milliseconds;
using runtime::seconds;
using simulation_tests::node;

// Everything that was ever accepted, counted by status; for the end of a run.
runtime::task<void> count_listed(pipeline::engine& engine, std::map<std::string, std::uint64_t>& counts, bool& done) {
    const auto who = pipeline::make_principal("default", "local", true);
    std::optional<runtime::execution_id> below;
    while (true) {
        const auto page = co_await engine.list(who, {}, below, 50);
        if (!page) co_return;
        for (const auto& one : page->items) ++counts[std::string(pipeline::to_string(one.status))];
        if (!page->next) break;
        below = page->next;
    }
    done = true;
}

runtime::task<void> count_stuck(pipeline::engine& engine, std::uint64_t& stuck, bool& done) {
    const auto found = co_await engine.stuck();
    stuck = found.size();
    done = true;
}

class run {
  public:
    explicit run(std::uint64_t seed) : world_(seed), random_(world_.random().split()), disk_(world_), archive_(world_) {
        kills_max_ = random_.below(2) == 0 ? 0 : 1 + random_.below(6);
        boxes_.break_chance = random_.below(3) == 0 ? 50'000 : 0;
        if (random_.below(4) == 0) {
            archive_.behaviour().refused = 100'000;
            archive_.behaviour().failed_but_taken = 50'000;
        }
        node_options_.seats = 1 + random_.below(6);
        node_options_.partition_bits = 2 + static_cast<unsigned>(random_.below(3));
        if (random_.below(2) == 0) {
            auto& snapshots = node_options_.snapshots;
            snapshots.pause = milliseconds(1 + random_.below(100));
            snapshots.behind_bytes_max = 1000 + random_.below(200'000);
            snapshots.part_bytes_max = 200 + random_.below(5'000);
            snapshots.age_max = milliseconds(50 + random_.below(5'000));
        }
        node_options_.make_worker = [this] { return std::make_unique<program_worker>(world_, outside_, boxes_); };
        pause_ = milliseconds(1 + random_.below(40));
        const std::uint64_t programs = 10 + random_.below(31);
        for (std::uint64_t i = 0; i < programs; ++i) {
            auto one = std::make_unique<player>();
            one->what = make_program(seed * 100 + i);
            one->own = predict_attempt(one->what, false);
            players_.push_back(std::move(one));
        }
    }

    run_report go() {
        begin_life();
        const auto end = world_.time().steady() + seconds(40'000);
        while (!all_done() && outside_.broken().empty()) {
            const auto longest = node_->ready() ? pause_ : runtime::nanoseconds(runtime::microseconds(500));
            pass(runtime::nanoseconds(random_.below(static_cast<std::uint64_t>(longest.count())) + 1));
            if (node_->ready()) play();
            const bool recovering = !node_->ready();
            if (kills_.size() < kills_max_ && random_.below(recovering ? 3 : 20) == 0) kill();
            if (end < world_.time().steady())
                outside_.broken("P4: not every program comes to its end: " + unfinished());
        }
        run_report out;
        await_ready();
        if (outside_.broken().empty()) compare_all(out);
        outside_.sometimes["a snapshot was taken"] += node_->snapshots_taken();
        node_->kill();
        world_.bury(node_);
        out.broken = outside_.broken();
        out.programs = players_.size();
        out.kills = kills_.size();
        out.steps = world_.steps();
        out.trace_hash = world_.trace_hash();
        out.sometimes = outside_.sometimes;
        return out;
    }

  private:
    void pass(runtime::nanoseconds time) {
        bool over = false;
        world_.after(time, [&over] { over = true; });
        world_.run_until([&over] { return over; }, seconds(3600));
    }

    void begin_life() {
        node_options_.shards = 1 + random_.below(3);
        node_ = std::make_shared<node>(world_, disk_, archive_, outside_, node_options_);
        node_->start();
        if (random_.below(4) != 0) await_ready();  // else it may be killed while it recovers
    }

    void await_ready() {
        const bool ready =
            world_.run_until([this] { return node_->ready() || !node_->failed().empty(); }, seconds(600));
        if (!ready || !node_->failed().empty()) outside_.broken("a life does not start: " + node_->failed());
    }

    void kill() {
        if (!node_->ready()) ++outside_.sometimes["killed while recovering"];
        outside_.sometimes["a snapshot was taken"] += node_->snapshots_taken();
        node_->kill();
        disk_.crash();
        archive_.crash();
        world_.bury(node_);
        kills_.push_back(world_.time().utc());
        // No record of the next life has the same time.
        pass(milliseconds(1));
        for (auto& one : players_) one->tasks = 0;
        begin_life();
    }

    // The next task of each client that has none; not all of them come at once.
    void play() {
        for (auto& one : players_) {
            if (one->tasks > 0 || one->phase == phase::done || random_.below(4) == 0) continue;
            const auto* storm = one->what.client_does(kind::storm);
            one->tasks = one->phase == phase::posting && storm != nullptr ? static_cast<int>(storm->number) : 1;
            for (int i = 0; i < one->tasks; ++i) spawn_task(*one);
        }
    }

    void spawn_task(player& mine) {
        const bool at_home = mine.phase == phase::following || mine.phase == phase::closing;
        const std::size_t i = at_home ? node_->engine(0).home_of(mine.id).id() : random_.below(node_->size());
        node_->shard(i).post([this, i, &mine, life = node_.get()] {
            runtime::spawn(life->clients(i), life->shard(i), task_of(life->engine(i), mine));
        });
    }

    runtime::task<void> task_of(pipeline::engine& engine, player& mine) {
        switch (mine.phase) {
            case phase::posting: return post(engine, outside_, mine);
            case phase::at_once: return act_at_once(engine, outside_, mine);
            case phase::following: return follow(engine, outside_, mine);
            default: return close(engine, outside_, mine);
        }
    }

    [[nodiscard]] bool all_done() const {
        for (const auto& one : players_)
            if (one->phase != phase::done) return false;
        return true;
    }

    [[nodiscard]] std::string unfinished() const {
        std::string out;
        for (const auto& one : players_)
            if (one->phase != phase::done) out += ' ' + std::to_string(one->what.seed);
        return out;
    }

    void compare_all(run_report& out) {
        std::map<std::string, std::uint64_t> by_status;
        for (const auto& one : players_) {
            const auto lost = lost_attempts(*one, kills_, boxes_);
            for (const auto& difference : compare(*one, lost))
                outside_.broken("program " + std::to_string(one->what.seed) + " (" + one->id.to_string() +
                                "): " + difference);
            const auto wanted = predict(one->what, lost);
            ++by_status[std::string(wanted.status)];
            ++out.ends[wanted.error_type.empty() ? "none" : std::string(wanted.error_type)];
            out.attempts += wanted.attempts;
            out.lost += lost.size();
            for (const auto& c : one->what.commands) ++out.commands[std::string(to_string(c.kind))];
            for (const auto& c : one->what.client) ++out.commands[std::string(to_string(c.kind))];
            if (kills_.empty() && one->first_answers != 1)
                outside_.broken("P2: " + std::to_string(one->first_answers) + " answers to program " +
                                std::to_string(one->what.seed) + " were not replayed");
        }
        compare_counters(by_status, out.attempts);
    }

    // Status by status, from lists; and in a world without kills from the metrics, which a restart begins anew.
    void compare_counters(const std::map<std::string, std::uint64_t>& by_status, std::uint64_t attempts) {
        std::map<std::string, std::uint64_t> listed;
        std::uint64_t stuck = 0;
        bool counted = false;
        bool looked = false;
        archive_.behaviour() = {};
        auto& first = node_->shard(0);
        first.post([&, life = node_.get()] {
            runtime::spawn(life->clients(0), life->shard(0), count_listed(life->engine(0), listed, counted));
            runtime::spawn(life->clients(0), life->shard(0), count_stuck(life->engine(0), stuck, looked));
        });
        if (!world_.run_until([&] { return counted && looked; }, seconds(100))) outside_.broken("lists do not answer");
        for (const auto& status : {"completed", "failed", "timeout", "cancelled"})
            expect_count(std::string("listed as ") + status, value(listed, status), value(by_status, status));
        expect_count("listed", total(listed), players_.size());
        expect_count("stuck", stuck, 0);
        if (!kills_.empty()) return;
        for (const auto& status : {"completed", "failed", "timeout", "cancelled"})
            expect_count(std::string("weir_executions_finished_total of ") + status,
                         metric("weir_executions_finished_total", {{"status", status}}), value(by_status, status));
        expect_count("weir_executions_accepted_total", metric("weir_executions_accepted_total", {}), players_.size());
        // One that is cancelled at once may never be started.
        std::uint64_t perhaps_none = 0;
        for (const auto& one : players_)
            if (one->what.client_does(kind::cancel_at_once) != nullptr) ++perhaps_none;
        if (boxes_.started > attempts || boxes_.started + perhaps_none < attempts)
            expect_count("programs started", boxes_.started, attempts);
    }

    void expect_count(const std::string& what, std::uint64_t seen, std::uint64_t wanted) {
        if (seen != wanted)
            outside_.broken(what + ": wanted " + std::to_string(wanted) + ", got " + std::to_string(seen));
    }
    static std::uint64_t value(const std::map<std::string, std::uint64_t>& counts, const std::string& name) {
        const auto it = counts.find(name);
        return it == counts.end() ? 0 : it->second;
    }
    static std::uint64_t total(const std::map<std::string, std::uint64_t>& counts) {
        std::uint64_t out = 0;
        for (const auto& [name, count] : counts) out += count;
        return out;
    }
    std::uint64_t metric(const std::string& name, const runtime::metric_labels& labels) {
        std::uint64_t out = 0;
        for (std::size_t i = 0; i < node_->size(); ++i)
            out += node_->shard(i).metrics().make_counter(name, "", labels).value();
        return out;
    }

    runtime::simulation::world world_;
    runtime::random_source random_;
    simulation_tests::outside_world outside_;
    boxes boxes_;
    storage::simulated::disk_image disk_;
    storage::simulated::archive_service archive_;
    simulation_tests::node_options node_options_;
    std::uint64_t kills_max_ = 0;
    runtime::nanoseconds pause_{0};
    std::vector<std::unique_ptr<player>> players_;
    std::vector<runtime::utc_time> kills_;
    std::shared_ptr<node> node_;
};

}  // namespace

run_report run_world(std::uint64_t world_seed) {
    run one(world_seed);
    return one.go();
}

}  // namespace random_programs
