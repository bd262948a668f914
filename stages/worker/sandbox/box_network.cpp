// A network namespace for one box, and what listens in it.
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

#include "runtime/base/last_error.hpp"
#include "stages/worker/sandbox/box.hpp"

namespace stages::worker::sandbox {
namespace {

constexpr int network_backlog = 128;

}  // namespace

runtime::error_code enter_fresh_network() {
    if (unshare(CLONE_NEWNET) != 0) return runtime::last_error();
    const descriptor any(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    ifreq request{};
    std::strcpy(request.ifr_name, "lo");
    request.ifr_flags = IFF_UP | IFF_RUNNING;
    if (!any || ioctl(any.get(), SIOCSIFFLAGS, &request) != 0) return runtime::last_error();
    return {};
}

runtime::result<descriptor> listen_in_network() {
    descriptor listener(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    sockaddr_in here{};
    here.sin_family = AF_INET;
    here.sin_port = htons(network_port);
    here.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (!listener || bind(listener.get(), reinterpret_cast<const sockaddr*>(&here), sizeof here) != 0 ||
        listen(listener.get(), network_backlog) != 0)
        return runtime::last_error();
    return listener;
}

}  // namespace stages::worker::sandbox
