// The launcher: what a server executes to have programs run in boxes. It gets open sockets, one that brings its options
// and takes its report, and one for each shard, and no arguments and no environment.
#include <utility>
#include <variant>
#include <vector>

#include "stages/worker/sandbox/channel/channel.hpp"
#include "stages/worker/sandbox/launcher/nursery_process.hpp"

int main() {
    namespace sandbox = stages::worker::sandbox;
    sandbox::descriptor reports(sandbox::first_launcher_fd);
    auto got = sandbox::wait_for_packet(reports.get(), sandbox::launcher_patience_ms);
    auto* told = got ? std::get_if<sandbox::launcher_packet>(&got->what) : nullptr;
    if (told == nullptr) return 1;
    std::vector<sandbox::descriptor> channels;
    for (std::uint32_t i = 0; i < told->channels; ++i)
        channels.emplace_back(sandbox::first_launcher_fd + 1 + static_cast<int>(i));
    sandbox::nursery_process(std::move(told->options), std::move(channels), std::move(reports), told->server).run();
}
