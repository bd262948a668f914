// The letters of one partition: what it wrote that is not delivered yet, and how far it has read every other one. A
// fold over its records in which every number only rises, so that it may begin at any of them that is followed by a
// record of all lanes.
#pragma once

#include <deque>
#include <map>
#include <optional>

#include "pipeline/letters/letter_records.hpp"
#include "storage/api/log.hpp"

namespace pipeline::letters {

// Shard: the partition's owner only. Limits: a lane for each other partition; the undelivered letters are bounded by
// whoever writes them (letters.outbox_max).
class letter_book {
  public:
    struct written {
        letter what;
        storage::offset at = 0;  // of the record that holds it
    };

    // The number of the next letter to that partition.
    [[nodiscard]] std::uint64_t next_number(partition_id to) const;
    // False if it was delivered before, so that nothing waits.
    bool sent(partition_id to, letter what, storage::offset at);
    // How many letters it delivers.
    std::size_t delivered(partition_id to, std::uint64_t through);
    void received(partition_id from, std::uint64_t number, storage::offset at);
    // Numbers only rise; returns how many letters it delivers.
    std::size_t assume(const std::vector<lane_state>& lanes);

    // Oldest first.
    [[nodiscard]] const std::map<partition_id, std::deque<written>>& undelivered() const { return undelivered_; }
    [[nodiscard]] std::uint64_t delivered_through(partition_id to) const;
    [[nodiscard]] std::uint64_t received_through(partition_id from) const;
    // Offset of the record that received_through() comes from.
    [[nodiscard]] storage::offset received_at(partition_id from) const;
    [[nodiscard]] std::vector<lane_state> lanes() const;
    [[nodiscard]] std::optional<storage::offset> oldest_undelivered() const;

  private:
    struct lane {
        std::uint64_t sent = 0;
        std::uint64_t delivered = 0;
        std::uint64_t received = 0;
        storage::offset received_at = 0;
    };
    [[nodiscard]] const lane* find(partition_id peer) const;

    std::map<partition_id, lane> lanes_;
    std::map<partition_id, std::deque<written>> undelivered_;  // no empty ones
};

}  // namespace pipeline::letters
