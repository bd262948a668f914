// Letters: how partitions speak. A letter is a record in its sender's partition, delivered after it is durable and
// repeated until the receiver's partition has committed a record that names its key; the receiver drops keys that it
// knows. Within a lane (one sender, one receiver) letters have dense numbers and are taken in their order, so that one
// number for each lane is all that a receiver must remember.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "runtime/base/ids.hpp"
#include "runtime/base/result.hpp"
#include "runtime/base/time.hpp"
#include "runtime/task.hpp"

namespace pipeline::letters {

using runtime::partition_id;

// Numbers are for ever.
enum class letter_kind : std::uint16_t {
    lease_ask = 1,
    lease_grant = 2,
    lease_recall = 3,
    lease_return = 4,
    lease_declare = 5,
    rehearsal = 1000,  // of tests; no server sends it
};

// What is to be said. Entity, step and attempt name the effect; the lane and the number make the key.
struct letter_draft {
    runtime::slot to;  // whoever owns it
    letter_kind kind = letter_kind::rehearsal;
    runtime::uuid entity;
    std::uint32_t step = 0;
    std::uint16_t attempt = 0;
    std::string body;
};

struct letter {
    std::uint64_t number = 0;  // within its lane, from 1 on
    letter_draft what;
};

// A letter at its receiver. `at` was recorded with it: whoever folds reads no other clock.
struct arrival {
    partition_id from;
    partition_id to;
    letter what;
    runtime::utc_time at;
};

// What a kind of letters means. Shard: that of the letter's receiver.
class letter_reader {
  public:
    virtual ~letter_reader() = default;
    // What follows from it; becomes durable together with its reception. Changes nothing: the reception may yet be
    // refused, and is then tried again.
    [[nodiscard]] virtual std::vector<letter_draft> answer(const arrival& in) const = 0;
    // It was taken. Called right after answer(), or, with `live` false, when a start reads the log.
    virtual void fold(const arrival& in, bool live) = 0;
};

// Letters of one lane, in their order.
struct lane_letters {
    partition_id from;
    partition_id to;
    std::vector<letter> letters;
};
using parcel = std::vector<lane_letters>;

// Everything of the lane up to and including `through` is durable at its receiver.
struct receipt {
    partition_id from;
    partition_id to;
    std::uint64_t through = 0;
};

// The way to the shard that owns a receiver. It may lose, double, delay and reorder what it carries.
class letter_carrier {
  public:
    virtual ~letter_carrier() = default;
    [[nodiscard]] virtual std::size_t destinations() const = 0;
    [[nodiscard]] virtual std::size_t destination_of(partition_id to) const = 0;
    // Receipts of the lanes that arrived; none when nothing is known.
    virtual runtime::task<std::vector<receipt>> carry(std::size_t destination, parcel what) = 0;
};

// A slot of a partition: the first.
inline runtime::slot slot_of(partition_id partition, unsigned partition_bits) {
    return {static_cast<std::uint16_t>(partition_bits == 0 ? 0 : partition.value << (16 - partition_bits))};
}

}  // namespace pipeline::letters
