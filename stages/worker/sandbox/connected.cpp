// The network of a box that may have one: the filter behind its only socket.
#include <algorithm>

#include "runtime/base/assert.hpp"
#include "stages/worker/sandbox/active_run.hpp"

namespace stages::worker::sandbox {

static_assert(network_port == network::proxy_port);

// The variables that programs look for. What is local stays in the box.
void sandbox_worker::connect_box(launch_packet& what) {
    what.network = true;
    const std::string proxy = "http://127.0.0.1:" + std::to_string(network_port);
    for (const char* name : {"http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"})
        what.environment.push_back(std::string(name) + "=" + proxy);
    for (const char* name : {"no_proxy", "NO_PROXY"})
        what.environment.push_back(std::string(name) + "=localhost,127.0.0.1,::1");
}

// In the order in which the broker sends them.
void sandbox_worker::take_at_start(active_run& run, std::vector<descriptor> files) {
    auto next = files.begin();
    if (run.has_terminal && next != files.end()) take_terminal(run, std::move(*next++));
    if (run.network && next != files.end()) run.listener = std::move(*next);
}

void sandbox_worker::begin_network(active_run& run) {
    if (!run.network || !run.listener) return;
    const int listener = run.listener.get();
    if (run.network->begin(listener)) static_cast<void>(run.listener.release());
}

}  // namespace stages::worker::sandbox
