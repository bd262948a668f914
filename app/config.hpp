// What a Weir process may be told: the list of properties, and their values as one plain struct. Everything below app/
// takes its part of this struct (or a struct of its own that app/ fills in) and knows nothing of files and flags.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "pipeline/network.hpp"
#include "runtime/base/config.hpp"

namespace app {

using runtime::milliseconds;

// Zero in a count that is "0 for none" means that there is no such limit. Units stand in the names.
struct settings {
    runtime::network_address listen;
    bool insecure_no_auth = false;
    std::string data_directory;
    std::size_t shards = 0;  // 0: one per usable CPU
    std::size_t seats = 0;   // 0: eight per usable CPU within the memory there is

    struct executor_settings {
        bool noop = false;             // else the sandbox
        milliseconds noop_lasts{0};    // how long each noop launch takes
        std::uint32_t noop_lines = 0;  // that it prints
        milliseconds noop_period{0};   // each
    } executor;

    struct sandbox_settings {
        bool weak_limits = false;
        std::uint32_t pool_max = 0;  // of each kind on each shard
    } sandbox;

    pipeline::network_policy network;

    struct runtimes_settings {
        std::string directory;              // of manifests; empty: see app/runtimes_folder.hpp
        std::uint64_t cache_bytes_max = 0;  // a node
    } runtimes;

    struct admission_settings {
        std::size_t queued_max = 0;     // a node
        std::size_t user_open_max = 0;  // 0 for none
        std::size_t user_block_max = 0;
        milliseconds user_lease{0};
    } admission;

    struct sse_settings {
        std::size_t connections_max = 0;       // a node
        std::size_t user_connections_max = 0;  // 0 for none
        milliseconds heartbeat{0};
        milliseconds stalled{0};
    } sse;

    struct shutdown_settings {
        milliseconds grace{0};
    } shutdown;

    struct idempotency_settings {
        std::size_t keys_max = 0;  // a node
        milliseconds key_ttl{0};
    } idempotency;

    struct log_settings {
        std::string writer;  // auto, io_uring, thread
        std::uint64_t segment_bytes = 0;
        std::uint64_t batch_bytes_max = 0;
        milliseconds record_age_max{0};
        std::uint64_t snapshot_bytes = 0;  // of a shard's log
        milliseconds snapshot_age_max{0};
        std::uint64_t reserve_bytes = 0;
        milliseconds stalled{0};
    } log;

    struct partition_settings {
        unsigned bits = 0;
    } partition;

    struct archive_settings {
        std::uint64_t flush_bytes = 0;
        milliseconds flush_interval{0};
        // Of ended executions; 0 for none.
        milliseconds retention_age{0};
        std::uint64_t retention_count_max = 0;
        std::uint64_t retention_bytes_max = 0;
        milliseconds retention_interval{0};
    } archive;

    struct http_settings {
        std::size_t connections_max = 0;  // a node
        std::size_t header_bytes_max = 0;
        std::size_t target_bytes_max = 0;
        std::size_t fields_max = 0;
        std::size_t body_bytes_max = 0;
        std::size_t chunk_overhead_bytes_max = 0;
        std::size_t bodies_bytes_max = 0;   // of one shard in memory
        std::size_t answers_bytes_max = 0;  // of one shard in memory
        milliseconds header_deadline{0};
        milliseconds body_deadline{0};
        milliseconds idle_deadline{0};
        milliseconds write_deadline{0};
    } http;

    // Of what a client may ask for: what it gets if it says nothing, and the most.
    struct program_limits {
        std::uint64_t wall_ms = 0;
        std::uint64_t cpu_ms = 0;
        std::uint64_t memory_bytes = 0;
        std::uint64_t processes = 0;
        std::uint64_t output_bytes = 0;
        std::uint64_t disk_bytes = 0;
    };
    program_limits limits_default;
    program_limits limits_max;

    struct logging_settings {
        std::string level;   // debug, info, warning, error
        std::string format;  // text, json
        std::uint32_t repeated_per_second_max = 0;
    } logging;
};

std::span<const runtime::property> properties();

// What the command line of a server process came to.
struct loaded_settings {
    settings values;
    std::vector<std::string> errors;  // none: `values` may be used
    std::vector<std::string> warnings;
    std::string shown;  // every property with its value and origin, for --show-config
    bool show_config = false;
    bool help = false;
};

// File (--config FILE or WEIR_CONFIG), environment, flags; the later wins. `arguments` is what follows `weir serve`.
// Thread: the main one, before there are shards.
loaded_settings load_settings(std::span<const std::string> arguments, std::span<const std::string> environment);

// This process's environment, as load_settings takes it.
std::vector<std::string> process_environment();

// What `weir serve --help` prints.
std::string serve_help();

// docs/configuration.md, whole; a test holds the committed file against it.
std::string configuration_page();

}  // namespace app
