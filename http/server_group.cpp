#include "http/server_group.hpp"

#include "runtime/base/assert.hpp"
#include "runtime/submit.hpp"

namespace http {

using runtime::result;
using runtime::task;

server_group::server_group(std::vector<runtime::shard*> shards, std::vector<pipeline::engine*> engines,
                           server_config config, backups* makes_backups)
    : shards_(std::move(shards)), engines_(std::move(engines)), config_(std::move(config)), backups_(makes_backups) {
    WEIR_ASSERT(!shards_.empty() && shards_.size() == engines_.size());
}

server_group::~server_group() { WEIR_ASSERT(servers_.empty()); }

// Each server is made and destroyed on its own shard.
task<void> server_group::make_servers() {
    std::vector<server*> peers;
    for (std::size_t i = 0; i < shards_.size(); ++i) {
        const auto make = [this, i] {
            return std::make_unique<server>(*shards_[i], *engines_[i], config_, shards_, backups_);
        };
        servers_.push_back(co_await runtime::submit(*shards_[i], make));
        peers.push_back(servers_.back().get());
    }
    for (auto& one : servers_) one->know(peers);
}

task<void> server_group::drop_servers() {
    for (std::size_t i = 0; i < servers_.size(); ++i) {
        const auto drop = [this, i] { servers_[i].reset(); };
        co_await runtime::submit(*shards_[i], drop);
    }
    servers_.clear();
}

task<result<void>> server_group::start() {
    co_await make_servers();
    port_ = config_.port;
    if (port_ != 0) {
        const auto ask = [this] { return servers_[0]->why_taken(port_); };
        const auto taken = co_await runtime::submit(*shards_[0], ask);
        if (taken) {
            co_await drop_servers();
            co_return taken;
        }
    }
    for (std::size_t i = 0; i < servers_.size(); ++i) {
        const auto listen = [this, i] { return servers_[i]->listen(port_); };
        const auto bound = co_await runtime::submit(*shards_[i], listen);
        if (bound.has_error()) {
            co_await drop_servers();
            co_return bound.error();
        }
        port_ = bound.value();
    }
    for (std::size_t i = 0; i < servers_.size(); ++i) {
        const auto start = [this, i] { servers_[i]->start(); };
        co_await runtime::submit(*shards_[i], start);
    }
    const result<void> ok;
    co_return ok;
}

task<void> server_group::drain() {
    for (std::size_t i = 0; i < servers_.size(); ++i) {
        const auto drain = [this, i] { servers_[i]->drain(); };
        co_await runtime::submit(*shards_[i], drain);
    }
}

task<void> server_group::stop(runtime::nanoseconds grace) {
    if (servers_.empty()) co_return;
    co_await drain();
    const auto deadline = runtime::shard::here().time().steady() + grace;
    for (std::size_t i = 0; i < servers_.size(); ++i) {
        const auto close_door = [this, i] { servers_[i]->close_door(); };
        co_await runtime::submit(*shards_[i], close_door);
    }
    // One after the other, under one deadline: a stream that moves on meets a server that takes nothing more.
    for (std::size_t i = 0; i < servers_.size(); ++i) {
        const auto stop = [this, i, deadline] { return servers_[i]->stop(deadline); };
        co_await runtime::submit(*shards_[i], stop);
    }
    co_await drop_servers();
}

}  // namespace http
