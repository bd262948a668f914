// An archive of the simulated world, with what a real one does to its callers: delays, documents that are lost in a
// crash before they are durable, failures whose outcome is unknown, absence.
#pragma once

#include <cstdint>
#include <memory>

#include "runtime/base/time.hpp"
#include "runtime/simulation/world.hpp"
#include "storage/api/archive.hpp"

namespace storage::simulated {

// Chances in parts per million of calls. Tests may change any of it at any time.
struct archive_behaviour {
    runtime::nanoseconds delay_min = runtime::microseconds(5);  // of every call
    runtime::nanoseconds delay_max = runtime::milliseconds(2);
    runtime::nanoseconds flush_after = runtime::seconds(10);  // after the first document that is not durable
    runtime::nanoseconds flush_takes_max = runtime::milliseconds(300);
    std::uint32_t refused = 0;           // put() fails and takes nothing
    std::uint32_t failed_but_taken = 0;  // put() takes the documents and fails all the same; on_durable is not called
    std::uint32_t read_failed = 0;       // find(), events() and list() fail
    bool absent = false;                 // every call answers archive_errc::unavailable; no flush happens
};

// The service that fronts of all shards and of all lives of a node share. World: the one its shards belong to, which
// outlives it. kill() the shards of a node, then call crash(); fronts of killed shards are buried, never destroyed.
class archive_service {
  public:
    explicit archive_service(runtime::simulation::world& world, archive_behaviour behaviour = {});

    std::unique_ptr<archive> open_shard(runtime::shard& home);

    // What is not durable is lost, and its on_durable is never called.
    void crash();
    [[nodiscard]] archive_behaviour& behaviour();
    [[nodiscard]] std::size_t documents() const;
    [[nodiscard]] std::size_t durable_documents() const;

    struct state;

  private:
    std::shared_ptr<state> state_;
};

}  // namespace storage::simulated
