#include "storage/simulated/broker.hpp"

#include <deque>
#include <map>

namespace storage::simulated {
namespace {

using runtime::nanoseconds;

}  // namespace

struct broker::state {
    state(runtime::simulation::world& w, broker_behaviour b) : world(w), behaviour(b), random(w.random().split()) {}

    struct topic_partition {
        std::deque<stored_message> messages;
        std::uint64_t next = 0;
    };

    runtime::simulation::world& world;
    broker_behaviour behaviour;
    runtime::random_source random;
    std::map<std::uint16_t, topic_partition> partitions;
    epoch last_epoch = 0;

    nanoseconds delay() {
        const auto spread = static_cast<std::uint64_t>((behaviour.delay_max - behaviour.delay_min).count()) + 1;
        return behaviour.delay_min + nanoseconds(random.below(spread));
    }
    void answer(runtime::shard& to, runtime::shard::work w) {
        world.after(delay(), [&to, w = std::move(w)]() mutable { to.post(std::move(w)); });
    }
    result<std::uint64_t> store(std::uint16_t partition, std::vector<message>& messages) {
        std::size_t bytes = 0;
        for (const message& m : messages) bytes += m.bytes();
        if (bytes > behaviour.request_bytes_max) return log_errc::record_too_large;
        topic_partition& p = partitions[partition];
        const std::uint64_t first = p.next;
        for (message& m : messages) p.messages.push_back({p.next++, std::move(m)});
        return first;
    }
};

broker::broker(runtime::simulation::world& world, broker_behaviour behaviour)
    : state_(std::make_shared<state>(world, behaviour)) {}

void broker::produce(runtime::shard& from, partition_id partition, std::vector<message> messages, produced done) {
    state& s = *state_;
    if (s.behaviour.absent || s.random.chance(s.behaviour.request_lost)) return;
    auto delay = s.delay();
    if (s.random.chance(s.behaviour.request_late))
        delay += nanoseconds(s.random.below(static_cast<std::uint64_t>(s.behaviour.late_max.count())));
    // What has left the node arrives, whether the node lives or not.
    s.world.after(delay,
                  [state = state_, &from, partition, messages = std::move(messages), done = std::move(done)]() mutable {
                      const auto first = state->store(partition.value, messages);
                      if (state->random.chance(state->behaviour.answer_lost)) return;
                      state->answer(from, [first, done = std::move(done)]() mutable { done(first); });
                  });
}

void broker::fetch(runtime::shard& from, partition_id partition, std::uint64_t at, std::size_t bytes_max,
                   fetched done) {
    state_->world.after(
        state_->delay(), [state = state_, &from, partition, at, bytes_max, done = std::move(done)]() mutable {
            std::vector<stored_message> out;
            std::size_t bytes = 0;
            for (const stored_message& m : state->partitions[partition.value].messages) {
                if (m.at < at) continue;
                if (!out.empty() && bytes + m.content.bytes() > bytes_max) break;
                bytes += m.content.bytes();
                out.push_back(m);
            }
            state->answer(from, [out = std::move(out), done = std::move(done)]() mutable { done(std::move(out)); });
        });
}

void broker::delete_before(runtime::shard&, partition_id partition, std::uint64_t at) {
    state_->world.after(state_->delay(), [state = state_, partition, at] {
        auto& messages = state->partitions[partition.value].messages;
        while (!messages.empty() && messages.front().at < at) messages.pop_front();
    });
}

void broker::new_epoch(runtime::shard& from, runtime::unique_function<void(epoch)> done) {
    state_->world.after(state_->delay(), [state = state_, &from, done = std::move(done)]() mutable {
        state->answer(from, [number = ++state->last_epoch, done = std::move(done)]() mutable { done(number); });
    });
}

broker_behaviour& broker::behaviour() { return state_->behaviour; }

std::uint64_t broker::bytes_stored() const {
    std::uint64_t sum = 0;
    for (const auto& [id, p] : state_->partitions)
        for (const stored_message& m : p.messages) sum += m.content.bytes();
    return sum;
}

std::vector<stored_message> broker::all(partition_id partition) const {
    const auto& messages = state_->partitions[partition.value].messages;
    return {messages.begin(), messages.end()};
}

}  // namespace storage::simulated
