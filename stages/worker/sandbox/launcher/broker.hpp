// The process that starts and ends boxes for one shard. It has one thread, lives in the small root of rootfs.hpp, and
// alone says why a tree ended.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <unordered_map>
#include <vector>

#include "stages/worker/sandbox/box/boxes.hpp"
#include "stages/worker/sandbox/channel/channel.hpp"
#include "stages/worker/sandbox/warm/pools.hpp"

namespace stages::worker::sandbox {

class broker {
  public:
    broker(const box_context& context, const cgroup_tree& groups, descriptor socket, broker_options options);

    // Until the socket is closed; then every box is killed and its group removed.
    void run();

  private:
    static constexpr std::uint64_t socket_key = ~0ULL;

    void take_packets();
    void take(std::uint64_t key, std::uint32_t happened);
    void launch(launch_packet what, std::vector<descriptor> files);
    const char* unfit(const launch_packet& what, const std::vector<descriptor>& files) const;
    runtime::error_code hand_over(box& b, const launch_packet& what, const std::vector<descriptor>& files,
                                  const char*& step);
    void refuse(std::uint64_t run, std::string why);
    box* box_of(std::uint64_t run);
    static void kill(box& b, kill_reason why);
    static void forward(const box& b, int number);
    void begun(box& b, std::int64_t at_ns);
    void read_reports(std::uint64_t number, box& b);
    void take_report(box& b, const box_record& record);
    std::int64_t look_at_all();
    void tell(box& b, std::uint64_t cpu_of_tree_us);
    void tell_of_pools(std::int64_t now_ns);
    void conclude(boxes::iterator which);
    void send(packet what, std::vector<descriptor> beside = {});
    void flush();

    const box_context& context_;
    descriptor socket_;
    broker_options options_;
    descriptor events_;
    boxes boxes_;
    pools pools_;
    std::unordered_map<std::uint64_t, std::uint64_t> boxes_of_runs_;  // run -> number
    std::uint32_t untold_ = 0;                                        // runs without a verdict
    struct outgoing {
        packet what;
        std::vector<descriptor> beside;
    };
    std::deque<outgoing> unsent_;  // at most two for each box
    bool closed_ = false;
};

}  // namespace stages::worker::sandbox
