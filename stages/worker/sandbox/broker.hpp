// The process that starts and ends boxes for one shard. It has one thread, lives in the small root of rootfs.hpp, and
// alone decides why a tree ended: wall time, CPU time and memory are watched from here, outside the box.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <unordered_map>
#include <vector>

#include "stages/worker/sandbox/box.hpp"
#include "stages/worker/sandbox/cgroup.hpp"
#include "stages/worker/sandbox/channel.hpp"

namespace stages::worker::sandbox {

struct broker_options {
    std::uint32_t first_uid = 0;  // of the range that this broker hands out, uids_of(boxes_max) of them
    std::uint32_t boxes_max = 0;  // at once
    std::string group_prefix;     // of the names of its control groups
};

// A box whose verdict is out may still be on its way out, while the next one begins.
constexpr std::uint32_t uids_of(std::uint32_t boxes_max) { return 2 * boxes_max; }

class broker {
  public:
    broker(const box_context& context, const cgroup_tree& groups, descriptor socket, broker_options options);

    // Until the socket is closed; then every box is killed and its group removed.
    void run();

  private:
    struct box {
        box_limits limits;
        std::uint32_t seat = 0;  // which user id
        box_group group;
        box_process process;
        descriptor disk;
        descriptor terminal;  // its outer end, until the shard has it
        descriptor listener;  // in its network, until the shard has it
        std::int64_t began_ns = 0;
        std::int64_t ended_ns = 0;
        std::int64_t wall_deadline_ns = 0;
        std::int64_t next_look_ns = 0;
        int exit_status = 0;
        bool exited = false;      // its pid 1 has reported exit_status
        bool told = false;        // the shard has its verdict
        bool keeps_disk = false;  // the shard wants it with the verdict
        kill_reason killed_for = kill_reason::none;
        std::string failure;
    };
    using boxes = std::unordered_map<std::uint64_t, box>;

    void take_packets();
    void launch(const launch_packet& what, std::vector<descriptor> files);
    runtime::error_code begin(box& b, const launch_packet& what, const std::vector<descriptor>& files,
                              const char*& step);
    void refuse(std::uint64_t run, std::string why);
    void kill(box& b, kill_reason why);
    static void forward(const box& b, int number);
    static std::vector<descriptor> given_at_start(box& b);
    void read_reports(std::uint64_t run, box& b);
    void look(box& b, std::int64_t now);
    std::int64_t look_at_all();
    void tell(std::uint64_t run, box& b, std::uint64_t cpu_of_tree_us);
    void conclude(boxes::iterator which);
    ended_packet verdict_of(std::uint64_t run, box& b, std::uint64_t cpu_of_tree_us);
    void send(packet what, std::vector<descriptor> beside = {});
    void flush();
    void watch(int fd, std::uint64_t key, bool also_writable = false);
    bool prepare_next();
    void remove_left_groups();
    void end_all();

    const box_context& context_;
    const cgroup_tree& groups_;
    descriptor socket_;
    broker_options options_;
    descriptor events_;
    boxes boxes_;
    std::uint32_t untold_ = 0;  // boxes without a verdict
    std::vector<bool> seats_;   // taken ones
    std::uint32_t next_seat_ = 0;
    std::uint64_t next_group_ = 0;
    std::uint64_t cpus_ = 1;
    struct outgoing {
        packet what;
        std::vector<descriptor> beside;
    };
    std::deque<outgoing> unsent_;  // at most two for each box
    std::vector<box_group> left_groups_;
    // Made while nothing else is to do: a network namespace costs a third of a millisecond.
    bool network_is_fresh_ = false;
    std::vector<box_group> spare_group_;
    bool closed_ = false;
};

}  // namespace stages::worker::sandbox
