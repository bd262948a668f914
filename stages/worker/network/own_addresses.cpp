#include "stages/worker/network/own_addresses.hpp"

#include <ifaddrs.h>
#include <netinet/in.h>

#include <algorithm>

namespace stages::worker::network {

namespace {

constexpr runtime::milliseconds asked_again_after{1'000};

}  // namespace

std::optional<std::vector<runtime::ip_address>> own_addresses() {
    std::vector<runtime::ip_address> out;
    ifaddrs* list = nullptr;
    if (getifaddrs(&list) != 0) return std::nullopt;
    for (const ifaddrs* one = list; one != nullptr; one = one->ifa_next) {
        if (one->ifa_addr == nullptr) continue;
        if (one->ifa_addr->sa_family == AF_INET) {
            const auto* const v4 = reinterpret_cast<const sockaddr_in*>(one->ifa_addr);
            out.push_back(runtime::ip_address::v4(ntohl(v4->sin_addr.s_addr)));
        } else if (one->ifa_addr->sa_family == AF_INET6) {
            const auto* const v6 = reinterpret_cast<const sockaddr_in6*>(one->ifa_addr);
            auto& address = out.emplace_back();
            std::copy_n(v6->sin6_addr.s6_addr, address.bytes.size(), address.bytes.begin());
        }
    }
    freeifaddrs(list);
    return out;
}

const std::vector<runtime::ip_address>* known_own_addresses::at(runtime::steady_time now) {
    if (!known_ || now - asked_at_ >= asked_again_after) {
        asked_at_ = now;
        if (auto fresh = own_addresses()) known_ = std::move(fresh);
    }
    return known_ ? &*known_ : nullptr;
}

}  // namespace stages::worker::network
