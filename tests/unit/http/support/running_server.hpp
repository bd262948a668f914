// A front door over a fake engine on two real shards, listening on a free port of the loopback.
#pragma once

#include <memory>
#include <string>

#include "http/server_group.hpp"
#include "runtime/shard_thread.hpp"
#include "tests/unit/http/support/fake_engine.hpp"
#include "tests/unit/http/support/raw_client.hpp"

namespace http::testing {

class running_server {
  public:
    explicit running_server(server_config config = {}, std::size_t shards = 2);
    ~running_server();

    [[nodiscard]] std::uint16_t port() const { return port_; }
    [[nodiscard]] raw_client connect() const { return raw_client(port_); }
    runtime::shard_group& shards() { return shards_; }
    fake_world& world() { return *world_; }
    server_group& front_door() { return *front_door_; }

    // POSTs a script and gives its id.
    std::string accept(std::string_view script);
    void output(const std::string& id, std::string bytes);
    void conclude(const std::string& id, pipeline::verdict_view how = {});
    void drain();
    // Ends the server; the destructor does so too.
    void stop(runtime::nanoseconds grace = runtime::seconds(2));
    // The sum of a counter or gauge over all shards and labels, or of one series: name{label="value"}.
    double metric(const std::string& name);
    std::size_t subscriptions();

  private:
    runtime::shard_group shards_;
    std::unique_ptr<fake_world> world_;
    std::unique_ptr<server_group> front_door_;
    std::uint16_t port_ = 0;
    bool stopped_ = false;
};

// A member of a flat JSON object, as text without quotes; "" if there is none. Enough for tests.
std::string member(const std::string& json, const std::string& name);

}  // namespace http::testing
