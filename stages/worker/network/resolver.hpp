// From names to addresses.
#pragma once

#include <boost/asio/ip/basic_resolver.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <memory>
#include <string>
#include <vector>

#include "runtime/base/ip_address.hpp"
#include "runtime/base/result.hpp"
#include "runtime/event.hpp"
#include "runtime/gate.hpp"
#include "runtime/shard.hpp"
#include "runtime/task.hpp"

namespace stages::worker::network {

// A question that has been asked. Who asked may go before there is an answer.
struct lookup {
    explicit lookup(runtime::shard& home) : answered(home) {}
    bool done = false;
    std::vector<runtime::ip_address> addresses;  // none: there is no such name, or nobody answers
    runtime::event answered;
};

// Shard: its own only. Limits: so many questions are open at once.
class resolver {
  public:
    virtual ~resolver() = default;
    // Null when too many are open.
    virtual std::shared_ptr<lookup> ask(std::string name) = 0;
    virtual runtime::task<void> stop() { co_return; }
};

// The machine's: /etc/hosts, and the name servers of /etc/resolv.conf, which bounds the time. The kernel of it blocks,
// one question after the other, on a thread beside the shard.
class system_resolver final : public resolver {
  public:
    static constexpr std::size_t open_max = 64;

    explicit system_resolver(runtime::shard& home) : home_(home), resolver_(home.get_executor()), gate_(home) {}
    std::shared_ptr<lookup> ask(std::string name) override;
    runtime::task<void> stop() override;

  private:
    runtime::task<void> find(std::string name, std::shared_ptr<lookup> into);

    runtime::shard& home_;
    boost::asio::ip::basic_resolver<boost::asio::ip::tcp, runtime::executor> resolver_;
    runtime::gate gate_;
};

}  // namespace stages::worker::network
