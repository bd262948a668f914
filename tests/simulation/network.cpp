#include "tests/simulation/network.hpp"

#include <utility>

#include "runtime/spawn.hpp"
#include "runtime/timer.hpp"

namespace simulation_tests {

bool network::chance(std::uint32_t parts_per_million, const char* what) {
    if (parts_per_million == 0 || !random_.chance(parts_per_million)) return false;
    ++outside_.sometimes[what];
    return true;
}

runtime::nanoseconds network::some_delay() {
    return runtime::nanoseconds(random_.below(static_cast<std::uint64_t>(faults_.delay_max.count()) + 1));
}

void network::request(choose_door door, make_task make, settled then) {
    const auto number = ++last_number_;
    waiting_.emplace(number, std::move(then));
    if (chance(faults_.request_lost, "a request was lost")) return settle_later(number, false);
    world_.after(some_delay(),
                 [this, number, door = std::move(door), make = std::move(make)] { arrive(number, door, make); });
}

void network::arrive(std::uint64_t number, const choose_door& door, const make_task& make) {
    if (!waiting_.contains(number)) return;  // the connection broke on the way
    if (node_ == nullptr || !node_->answers()) {
        ++outside_.sometimes["a connection was refused"];
        return settle_later(number, false);
    }
    const std::size_t i = door(*node_);
    node_->shard(i).post([this, number, i, make, life = node_] {
        runtime::spawn(life->clients(i), life->shard(i), serve(this, number, make(life->engine(i))));
    });
}

runtime::task<void> network::serve(network* self, std::uint64_t number, runtime::task<void> work) {
    co_await std::move(work);
    self->answer(number);
}

void network::answer(std::uint64_t number) {
    const bool lost = chance(faults_.answer_lost, "an answer was lost");
    settle_later(number, !lost);
}

void network::settle_later(std::uint64_t number, bool answered) {
    world_.after(some_delay(), [this, number, answered] {
        const auto it = waiting_.find(number);
        if (it == waiting_.end()) return;
        auto then = std::move(it->second);
        waiting_.erase(it);
        then(answered);
    });
}

void network::cut() {
    node_ = nullptr;
    if (!waiting_.empty()) ++outside_.sometimes["a connection broke with its node"];
    // What is still on its way must not come to the next node.
    for (auto& [number, then] : std::exchange(waiting_, {}))
        world_.after(some_delay(), [tell = std::move(then)]() mutable { tell(false); });
}

runtime::task<bool> network::sent_to_subscriber() {
    auto pause = some_delay();
    if (chance(faults_.stream_slow, "a subscriber was slow"))
        pause = runtime::nanoseconds(random_.below(static_cast<std::uint64_t>(faults_.slow_max.count())));
    co_await runtime::sleep_for(pause);
    co_return !chance(faults_.stream_broken, "a stream broke");
}

}  // namespace simulation_tests
