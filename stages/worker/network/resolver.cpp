#include "stages/worker/network/resolver.hpp"

#include <algorithm>
#include <boost/asio/redirect_error.hpp>

#include "runtime/spawn.hpp"

namespace stages::worker::network {

using boost::asio::ip::tcp;
using runtime::ip_address;
using runtime::task;

namespace {

constexpr std::size_t addresses_max = 16;  // of a name that are looked at

ip_address to_value(const boost::asio::ip::address& address) {
    if (address.is_v4()) return ip_address::v4(address.to_v4().to_uint());
    return ip_address{address.to_v6().to_bytes()};
}

}  // namespace

std::shared_ptr<lookup> system_resolver::ask(std::string name) {
    if (gate_.count() >= open_max) return nullptr;
    auto asked = std::make_shared<lookup>(home_);
    if (!runtime::spawn(gate_, home_, find(std::move(name), asked))) return nullptr;
    return asked;
}

task<void> system_resolver::find(std::string name, std::shared_ptr<lookup> into) {
    runtime::error_code failed;
    const auto found = co_await resolver_.async_resolve(name, "", tcp::resolver::numeric_service,
                                                        boost::asio::redirect_error(runtime::use_task, failed));
    for (const auto& entry : found) {
        const auto address = to_value(entry.endpoint().address());
        const bool is_new = std::ranges::find(into->addresses, address) == into->addresses.end();
        if (is_new && into->addresses.size() < addresses_max) into->addresses.push_back(address);
    }
    into->done = true;
    into->answered.notify_all();
}

task<void> system_resolver::stop() {
    resolver_.cancel();
    co_await gate_.close();
}

}  // namespace stages::worker::network
