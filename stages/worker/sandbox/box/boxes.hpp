// All boxes of one broker, and what they have in turns: user ids, control groups, network namespaces. Called by the
// broker and its pools.
#pragma once

#include <sys/epoll.h>
#include <sys/types.h>

#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "stages/worker/sandbox/box/box.hpp"
#include "stages/worker/sandbox/devices/box_network.hpp"
#include "stages/worker/sandbox/limits/box_groups.hpp"
#include "stages/worker/sandbox/limits/run_watch.hpp"

namespace stages::worker::sandbox {

struct broker_options {
    std::uint32_t first_uid = 0;  // of the range that this broker hands out, uids_of(boxes_max) of them
    std::uint32_t boxes_max = 0;  // at once
    std::string group_prefix;     // of the names of its control groups
    std::uint32_t pool_max = 0;   // boxes that are kept ready, of each kind; 0: none, and nothing is booted ahead
};

// A box whose verdict is out may still be on its way out, while the next one begins.
constexpr std::uint32_t uids_of(std::uint32_t boxes_max) { return 2 * boxes_max; }

// What an event of the broker's epoll set is of: the lowest two bits of its key; above them is a box's number or a
// pool's.
enum class watched : std::uint8_t { reports = 0, handle, mother, successor };
constexpr std::uint64_t key_of(watched what, std::uint64_t number) {
    return number << 2 | static_cast<std::uint64_t>(what);
}
void watch(int events, int fd, std::uint64_t key, std::uint32_t what = EPOLLIN);

// What cannot be added to a box that is there.
struct box_needs {
    terminal_dimensions terminal;
    bool network = false;
};

struct box {
    std::uint64_t run = 0;   // 0: it waits for one
    std::uint32_t pool = 0;  // whose program it has, or will have; 0: none
    start_kind start = start_kind::cold;
    std::uint32_t seat = 0;  // which user id
    uid_t owner = 0;         // that one, as the box's first process has it
    run_watch watch;
    box_group group;
    box_network network;
    box_process process;
    descriptor disk;
    disk_size size_of_disk;
    descriptor terminal;          // its outer end, until the shard has it
    descriptor terminal_end;      // the program's, until pid 1 has it
    descriptor listener;          // in its network, until the shard has it
    bool wants_child = false;     // of its pool's zygote, once it is made
    bool has_network = false;     // somebody listens in its own
    bool network_as_new = false;  // but for local sockets, by its first process's word
    bool made = false;            // others may enter
    bool ready = false;           // what it needs of its program is there
    bool told = false;            // the shard has its verdict
    bool keeps_disk = false;      // the shard wants it with the verdict
    std::string failure;
};

class boxes {
  public:
    using table = std::unordered_map<std::uint64_t, box>;  // by a number of the broker's own
    using iterator = table::iterator;

    // `events`: the epoll set in which each box's socket and handle are watched.
    boxes(const box_context& context, const cgroup_tree& groups, const broker_options& options, int events);

    // With its first process on its way. On failure `step` says at what.
    runtime::result<iterator> make(const box_needs& needs, const char*& step);
    // Gives a box's disk its size, and those to come the same: few programs want another one than the last.
    runtime::error_code size_disk(box& b, const disk_size& size);
    // Kills it: pid 1 takes its whole namespace along. It is there until remove().
    static void end(box& b);
    // Waits for pid 1, which is on its way out or gone; the answer is the CPU time of it and of all that it and its
    // children have waited for, in microseconds.
    static std::uint64_t reap(const box& b);
    // Once it has been waited for. What it leaves as new is kept, for as many boxes as shall wait.
    void remove(iterator which, std::size_t spares);
    // Kills all of them, and waits for that.
    void end_all();

    table& all() { return all_; }
    box& at(std::uint64_t number) { return all_.at(number); }
    [[nodiscard]] bool full() const { return all_.size() >= seats_.size(); }
    // For boxes that nobody has asked for.
    [[nodiscard]] bool has_room() const { return all_.size() + options_.boxes_max < seats_.size(); }

    // Work for a broker with nothing else to do; true if there was some.
    bool prepare(std::size_t spares);
    void keep_at_most(std::size_t spares);
    [[nodiscard]] const box_groups& groups() const { return groups_; }
    [[nodiscard]] const box_networks& networks() const { return networks_; }

  private:
    runtime::error_code furnish(box& b, const box_needs& needs, const char*& step);

    const box_context& context_;
    const broker_options& options_;
    int events_;
    low_slots slots_;
    table all_;
    std::uint64_t next_number_ = 1;
    std::vector<bool> seats_;  // taken ones
    std::uint32_t next_seat_ = 0;
    box_groups groups_;
    box_networks networks_;
    disk_size usual_disk_;
};

}  // namespace stages::worker::sandbox
