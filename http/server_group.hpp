// The front door of the whole process: one server on each shard, all on one port.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "http/server.hpp"
#include "http/server_config.hpp"
#include "pipeline/engine.hpp"
#include "runtime/base/result.hpp"
#include "runtime/shard.hpp"
#include "runtime/task.hpp"

namespace http {

// Shard: start(), drain() and stop() on the first of `shards`. Lifetime: made before the shards' work begins, destroyed
// after stop(); engines outlive it. Cancellation: none of its tasks is to be cancelled.
class server_group {
  public:
    // `engines` stand in the order of `shards`, whose ids are their places. `makes_backups` outlives it; may be null.
    server_group(std::vector<runtime::shard*> shards, std::vector<pipeline::engine*> engines, server_config config,
                 backups* makes_backups = nullptr);
    ~server_group();

    // Binds on every shard, then accepts on every shard. On an error nothing listens, and stop() need not be called.
    runtime::task<runtime::result<void>> start();
    [[nodiscard]] std::uint16_t port() const { return port_; }
    [[nodiscard]] const server_config& config() const { return config_; }

    // Phase one: /readyz and new work answer 503, streams get their drain event and end. Still accepts.
    runtime::task<void> drain();
    // Phase two: accepts no more, closes what is idle, lets the rest finish for `grace`, then cuts it. Afterwards
    // nothing of http runs on any shard.
    runtime::task<void> stop(runtime::nanoseconds grace);

  private:
    runtime::task<void> make_servers();
    runtime::task<void> drop_servers();

    std::vector<runtime::shard*> shards_;
    std::vector<pipeline::engine*> engines_;
    server_config config_;
    backups* backups_;
    std::vector<std::unique_ptr<server>> servers_;
    std::uint16_t port_ = 0;
};

}  // namespace http
