// The bus: hints between shards and nodes that something new is there. A hint may be lost, doubled or late; whoever
// gets one checks the number and asks the owner for what is missing.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "runtime/base/ids.hpp"
#include "runtime/base/unique_function.hpp"

namespace storage {

struct hint {
    runtime::execution_id execution;
    std::uint64_t epoch = 0;
    std::uint32_t last_event = 0;
    std::string payload;
};

// Shard: one instance per shard, its owner only.
class bus {
  public:
    virtual ~bus() = default;
    virtual void publish(const hint& what) = 0;

    // Ends the subscription when destroyed, on the shard that made it.
    class subscription {
      public:
        virtual ~subscription() = default;
    };
    virtual std::unique_ptr<subscription> subscribe(runtime::execution_id execution,
                                                    runtime::unique_function<void(const hint&)> on_hint) = 0;
    // Subscriptions that exist now on this shard.
    [[nodiscard]] virtual std::size_t subscriptions() const = 0;
};

}  // namespace storage
