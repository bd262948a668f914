// Records that several tests of the pipeline start from.
#pragma once

#include "pipeline/execution.hpp"
#include "runtime/simulation/world.hpp"

namespace pipeline::samples {

inline accepted_record accepted() {
    accepted_record out;
    out.tenant = "default";
    out.user = "local";
    out.lang = "python";
    out.lang_version = "3.11";
    out.script.inline_bytes = "print(1)";
    auto& more = out.with_more();
    more.args = {"a", std::string("b\0c", 3)};
    more.standard_input.blob = {7, 2, 300'000};
    out.priority = priority::high;
    out.limits.wall_ms = 1234;
    out.limits.kill_on_output_limit = true;
    out.retry = {3, {error_type::infrastructure, error_type::timeout_wall}, 250};
    more.labels = {{"team", "red"}, {"v", ""}};
    more.traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    return out;
}

inline verdict_view failed() {
    verdict_view out;
    out.status = status::failed;
    out.exit_code = -3;
    out.error_type = error_type::exit_code;
    out.error_message = "exit code -3";
    out.resource_usage = usage{1'500'000, 20'000, std::nullopt, 4, 99};
    out.stderr_truncated = true;
    return out;
}

inline verdict_view completed() {
    verdict_view out;
    out.status = status::completed;
    out.exit_code = 0;
    return out;
}

// One execution and the offsets of its records, fed as a log would.
struct feed {
    runtime::simulation::world world{1};
    runtime::simulation::simulated_shard& home = world.add_shard(0);
    storage::offset next = 1;
    std::shared_ptr<execution> e;

    storage::record_header header(record_type type, std::uint16_t events) {
        storage::record_header out = e->next_header(type, events);
        out.at = next++;
        out.time = {1'800'000'000'000'000 + static_cast<std::int64_t>(next)};
        return out;
    }
    bool accept() {
        storage::record_header first;
        first.type = static_cast<std::uint16_t>(record_type::accepted);
        first.at = next++;
        first.first_event = 1;
        first.event_count = 3;
        first.attempt = 1;
        const auto payload = encode(accepted());
        e = execution::make(home, {first, payload});
        return e && e->apply({first, payload}, true);
    }
    bool apply(record_type type, std::uint16_t events, const std::string& payload = {}) {
        return e->apply({header(type, events), payload}, true);
    }
};

}  // namespace pipeline::samples
