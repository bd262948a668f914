#include "stages/worker/sandbox/box_network.hpp"

#include <linux/sockios.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "runtime/base/last_error.hpp"
#include "stages/worker/sandbox/protocol.hpp"

namespace stages::worker::sandbox {
namespace {

constexpr int network_backlog = 128;

// Moves the calling process into a new one.
runtime::result<descriptor> unshare_network(bool with_loopback) {
    if (unshare(CLONE_NEWNET) != 0) return runtime::last_error();
    const descriptor any(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    ifreq request{};
    std::strcpy(request.ifr_name, "lo");
    request.ifr_flags = IFF_UP | IFF_RUNNING;
    if (!any || (with_loopback && ioctl(any.get(), SIOCSIFFLAGS, &request) != 0)) return runtime::last_error();
    descriptor made(ioctl(any.get(), SIOCGSKNS));
    if (!made) return runtime::last_error();
    return made;
}

}  // namespace

runtime::error_code box_networks::settle() {
    if (home_) return {};
    auto made = unshare_network(false);
    if (!made) return made.error();
    home_ = std::move(*made);
    return {};
}

runtime::result<box_network> box_networks::make() {
    if (const auto failed = settle()) return failed;
    auto handle = unshare_network(true);
    leave();
    if (!handle) return handle.error();
    return box_network{std::move(*handle), false};
}

runtime::error_code box_networks::enter(const box_network& network) const {
    if (setns(network.handle.get(), CLONE_NEWNET) != 0) return runtime::last_error();
    return {};
}

void box_networks::leave() const {
    // A process that may enter namespaces may return to its own.
    if (setns(home_.get(), CLONE_NEWNET) != 0) std::abort();
}

runtime::result<box_network> box_networks::take() {
    if (spares_.empty()) {
        auto made = make();
        if (made) ++in_use_;
        return made;
    }
    box_network next = std::move(spares_.back());
    spares_.pop_back();
    ++in_use_;
    if (next.used) ++reused_;
    return next;
}

bool box_networks::prepare(std::size_t enough) {
    if (!spares_.empty() || (come_back_ && in_use_ >= enough)) return false;
    auto made = make();
    if (made) spares_.push_back(std::move(*made));
    return made.has_value();
}

void box_networks::give_back(box_network network, std::size_t most) {
    if (!network.handle) return;
    --in_use_;
    network.used = true;
    come_back_ = most > 0;
    if (spares_.size() < most) spares_.push_back(std::move(network));
}

void box_networks::keep_at_most(std::size_t most) {
    while (spares_.size() > most) spares_.pop_back();
}

runtime::result<descriptor> box_networks::listen_in(const box_network& network) const {
    if (const auto failed = enter(network)) return failed;
    descriptor listener(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    leave();
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
