// The process that starts and ends boxes for one shard. It has one thread, lives in the small root of rootfs.hpp, and
// alone decides why a tree ended: wall time, CPU time and memory are watched from here, outside the box.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "stages/worker/sandbox/box.hpp"
#include "stages/worker/sandbox/box_groups.hpp"
#include "stages/worker/sandbox/box_network.hpp"
#include "stages/worker/sandbox/cgroup.hpp"
#include "stages/worker/sandbox/channel.hpp"
#include "stages/worker/sandbox/pool_size.hpp"
#include "stages/worker/sandbox/zygote.hpp"

namespace stages::worker::sandbox {

struct broker_options {
    std::uint32_t first_uid = 0;  // of the range that this broker hands out, uids_of(boxes_max) of them
    std::uint32_t boxes_max = 0;  // at once
    std::string group_prefix;     // of the names of its control groups
    std::uint32_t pool_max = 0;   // boxes that are kept ready, of each kind; 0: none, and nothing is booted ahead
};

// A box whose verdict is out may still be on its way out, while the next one begins.
constexpr std::uint32_t uids_of(std::uint32_t boxes_max) { return 2 * boxes_max; }

class broker {
  public:
    broker(const box_context& context, const cgroup_tree& groups, descriptor socket, broker_options options);

    // Until the socket is closed; then every box is killed and its group removed.
    void run();

  private:
    // What an event is of: the lowest two bits of its key; above them is a box's number or a pool's.
    enum class watched : std::uint8_t { reports = 0, handle, mother, successor };
    static constexpr std::uint64_t socket_key = ~0ULL;
    static std::uint64_t key_of(watched what, std::uint64_t number) {
        return number << 2 | static_cast<std::uint64_t>(what);
    }

    // What cannot be added to a box that is there.
    struct box_needs {
        terminal_dimensions terminal;
        bool network = false;
    };
    struct box {
        std::uint64_t run = 0;   // 0: it waits for one
        std::uint32_t pool = 0;  // whose program it has, or will have; 0: none
        start_kind start = start_kind::cold;
        box_limits limits;
        std::uint32_t seat = 0;  // which user id
        box_group group;
        box_network network;
        box_process process;
        descriptor disk;
        descriptor terminal;              // its outer end, until the shard has it
        descriptor terminal_end;          // the program's, until pid 1 has it
        descriptor listener;              // in its network, until the shard has it
        std::uint64_t cpu_before_us = 0;  // what it had used when its run came
        std::int64_t began_ns = 0;
        std::int64_t ended_ns = 0;
        std::int64_t wall_deadline_ns = 0;
        std::int64_t next_look_ns = 0;
        int exit_status = 0;
        descriptor program_end;       // for a zygote's child, until the box is made
        bool has_network = false;     // somebody listens in its own
        bool made = false;            // others may enter
        bool ready = false;           // what it needs of its program is there
        bool begun = false;           // the program has
        bool exited = false;          // its pid 1 has reported exit_status
        bool made_no_socket = false;  // nor had the broker made one for it
        bool told = false;            // the shard has its verdict
        bool keeps_disk = false;      // the shard wants it with the verdict
        kill_reason killed_for = kill_reason::none;
        std::string failure;
    };
    using boxes = std::unordered_map<std::uint64_t, box>;  // by a number of the broker's own
    // Boxes of one kind that wait for a run.
    struct pool {
        warm_packet what;  // number 0: no program
        pool_size size;
        std::deque<std::uint64_t> waiting;  // boxes, ready or on their way
        std::optional<zygote> mother;
        std::optional<zygote> successor;  // boots while the mother still bears
        std::int64_t rests_until_ns = 0;  // after a failure
        pool_packet told;                 // what the shard knows
        pool_packet now;
    };

    void take_packets();
    void launch(launch_packet what, std::vector<descriptor> files);
    const char* unfit(const launch_packet& what, const std::vector<descriptor>& files) const;
    runtime::error_code hand_over(box& b, launch_packet& what, const std::vector<descriptor>& files, const char*& step);
    void refuse(std::uint64_t run, std::string why);
    void kill(box& b, kill_reason why);
    static void forward(const box& b, int number);
    static std::vector<descriptor> given_at_start(box& b);
    void read_reports(std::uint64_t number, box& b);
    void look(box& b, std::int64_t now);
    std::int64_t look_at_all();
    void tell(box& b, std::uint64_t cpu_of_tree_us);
    void conclude(boxes::iterator which);
    ended_packet verdict_of(box& b, std::uint64_t cpu_of_tree_us);
    void send(packet what, std::vector<descriptor> beside = {});
    void flush();
    void watch(int fd, std::uint64_t key, bool also_writable = false);
    void end_all();

    // broker_pools.cpp
    void add_pool(warm_packet what);
    runtime::error_code furnish(box& b, const box_needs& needs, const char*& step);
    runtime::result<boxes::iterator> make_box(const box_needs& needs, const char*& step);
    runtime::result<boxes::iterator> choose_box(launch_packet& what, const char*& step);
    boxes::iterator take_ready(pool& from);
    boxes::iterator take_begun(pool& from);
    static bool bears(const pool& of);
    runtime::error_code order_program(pool& of, boxes::iterator into);
    void order_child(box& b);
    bool prepare_next();
    [[nodiscard]] bool has_room() const;
    bool fill(pool& which);
    bool keep_zygote(pool& which);
    void read_zygote(pool& which, bool successor);
    void lose_zygote(pool& which, std::optional<zygote>& lost);
    std::int64_t look_at_pools(std::int64_t now);
    void forget_waiting(std::uint64_t number, const box& b);
    void give_up(std::uint64_t number);
    void tell_of_pools(std::int64_t now);
    [[nodiscard]] std::size_t spares_max() const;
    void keep_no_more_spares();

    const box_context& context_;
    descriptor socket_;
    broker_options options_;
    descriptor events_;
    boxes boxes_;
    std::unordered_map<std::uint64_t, std::uint64_t> boxes_of_runs_;  // run -> number
    std::map<std::uint32_t, pool> pools_;                             // 0: boxes without a program
    std::uint64_t next_number_ = 1;
    std::uint32_t untold_ = 0;  // runs without a verdict
    std::vector<bool> seats_;   // taken ones
    std::uint32_t next_seat_ = 0;
    std::uint64_t cpus_ = 1;
    struct outgoing {
        packet what;
        std::vector<descriptor> beside;
    };
    std::deque<outgoing> unsent_;  // at most two for each box
    box_groups groups_;
    box_networks networks_;
    std::int64_t pools_told_ns_ = 0;
    bool closed_ = false;
};

}  // namespace stages::worker::sandbox
