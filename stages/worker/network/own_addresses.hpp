// The addresses of this machine.
#pragma once

#include <optional>
#include <vector>

#include "runtime/base/ip_address.hpp"
#include "runtime/base/time.hpp"

namespace stages::worker::network {

// Of all its interfaces, as they are now; in about 0.1 ms. Nothing if the kernel does not tell.
std::optional<std::vector<runtime::ip_address>> own_addresses();

// The same, asked for at most once a second: programs may connect thousands of times in one. Shard: its own only.
class known_own_addresses {
  public:
    // Null while the kernel has never told: then nobody may connect, for any address could be the machine's.
    const std::vector<runtime::ip_address>* at(runtime::steady_time now);

  private:
    std::optional<std::vector<runtime::ip_address>> known_;
    runtime::steady_time asked_at_;
};

}  // namespace stages::worker::network
