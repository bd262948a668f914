// Which executor runs programs, made ready before there are threads.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "app/server.hpp"

namespace app {

struct prepared_executor {
    std::string refusal;      // not empty: the server must not start, and why
    std::string description;  // for the log and /readyz?verbose
    std::vector<pipeline::runtime_versions> runtimes;
    worker_factory make_worker;
    // Told where the server listens, once it does; null where nobody asks.
    std::shared_ptr<std::atomic<std::uint16_t>> own_port;
};

// Thread: the main one, without others; it may fork.
prepared_executor prepare_executor(const settings& values, std::size_t shards);

}  // namespace app
