// What the handlers of one shard work with.
#pragma once

#include <string_view>
#include <vector>

#include "http/api/execute_request.hpp"
#include "http/server_config.hpp"
#include "http/sse/burst_cache.hpp"
#include "pipeline/engine.hpp"
#include "runtime/base/metrics.hpp"
#include "runtime/shard.hpp"

namespace http {

class backups;

// What one shard's front door counts, in the shard's registry.
struct server_metrics {
    explicit server_metrics(runtime::metrics_registry& registry);

    runtime::metrics_registry& registry;
    runtime::gauge& connections_open;
    runtime::counter& connections_accepted;
    runtime::counter& connections_moved;  // to the shard of the execution they stream
    runtime::counter& accept_pauses;      // no file descriptors left
    runtime::counter& requests;
    runtime::counter& refusals;    // by the front door
    runtime::counter* answers[6];  // by the status' first digit
    runtime::gauge& streams_open;
    runtime::counter& streams;
    runtime::counter& events_sent;
    runtime::counter& events_rendered;
    runtime::gauge& attached;
    runtime::counter& attachments;
    runtime::counter& attach_messages;
};

// Shard: its own only. Lives as long as its server.
struct environment {
    environment(runtime::shard& at, pipeline::engine& e, const server_config& c, std::vector<runtime::shard*> all,
                class backups* makes_backups)
        : home(at),
          engine(e),
          config(c),
          shards(std::move(all)),
          backups(makes_backups),
          metrics(at.metrics()),
          executes(c.limits.json_depth_max, c.limits.errors_max) {}

    runtime::shard& home;
    pipeline::engine& engine;
    const server_config& config;
    std::vector<runtime::shard*> shards;  // of the whole server, by their ids
    class backups* backups;               // null where none are made
    server_metrics metrics;
    api::execute_reader executes;
    sse::burst_cache bursts;
    bool draining = false;  // takes no new work

    void limit_reached(std::string_view name) { metrics.registry.limit_reached(name); }
};

}  // namespace http
