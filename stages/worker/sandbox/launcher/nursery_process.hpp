// The nursery itself: a program of its own, which the server executes before it has threads (main.cpp). Small and
// linked statically, so that brokers and the first processes of boxes, which are copies of it, cost little to make, and
// have nothing of the server's in their memory.
#pragma once

#include <sys/types.h>

#include <map>
#include <vector>

#include "stages/worker/sandbox/box/box.hpp"
#include "stages/worker/sandbox/channel/descriptor.hpp"
#include "stages/worker/sandbox/channel/launcher_options.hpp"
#include "stages/worker/sandbox/channel/protocol.hpp"
#include "stages/worker/sandbox/limits/cgroup.hpp"

namespace stages::worker::sandbox {

class nursery_process {
  public:
    nursery_process(launcher_options options, std::vector<descriptor> channels, descriptor reports, pid_t server)
        : options_(std::move(options)), channels_(std::move(channels)), reports_(std::move(reports)), server_(server) {}

    [[noreturn]] void run();

  private:
    report_packet probe();
    void serve();
    void take_signals();
    void take_request(std::size_t i);
    void make_broker(std::size_t i);
    [[noreturn]] void become_broker(std::size_t i, descriptor socket);
    [[noreturn]] void end();

    launcher_options options_;
    std::vector<descriptor> channels_;
    descriptor reports_;
    pid_t server_;
    descriptor signals_;
    box_context context_;
    cgroup_tree groups_;
    std::map<pid_t, std::size_t> brokers_;  // and the channel that each is for
    bool swept_ = false;
    bool asked_to_end_ = false;
};

}  // namespace stages::worker::sandbox
