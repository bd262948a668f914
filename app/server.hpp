// The server process: shards, back-ends, engines, executors and the front door, put together.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "app/backup/node_backups.hpp"
#include "app/shard_services.hpp"
#include "http/server_group.hpp"
#include "runtime/shard_thread.hpp"

namespace app {

// Makes the executor of one shard, on it.
using worker_factory = std::function<std::unique_ptr<stages::worker::worker>(runtime::shard&)>;

// Thread: the main one, which blocks in each call. Lifetime: stop() after start() succeeded, then destruction.
class server {
  public:
    server(settings values, std::size_t shards, std::size_t seats, pipeline::operator_limits limits,
           worker_factory make_worker, std::string executor);
    ~server();

    // Opens the data directory, recovers, and listens. False: diagnosis() says why, and the process should end.
    bool start();
    [[nodiscard]] const std::string& diagnosis() const { return diagnosis_; }
    [[nodiscard]] std::string url() const;
    [[nodiscard]] std::uint16_t port() const { return front_door_->port(); }
    // Two-phase: ask (no new work, streams end with a drain event, running programs get their grace), then end.
    void stop();

  private:
    runtime::task<void> open_directory();
    runtime::task<void> make_shard(runtime::shard& home);
    runtime::task<void> start_shard(std::size_t i, std::string& why);
    void start_shards();
    runtime::task<void> await_open(std::size_t i);
    runtime::task<void> begin_backups();
    runtime::task<void> end_backups();
    runtime::task<void> listen();
    runtime::task<void> close_directory();
    runtime::task<void> drop_directory();
    void fail(std::string why);

    process_services process_;
    worker_factory make_worker_;
    std::string executor_;
    runtime::shard_group shards_;
    std::vector<std::unique_ptr<shard_services>> services_;
    std::unique_ptr<backup::node_backups> backups_;  // of shard 0
    std::unique_ptr<http::server_group> front_door_;
    std::string diagnosis_;
};

}  // namespace app
