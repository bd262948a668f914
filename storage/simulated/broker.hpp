// A Kafka-like broker of the simulated world: partitions of a topic whose offsets it gives, acknowledgements that come
// later or never, requests that arrive after their sender has given up. It fences nobody.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "runtime/base/time.hpp"
#include "runtime/base/unique_function.hpp"
#include "runtime/simulation/world.hpp"
#include "storage/api/log.hpp"

namespace storage::simulated {

enum class message_kind : std::uint8_t {
    record,
    fence,    // a writer's epoch begins
    release,  // no record below `low` is read again
};

// What a client sends; the broker looks at its size alone.
struct message {
    message_kind kind = message_kind::record;
    epoch writer = 0;
    offset low = 0;
    record_header header;
    std::string payload;

    [[nodiscard]] std::size_t bytes() const { return 128 + payload.size(); }
};

struct stored_message {
    std::uint64_t at = 0;  // the broker's offset, from 0; rises by one with each message of the partition
    message content;
};

// Chances in parts per million of requests that write.
struct broker_behaviour {
    runtime::nanoseconds delay_min = runtime::microseconds(20);  // each way
    runtime::nanoseconds delay_max = runtime::microseconds(200);
    std::uint32_t request_lost = 0;
    std::uint32_t answer_lost = 0;
    std::uint32_t request_late = 0;  // arrives up to late_max after it was sent
    runtime::nanoseconds late_max = runtime::milliseconds(300);
    bool absent = false;  // nothing arrives at all
    // A request larger than this is refused.
    std::size_t request_bytes_max = 1'000'000;
};

// Shared by all nodes of the world, which outlives it.
class broker {
  public:
    explicit broker(runtime::simulation::world& world, broker_behaviour behaviour = {});

    // `done` runs on `from`, unless the answer is lost or the shard dead. The messages get offsets in a row.
    using produced = runtime::unique_function<void(result<std::uint64_t> first)>;
    void produce(runtime::shard& from, partition_id partition, std::vector<message> messages, produced done);
    // Messages from `at` on, at most about `bytes_max`; empty at the end. Deleted ones are skipped. Reads are answered,
    // late at worst.
    using fetched = runtime::unique_function<void(std::vector<stored_message>)>;
    void fetch(runtime::shard& from, partition_id partition, std::uint64_t at, std::size_t bytes_max, fetched done);
    // Everything below `at` goes away.
    void delete_before(runtime::shard& from, partition_id partition, std::uint64_t at);
    // A number that was never given before (the cluster keeps it in a topic of its own).
    void new_epoch(runtime::shard& from, runtime::unique_function<void(epoch)> done);

    [[nodiscard]] broker_behaviour& behaviour();
    [[nodiscard]] std::uint64_t bytes_stored() const;
    // Everything there is now, for tests.
    [[nodiscard]] std::vector<stored_message> all(partition_id partition) const;

    struct state;

  private:
    std::shared_ptr<state> state_;
};

}  // namespace storage::simulated
