#include "stages/worker/sandbox/box_network.hpp"

#include <fcntl.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string_view>

#include "runtime/base/last_error.hpp"
#include "stages/worker/sandbox/protocol.hpp"

namespace stages::worker::sandbox {
namespace {

constexpr int network_backlog = 128;

// Below /proc/self/net. The first four count what was ever sent, received, tried and refused, by device and by
// protocol, so that nothing gets into caches of addresses or into waiting connections without a trace; the others list
// what is there now. Of the last one only the first line is about this namespace alone.
constexpr std::array counters{"dev", "snmp", "snmp6", "netstat", "ip6_flowlabel"};
constexpr const char* sockets = "sockstat";

// False if it cannot be read; what is missing on this machine (IPv6) is missing in every namespace.
bool append_file(int proc, const char* name, std::string& to) {
    const descriptor file(openat(proc, (std::string("self/net/") + name).c_str(), O_RDONLY | O_CLOEXEC));
    if (!file) return errno == ENOENT;
    char piece[4096];
    for (;;) {
        const ssize_t n = ::read(file.get(), piece, sizeof piece);
        if (n < 0) return false;
        if (n == 0) return true;
        to.append(piece, static_cast<std::size_t>(n));
    }
}

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

// Empty if they cannot be seen.
std::string box_networks::traces() const {
    std::string seen;
    if (proc_ < 0 || !append_file(proc_, sockets, seen) || seen.empty()) return {};
    seen.resize(std::min(seen.size(), seen.find('\n')));
    for (const char* name : counters)
        if (!append_file(proc_, name, seen)) return {};
    return seen;
}

runtime::error_code box_networks::settle() {
    auto made = home_ ? runtime::result<descriptor>(descriptor()) : unshare_network(false);
    if (!made) return made.error();
    if (*made) home_ = std::move(*made);
    return {};
}

runtime::result<descriptor> box_networks::make() {
    if (const auto failed = settle()) return failed;
    auto made = unshare_network(true);
    if (made && no_traces_.empty()) no_traces_ = traces();
    leave();
    return made;
}

runtime::error_code box_networks::enter(const descriptor& network) const {
    if (setns(network.get(), CLONE_NEWNET) != 0) return runtime::last_error();
    return {};
}

void box_networks::leave() const {
    // A process that may enter namespaces may return to its own.
    if (setns(home_.get(), CLONE_NEWNET) != 0) std::abort();
}

runtime::result<descriptor> box_networks::take() {
    if (spares_.empty()) {
        auto made = make();
        if (made) ++in_use_;
        return made;
    }
    spare next = std::move(spares_.back());
    spares_.pop_back();
    ++in_use_;
    if (next.used) ++reused_;
    return std::move(next.network);
}

bool box_networks::prepare(std::size_t enough) {
    if (!spares_.empty() || in_use_ >= enough) return false;
    auto made = make();
    if (made) spares_.push_back({std::move(*made), false});
    return made.has_value();
}

void box_networks::give_back(descriptor network, std::size_t most) {
    if (!network) return;
    --in_use_;
    if (spares_.size() >= most || no_traces_.empty()) return;
    if (enter(network)) return;
    const bool as_new = traces() == no_traces_;
    leave();
    if (as_new) spares_.push_back({std::move(network), true});
}

void box_networks::keep_at_most(std::size_t most) {
    while (spares_.size() > most) spares_.pop_back();
}

runtime::result<descriptor> box_networks::listen_in(const descriptor& network) const {
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
