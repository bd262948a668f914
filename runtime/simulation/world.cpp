#include "runtime/simulation/world.hpp"

#include "runtime/base/assert.hpp"

namespace runtime::simulation {

simulated_shard::simulated_shard(world& w, shard_id id, std::uint64_t seed) : shard(id, w.time(), seed), world_(w) {
    context_ = &w;
}

void simulated_shard::post(work w) {
    if (dead_) {
        world_.bury(std::make_shared<work>(std::move(w)));
        return;
    }
    world_.ready_.push_back({this, std::move(w)});
}

void simulated_shard::send(shard& to, work w) {
    // Messages of one pair keep their order, so they travel through a queue of delays that never overtake: the random
    // choice among ready work would reorder them. A short chain does it: each message is delivered by the clock.
    auto& other = static_cast<simulated_shard&>(to);
    const auto delay = nanoseconds(500 + static_cast<std::int64_t>(world_.random().below(2000)));
    auto& last = world_.last_delivery_[{this, &other}];
    const auto at = std::max(last, world_.now_ns_ + delay.count()) + 1;
    last = at;
    world_.after(nanoseconds(at - world_.now_ns_), [&other, w = std::move(w)]() mutable {
        if (other.dead_) {
            other.world_.bury(std::make_shared<work>(std::move(w)));
            return;
        }
        const running here(other);
        w();
    });
}

void simulated_shard::when_idle(work w, nanoseconds /*at_most*/) { w(); }

void simulated_shard::offload(work blocking, work done) {
    const auto delay = microseconds(1 + static_cast<std::int64_t>(world_.random().below(200)));
    world_.after(delay, [this, blocking = std::move(blocking), done = std::move(done)]() mutable {
        if (dead_) {
            world_.bury(std::make_shared<work>(std::move(blocking)));
            world_.bury(std::make_shared<work>(std::move(done)));
            return;
        }
        blocking();
        post(std::move(done));
    });
}

world::world(std::uint64_t seed) : clock_(*this), random_(seed), buried_(new std::vector<std::shared_ptr<void>>) {}

world::~world() {
    // What a killed process held is not destroyed: its frames would run destructors in an order no process ever sees.
    // The pointer stays reachable for the leak checker.
    static auto* graves = new std::vector<std::vector<std::shared_ptr<void>>*>;
    for (auto& item : ready_) {
        if (item.home != nullptr) buried_->push_back(std::make_shared<shard::work>(std::move(item.run)));
    }
    for (auto& s : shards_) buried_->push_back(std::shared_ptr<simulated_shard>(std::move(s)));
    graves->push_back(buried_);
    shutdown();
    destroy();
}

simulated_shard& world::add_shard(shard_id id) {
    shards_.push_back(std::make_unique<simulated_shard>(*this, id, random_.next()));
    return *shards_.back();
}

void world::mix_into_trace(std::uint64_t value) {
    for (int i = 0; i < 8; ++i) {
        hash_ ^= (value >> (8 * i)) & 255;
        hash_ *= 0x100000001b3ULL;
    }
}

void world::run(ready_work item) {
    ++steps_;
    mix_into_trace(static_cast<std::uint64_t>(now_ns_) * 31 + (item.home != nullptr ? item.home->id() + 1U : 0U));
    if (item.home == nullptr) {
        item.run();
        return;
    }
    if (item.home->dead()) {
        bury(std::make_shared<shard::work>(std::move(item.run)));
        return;
    }
    const shard::running here(*item.home);
    item.run();
}

bool world::jump_clock() {
    steady_time next = outside_.next_deadline();
    for (const auto& s : shards_)
        if (!s->dead()) next = std::min(next, s->timers().next_deadline());
    if (next == steady_time::never()) return false;
    now_ns_ = std::max(now_ns_, next.nanoseconds_since_start);
    ready_what_is_due();
    return true;
}

void world::ready_what_is_due() {
    // Every timer that is due becomes ready at once; the seed then decides who runs first.
    const steady_time now = clock_.steady();
    if (outside_.next_deadline() <= now) outside_.fire(now);
    for (const auto& s : shards_) {
        if (s->dead_ || s->timers_ready_ || s->timers().next_deadline() > now) continue;
        s->timers_ready_ = true;
        ready_.push_back({s.get(), [this, &home = *s] {
                              home.timers_ready_ = false;
                              home.timers().fire(clock_.steady());
                          }});
    }
}

bool world::step() {
    if (ready_.empty()) return jump_clock();
    // Also while a shard is busy: disks, messages and timers do not wait until nobody has anything to do.
    ready_what_is_due();
    const std::size_t pick = random_.below(ready_.size());
    ready_work item = std::move(ready_[pick]);
    ready_[pick] = std::move(ready_.back());
    ready_.pop_back();
    // Time passes with every step, so that no loop runs for ever at one instant.
    now_ns_ += 100 + static_cast<std::int64_t>(random_.below(400));
    run(std::move(item));
    return true;
}

bool world::run_until(unique_function<bool()> done, nanoseconds limit) {
    const std::int64_t end = now_ns_ + limit.count();
    while (!done()) {
        if (now_ns_ > end || !step()) return false;
    }
    return true;
}

void world::after(nanoseconds delay, shard::work w) { outside_.add(clock_.steady() + delay, std::move(w)); }

void world::bury(std::shared_ptr<void> remains) { buried_->push_back(std::move(remains)); }

utc_time world::virtual_clock::utc() const { return {world_.wall_offset_us_ + world_.now_ns_ / 1000}; }
steady_time world::virtual_clock::steady() const { return {world_.now_ns_}; }

}  // namespace runtime::simulation
