// The network namespaces of boxes. To make one and to end one takes the kernel a millisecond of CPU time, more than
// the rest of a box; so one in which nobody has ever made a socket but local ones, and none of them is left, is another
// box's after it: without others nothing of a namespace can be changed, counted or filled. Called by a broker.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "runtime/base/result.hpp"
#include "stages/worker/sandbox/channel/descriptor.hpp"

namespace stages::worker::sandbox {

// One of them, in which only the loopback device is up.
struct box_network {
    descriptor handle;
    descriptor sockets;  // says how many there are in it; none where the kernel does not let us know
    bool used = false;   // by another box before
};

class box_networks {
  public:
    // Whether it can be known here that no socket is left in one; else each is for one box.
    static bool can_count_sockets();

    // Nobody is in it.
    runtime::result<box_network> take();
    // Moves the calling process into it, until leave(): whatever is made meanwhile is in it for good.
    runtime::error_code enter(const box_network& network) const;
    void leave() const;
    // A socket that listens on its loopback device, at network_port. Whoever has it can take connections of the box's
    // programs, from wherever it is.
    runtime::result<descriptor> listen_in(const box_network& network) const;
    // Makes the next one ahead, unless one is there or `enough` are in use and come back. False if it has not.
    bool prepare(std::size_t enough);
    // Nothing runs in it any more. It is kept if `most` are not kept already; 0 if there was a socket in it but local
    // ones. Should one of these be left, on its way between two others that nobody holds, nobody gets it.
    void give_back(box_network network, std::size_t most);
    void keep_at_most(std::size_t most);

    [[nodiscard]] std::size_t kept() const { return spares_.size(); }
    // That were given out a second time or more often.
    [[nodiscard]] std::uint64_t reused() const { return reused_; }

  private:
    runtime::error_code settle();
    runtime::result<box_network> make();

    descriptor home_;  // the caller's own, in which nothing ever is but what it talks with
    descriptor proc_;  // mounted nowhere: what is known of the networks of processes
    std::vector<box_network> spares_;
    std::size_t in_use_ = 0;
    bool come_back_ = false;  // the last one could
    std::uint64_t reused_ = 0;
};

}  // namespace stages::worker::sandbox
