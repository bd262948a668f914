#include "stages/worker/sandbox/devices/socket_listeners.hpp"

#include <fcntl.h>
#include <linux/seccomp.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>

namespace stages::worker::sandbox {

bool socket_listeners::add(int listener) {
    const int place = first_fd + static_cast<int>(count_);
    if (count_ == most) errno = EMFILE;
    if (count_ == most || dup3(listener, place, O_CLOEXEC) != place) return false;
    close(listener);
    polled_[count_++].fd = place;
    return true;
}

void socket_listeners::answer(std::span<const pollfd> found) {
    for (std::size_t i = 0; i < most; ++i) {
        // With nobody left who could call it would be found again and again. (An error is a poll that a signal ended.)
        if ((found[i].revents & POLLHUP) != 0) polled_[i].fd = -1;
        if ((found[i].revents & POLLIN) == 0) continue;
        seccomp_notif request{};
        if (ioctl(found[i].fd, SECCOMP_IOCTL_NOTIF_RECV, &request) != 0) continue;  // whoever made it is gone
        heard_ = true;
        seccomp_notif_resp response{};
        response.id = request.id;
        response.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
        while (ioctl(found[i].fd, SECCOMP_IOCTL_NOTIF_SEND, &response) != 0 && errno == EINTR) {
        }
    }
}

}  // namespace stages::worker::sandbox
