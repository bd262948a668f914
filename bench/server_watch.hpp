// What the server says and uses while it is loaded: its /metrics, and the CPU and memory of its process where that runs
// on this machine.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "http/client/connection.hpp"

namespace bench {

// The samples of a Prometheus text by their full name, labels included; comments and what is malformed are left out.
std::map<std::string, double, std::less<>> parse_metrics(std::string_view text);

struct process_use {
    double cpu_seconds = 0;
    double rss_mib = 0;
};
// Nothing when there is no such process.
std::optional<process_use> use_of_process(std::uint64_t pid);
// The process that listens on this port of this machine, if it may be seen; 0 otherwise.
std::uint64_t find_listener(std::uint16_t port);
bool is_loopback(std::string_view host);

struct server_sample {
    std::optional<double> queued;
    std::optional<process_use> use;
    std::map<std::string, double, std::less<>> metrics;  // empty: no answer
};

// Shard: the one it was made for; one question at a time.
class server_watch {
  public:
    server_watch(runtime::shard& home, http::client::url server, std::uint64_t pid);

    runtime::task<server_sample> sample();
    // What GET /readyz?verbose says; empty when nothing.
    runtime::task<std::string> describe();
    [[nodiscard]] std::uint64_t pid() const { return pid_; }

  private:
    runtime::shard& home_;
    http::client::connection connection_;
    std::uint64_t pid_;
};

}  // namespace bench
