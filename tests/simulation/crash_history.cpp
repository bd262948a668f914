#include "tests/simulation/crash_history.hpp"

#include "runtime/spawn.hpp"
#include "tests/simulation/clients.hpp"

namespace simulation_tests {

using runtime::milliseconds;
using runtime::seconds;
using runtime::task;

namespace {

// Above all choices of the script, so that a post of the check is told apart.
constexpr std::uint64_t first_choice_of_checks = 1'000'000'007;
// Multiples of eleven have a large standard input: a few of the script's posts are, so that its log spans segments.
constexpr std::uint64_t choice_step = 11;
std::uint64_t choice_of_post(std::uint64_t operation) {
    return operation * choice_step + (operation % 25 == 0 ? 0 : 1 + operation % 10);
}
// Every post under a key is the same one.
constexpr std::uint64_t keys = 30;
constexpr std::uint64_t first_choice_of_keys = 500'006;
std::uint64_t choice_of_key(std::uint64_t which) { return first_choice_of_keys + which * choice_step; }

const pipeline::principal& somebody_who_asks() {
    static const auto who = pipeline::make_principal("default", "local", true);
    return who;
}

}  // namespace

const char* to_string(crash_kind kind) {
    switch (kind) {
        case crash_kind::lost: return "power lost, nothing kept";
        case crash_kind::kept: return "power lost, everything kept";
        case crash_kind::torn: return "power lost, torn";
        case crash_kind::killed: return "killed";
    }
    return "";
}

crash_history::crash_history(crash_history_options options)
    : options_(options), world_(options.seed), random_(world_.random().split()), disk_(world_), archive_(world_) {
    // Often, so that a short script sees segments released, recycled and removed, and keys written again.
    archive_.behaviour().flush_after = milliseconds(200);
    node_options_.partition_bits = 2 + static_cast<unsigned>(random_.below(2));
    node_options_.seats = 1 + random_.below(6);
    node_options_.snapshots.pause = milliseconds(20);
    node_options_.snapshots.behind_bytes_max = 100'000;
    node_options_.snapshots.age_max = milliseconds(500);
    node_options_.snapshots.part_bytes_max = 4000;
    node_options_.segment_bytes = 384 * 1024;
    begin_life();
    await_ready();
    // Only now: what a start writes would be found missing first.
    disk_.behaviour().durable_writes_lie = options_.lying_disk;
    changes_seen_ = disk_.changes();
    schedule_next();
}

crash_history::~crash_history() {
    node_->kill();
    world_.bury(node_);
}

template <class Make>
void crash_history::on_shard(std::size_t i, Make make) {
    node_->shard(i).post([i, make = std::move(make), life = node_.get()]() mutable {
        runtime::spawn(life->clients(i), life->shard(i), make(life->engine(i)));
    });
}

void crash_history::begin_life() {
    node_options_.shards = 1 + (options_.seed + lives_) % 3;
    node_ = std::make_shared<node>(world_, disk_, archive_, outside_, node_options_);
    node_->start();
    ++lives_;
    changes_seen_ = disk_.changes();
}

void crash_history::await_ready() {
    const bool ended = world_.run_until([this] { return node_->ready() || !node_->failed().empty(); }, seconds(600));
    if (!ended) outside_.broken("a recovery has no end");
    if (!node_->failed().empty()) outside_.broken("a life does not start: " + node_->failed());
}

void crash_history::schedule_next() {
    world_.after(runtime::microseconds(random_.below(80'000)), [this] {
        if (!scripted_) return;
        if (done_ < options_.operations) {
            act();
            ++done_;
        } else if (node_->waiting_for_archive() == 0 && node_->unfinished() == 0) {
            at_rest_ = true;
        }
        schedule_next();
    });
}

execution_id crash_history::somebody() {
    auto it = outside_.acknowledged().begin();
    std::advance(it, static_cast<std::ptrdiff_t>(random_.below(outside_.acknowledged().size())));
    return it->first;
}

void crash_history::post_something(std::uint64_t choice, const std::string& key) {
    requested_.insert(std::to_string(choice));
    const std::size_t door = random_.below(node_->size());
    on_shard(door, [this, key, choice](pipeline::engine& e) { return post(e, outside_, key, choice); });
}

void crash_history::act() {
    const auto dice = random_.below(10);
    if (dice < 5 || outside_.acknowledged().empty()) {
        post_something(choice_of_post(done_), {});
        return;
    }
    if (dice < 7) {
        const auto which = random_.below(keys);
        post_something(choice_of_key(which), "key " + std::to_string(which));
        return;
    }
    const auto id = somebody();
    const std::size_t home = node_->engine(0).home_of(id).id();
    if (dice < 8) {
        on_shard(home, [this, id](pipeline::engine& e) { return cancel(e, outside_, id); });
    } else if (dice < 9) {
        on_shard(home, [this, id](pipeline::engine& e) { return follow(e, outside_, nullptr, id); });
    } else {
        on_shard(home, [this, id](pipeline::engine& e) { return look(e, outside_, id); });
    }
}

bool crash_history::advance() {
    const bool moved =
        world_.run_until([this] { return disk_.changes() != changes_seen_ || at_rest_; }, seconds(10'000));
    if (!moved) outside_.broken("P4: the script does not come to rest");
    changes_seen_ = disk_.changes();
    return moved && !at_rest_;
}

void crash_history::crash(crash_kind kind, std::uint64_t seed) {
    scripted_ = false;
    disk_.behaviour().durable_writes_lie = false;
    node_->kill();
    runtime::random_source random(seed);
    bool first = true;
    // The first choice is whether power is lost, the others are how much is kept of what was under way.
    disk_.crash([&](std::uint64_t below) -> std::uint64_t {
        if (std::exchange(first, false)) return kind == crash_kind::killed ? 1 : 0;
        if (kind == crash_kind::lost) return 0;
        // Of the five fates of a write the second is whole; of everything else the last choice keeps most.
        if (kind == crash_kind::kept) return below == 5 ? 1 : below - 1;
        return random.below(below);
    });
    archive_.crash();
    world_.bury(node_);
    begin_life();
}

bool crash_history::advance_recovery() {
    const auto over = [this] { return node_->ready() || !node_->failed().empty(); };
    world_.run_until([&] { return disk_.changes() != changes_seen_ || over(); }, seconds(600));
    changes_seen_ = disk_.changes();
    return !over();
}

std::uint64_t crash_history::times(const std::string& what) const {
    const auto it = outside_.sometimes.find(what);
    return it == outside_.sometimes.end() ? 0 : it->second;
}

void crash_history::run_until_none(const int& left, seconds limit, const char* what) {
    const bool done = world_.run_until([&] { return left == 0 || !broken().empty(); }, limit);
    if (!done) outside_.broken(std::string("P4: no end to ") + what);
}

void crash_history::check() {
    await_ready();
    if (broken().empty()) check_next_post();
    if (broken().empty()) check_keys();
    node_->heal();
    if (broken().empty()) check_ends();
    if (broken().empty()) check_lists();
}

void crash_history::check_next_post() {
    const auto before = acknowledged();
    post_something(first_choice_of_checks, {});
    const bool accepted = world_.run_until([&] { return acknowledged() > before; }, seconds(60));
    if (!accepted) outside_.broken("P1: nothing is accepted after the recovery");
}

// As expect_ended(), but reads less: a check is made many thousand times.
task<void> crash_history::expect_end_of(pipeline::engine& engine, execution_id id, bool whole, int& left) {
    const auto deadline = runtime::shard::here().time().steady() + seconds(4000);
    const auto ended = co_await engine.result_in_time(somebody_who_asks(), id, deadline);
    const auto view = co_await engine.find(somebody_who_asks(), id);
    if (!ended || !view) {
        outside_.broken("P1: " + id.to_string() + " is gone");
    } else if (!*ended || !pipeline::is_terminal(view->status)) {
        outside_.broken("P4: " + id.to_string() + " never ended");
    } else {
        outside_.ended(id, view->status);
        if (view->last_event < outside_.last_seen(id)) outside_.broken("P3: " + id.to_string() + " lost events");
    }
    if (whole) {
        co_await look(engine, outside_, id);
        co_await follow(engine, outside_, nullptr, id);
        if (!outside_.saw_the_end(id)) outside_.broken("P3: " + id.to_string() + " has no terminal event");
    }
    --left;
}

// The outside world notices when one gives another execution than before.
void crash_history::check_keys() {
    const auto before = outside_.acknowledged();
    int left = 0;
    for (const auto& [id, key] : before) {
        if (key.empty()) continue;
        ++left;
        const auto again = [this, key, &left](pipeline::engine& e) -> task<void> {
            const auto inner = [](pipeline::engine& to, outside_world& outside, std::string which,
                                  int& open) -> task<void> {
                const auto number = std::strtoull(which.c_str() + 4, nullptr, 10);
                co_await post(to, outside, which, choice_of_key(number));
                --open;
            };
            return inner(e, outside_, key, left);
        };
        on_shard(random_.below(node_->size()), again);
    }
    run_until_none(left, seconds(600), "posts under known keys");
}

void crash_history::check_ends() {
    int left = 0;
    for (const auto& acknowledged : outside_.acknowledged()) {
        const execution_id id = acknowledged.first;
        // Events are read of those that somebody has read before, and of some more.
        const bool whole = outside_.last_seen(id) > 0 || left % 8 == 0;
        ++left;
        on_shard(node_->engine(0).home_of(id).id(),
                 [this, id, whole, &left](pipeline::engine& e) { return expect_end_of(e, id, whole, left); });
    }
    run_until_none(left, seconds(10'000), "executions");
    if (!broken().empty()) return;
    left = 1;
    on_shard(0, [this, &left](pipeline::engine& e) { return expect_nothing_stuck(e, outside_, left); });
    run_until_none(left, seconds(100), "the list of what is stuck");
    const bool handed = world_.run_until([this] { return node_->waiting_for_archive() == 0; }, seconds(100));
    if (!handed) outside_.broken("P4: documents wait for the archive for ever");
}

void crash_history::check_item(const pipeline::execution_view& item, std::set<std::string>& seen) {
    listed_.insert(item.id);
    const auto label = item.labels.find("choice");
    if (label == item.labels.end() || !requested_.contains(label->second))
        outside_.broken("P1: " + item.id.to_string() + " was never requested");
    else if (!seen.insert(label->second).second)
        outside_.broken("P2: post " + label->second + " became two executions");
}

task<void> crash_history::list_all(pipeline::engine& engine, int& left) {
    std::set<std::string> seen;
    std::optional<execution_id> below;
    do {
        const auto page = co_await engine.list(somebody_who_asks(), {}, below, 100);
        if (!page) {
            outside_.broken("a list fails: " + page.error().detail);
            break;
        }
        for (const auto& item : page->items) check_item(item, seen);
        below = page->next;
    } while (below);
    --left;
}

void crash_history::check_lists() {
    int left = 1;
    on_shard(0, [this, &left](pipeline::engine& e) { return list_all(e, left); });
    run_until_none(left, seconds(100), "a list");
    for (const auto& acknowledged : outside_.acknowledged())
        if (!listed_.contains(acknowledged.first))
            outside_.broken("P1: " + acknowledged.first.to_string() + " was acknowledged and is in no list");
}

}  // namespace simulation_tests
