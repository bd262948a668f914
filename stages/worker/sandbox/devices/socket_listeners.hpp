// What the system call filters of a box tell of sockets (seccomp_unotify(2)): those of the internet's families and of
// netlink. Pid 1 lets every call go on; that there was one is all that matters. In pid 1 only.
#pragma once

#include <poll.h>

#include <array>
#include <span>

#include "stages/worker/sandbox/inside/wire.hpp"

namespace stages::worker::sandbox {

class socket_listeners {
  public:
    // Where they stay open, beside what else pid 1 opens and closes.
    static constexpr int first_fd = inside::control_fd - 2;
    static constexpr std::size_t most = 2;  // pid 1's own filter, and that of a zygote's child

    // Takes it over; false, with errno, if it cannot.
    bool add(int listener);
    // To be polled, whatever else is.
    [[nodiscard]] std::array<pollfd, most> polled() const { return polled_; }
    // What poll() has found of them.
    void answer(std::span<const pollfd> found);
    // Somebody in the box has made such a socket, or is about to.
    [[nodiscard]] bool have_heard() const { return heard_; }

  private:
    std::array<pollfd, most> polled_{pollfd{-1, POLLIN, 0}, pollfd{-1, POLLIN, 0}};
    std::size_t count_ = 0;
    bool heard_ = false;
};

}  // namespace stages::worker::sandbox
