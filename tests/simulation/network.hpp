// The way between clients and a node of the simulated world: it takes time, loses requests and answers, and breaks when
// the node dies. Clients are on this side of it and outlive every node.
#pragma once

#include <functional>
#include <map>

#include "runtime/base/unique_function.hpp"
#include "tests/simulation/node.hpp"

namespace simulation_tests {

// Chances in parts per million; they may change at any time.
struct network_faults {
    std::uint32_t request_lost = 0;
    std::uint32_t answer_lost = 0;
    std::uint32_t stream_broken = 0;  // at each batch of events
    std::uint32_t stream_slow = 0;    // the client reads nothing for up to slow_max
    runtime::nanoseconds delay_max = runtime::milliseconds(5);
    runtime::nanoseconds slow_max = runtime::seconds(20);
};

class network {
  public:
    // The shard whose connection it comes to, once it has come: the node may be another one by then.
    using choose_door = std::function<std::size_t(node&)>;
    using make_task = std::function<runtime::task<void>(pipeline::engine&)>;
    // Called on the client's side: whether an answer came. Without one the client cannot know what happened.
    using settled = runtime::unique_function<void(bool answered)>;

    network(runtime::simulation::world& world, outside_world& outside)
        : world_(world), outside_(outside), random_(world.random().split()) {}

    [[nodiscard]] network_faults& faults() { return faults_; }

    // The node that answers from now on. Null: connections are refused.
    void connect(node* to) { node_ = to; }
    // It has died: everybody who waits for an answer is told that the connection broke.
    void cut();
    // Runs `make(engine)` on a shard of the node, once the request has come there.
    void request(choose_door door, make_task make, settled then);

    // On the server's side, between two batches of a stream: waits until the client has read what was sent. False when
    // the connection broke, and what was sent is lost.
    runtime::task<bool> sent_to_subscriber();

  private:
    static runtime::task<void> serve(network* self, std::uint64_t number, runtime::task<void> work);
    void arrive(std::uint64_t number, const choose_door& door, const make_task& make);
    void answer(std::uint64_t number);
    void settle_later(std::uint64_t number, bool answered);
    bool chance(std::uint32_t parts_per_million, const char* what);
    runtime::nanoseconds some_delay();

    runtime::simulation::world& world_;
    outside_world& outside_;
    runtime::random_source random_;
    network_faults faults_;
    node* node_ = nullptr;
    std::uint64_t last_number_ = 0;
    std::map<std::uint64_t, settled> waiting_;
};

}  // namespace simulation_tests
