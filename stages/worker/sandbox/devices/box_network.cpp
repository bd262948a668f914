#include "stages/worker/sandbox/devices/box_network.hpp"

#include <fcntl.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string_view>

#include "runtime/base/last_error.hpp"
#include "stages/worker/sandbox/channel/protocol.hpp"

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

constexpr const char* own_socket_count = "thread-self/net/sockstat";

descriptor mount_proc() {
    const descriptor context(fsopen("proc", FSOPEN_CLOEXEC));
    if (!context || fsconfig(context.get(), FSCONFIG_SET_STRING, "subset", "pid", 0) != 0 ||
        fsconfig(context.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) != 0)
        return {};
    return descriptor(
        fsmount(context.get(), FSMOUNT_CLOEXEC, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC));
}

bool has_sockets(const box_network& network) {
    char text[64];
    const ssize_t bytes = ::pread(network.sockets.get(), text, sizeof text, 0);
    return bytes <= 0 || !std::string_view(text, static_cast<std::size_t>(bytes)).starts_with("sockets: used 0\n");
}

}  // namespace

bool box_networks::can_count_sockets() {
    const descriptor proc = mount_proc();
    return static_cast<bool>(descriptor(openat(proc.get(), own_socket_count, O_RDONLY | O_CLOEXEC)));
}

runtime::error_code box_networks::settle() {
    if (home_) return {};
    auto made = unshare_network(false);
    if (!made) return made.error();
    home_ = std::move(*made);
    proc_ = mount_proc();
    return {};
}

runtime::result<box_network> box_networks::make() {
    if (const auto failed = settle()) return failed;
    auto handle = unshare_network(true);
    descriptor sockets(openat(proc_.get(), own_socket_count, O_RDONLY | O_CLOEXEC));
    leave();
    if (!handle) return handle.error();
    return box_network{std::move(*handle), std::move(sockets), false};
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
    while (!spares_.empty()) {
        box_network next = std::move(spares_.back());
        spares_.pop_back();
        if (next.used && has_sockets(next)) continue;
        ++in_use_;
        if (next.used) ++reused_;
        return next;
    }
    auto made = make();
    if (made) ++in_use_;
    return made;
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
    if (!network.sockets) most = 0;
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
