#include "storage/embedded/bus/in_process_bus.hpp"

#include <algorithm>

#include "runtime/base/assert.hpp"

namespace storage::embedded {
namespace {

using hint_handler = runtime::unique_function<void(const hint&)>;

// Shared between the subscription and a delivery in progress, either of which may end first.
struct subscriber {
    explicit subscriber(hint_handler handler) : on_hint(std::move(handler)) {}
    hint_handler on_hint;
    bool ended = false;
};
using subscribers = std::vector<std::shared_ptr<subscriber>>;

// What a front and its subscriptions share, so that either may go first.
struct subscription_table {
    std::unordered_map<runtime::execution_id, subscribers> by_execution;
    std::size_t count = 0;
    std::atomic<std::size_t>* published_count = nullptr;

    void set_count(std::size_t now) {
        count = now;
        if (published_count != nullptr) published_count->store(now, std::memory_order_relaxed);
    }
};

class table_subscription final : public bus::subscription {
  public:
    table_subscription(std::shared_ptr<subscription_table> table, runtime::execution_id execution,
                       std::shared_ptr<subscriber> mine)
        : table_(std::move(table)), execution_(execution), mine_(std::move(mine)) {}

    ~table_subscription() override {
        mine_->ended = true;
        const auto found = table_->by_execution.find(execution_);
        if (found == table_->by_execution.end()) return;
        std::erase(found->second, mine_);
        if (found->second.empty()) table_->by_execution.erase(found);
        table_->set_count(table_->count - 1);
    }

  private:
    std::shared_ptr<subscription_table> table_;
    runtime::execution_id execution_;
    std::shared_ptr<subscriber> mine_;
};

}  // namespace

// Shard: its owner only.
class in_process_bus final : public bus {
  public:
    in_process_bus(bus_hub& hub, runtime::shard& home)
        : hub_(hub),
          home_(home),
          in_flight_limit_(home.metrics().declare_limit("bus.in_flight_max")),
          payload_limit_(home.metrics().declare_limit("bus.payload_bytes_max")),
          table_(std::make_shared<subscription_table>()) {
        auto& mine = hub_.stations_[home_.id()];
        WEIR_ASSERT(mine.front == nullptr);
        mine.front = this;
        table_->published_count = &mine.subscriptions;
    }
    ~in_process_bus() override {
        table_->set_count(0);
        table_->published_count = nullptr;
        hub_.stations_[home_.id()].front = nullptr;
    }

    void publish(const hint& what) override {
        ++hub_.counters_.published;
        auto shared = std::make_shared<hint>(what);
        if (shared->payload.size() > hub_.limits_.payload_bytes_max) {
            ++hub_.counters_.payloads_left_out;
            payload_limit_.add();
            std::string().swap(shared->payload);
        }
        for (std::size_t i = 0; i < hub_.shards_.size(); ++i) send_to(i, shared);
    }

    std::unique_ptr<subscription> subscribe(runtime::execution_id execution, hint_handler on_hint) override {
        auto mine = std::make_shared<subscriber>(std::move(on_hint));
        table_->by_execution[execution].push_back(mine);
        table_->set_count(table_->count + 1);
        return std::make_unique<table_subscription>(table_, execution, std::move(mine));
    }

    [[nodiscard]] std::size_t subscriptions() const override { return table_->count; }

    void deliver(const hint& what) {
        const auto found = table_->by_execution.find(what.execution);
        if (found == table_->by_execution.end()) return;
        // A copy: whoever is called may end subscriptions and make new ones.
        const subscribers listening = found->second;
        for (const auto& each : listening) {
            if (each->ended) continue;
            ++hub_.counters_.delivered;
            each->on_hint(what);
        }
    }

  private:
    void send_to(std::size_t to, const std::shared_ptr<hint>& what) {
        auto& there = hub_.stations_[to];
        if (there.subscriptions.load(std::memory_order_relaxed) == 0) return;
        auto& lane = there.from[home_.id()];
        if (lane.in_flight.load(std::memory_order_relaxed) >= hub_.limits_.in_flight_max) {
            ++hub_.counters_.dropped;
            in_flight_limit_.add();
            return;
        }
        ++lane.in_flight;
        home_.send(*hub_.shards_[to], [&there, &lane, what] {
            --lane.in_flight;
            if (there.front != nullptr) there.front->deliver(*what);
        });
    }

    bus_hub& hub_;
    runtime::shard& home_;
    runtime::counter& in_flight_limit_;
    runtime::counter& payload_limit_;
    std::shared_ptr<subscription_table> table_;
};

bus_hub::bus_hub(std::vector<runtime::shard*> shards, bus_limits limits)
    : shards_(std::move(shards)), limits_(limits), stations_(std::make_unique<station[]>(shards_.size())) {
    for (std::size_t i = 0; i < shards_.size(); ++i) {
        WEIR_ASSERT(shards_[i]->id() == i);
        stations_[i].from = std::make_unique<lane[]>(shards_.size());
    }
}

bus_hub::~bus_hub() = default;

std::unique_ptr<bus> bus_hub::open_shard(runtime::shard& home) { return std::make_unique<in_process_bus>(*this, home); }

}  // namespace storage::embedded
