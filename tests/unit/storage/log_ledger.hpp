// What a node appended and what it was told is durable: kept outside of the node, so that no crash undoes it. Every
// record that a log gives back is held against it.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "runtime/base/random.hpp"
#include "storage/api/log.hpp"

namespace tests {

class log_ledger {
  public:
    struct entry {
        std::string payload;
        runtime::utc_time time;
        storage::epoch writer = 0;
    };
    struct partition {
        std::vector<entry> records;  // offset 1 first
        storage::offset committed = 0;
        storage::offset released = 1;  // asked for in this life
        storage::offset asked_before = 1;
        storage::offset released_sure = 1;  // asked for before an orderly close
        storage::epoch last_epoch = 0;
        bool open = false;
        // While it is being opened.
        storage::offset expected = 0;  // 0: the first replayed record decides
        storage::offset first = 0;

        [[nodiscard]] storage::offset asked() const { return std::max(released, asked_before); }
    };

    partition& operator[](storage::partition_id id) { return partitions_[id.value]; }

    void appended(const storage::record_header& stored, std::string_view payload) {
        partition& p = partitions_[stored.partition.value];
        EXPECT_EQ(stored.at, p.records.size() + 1) << "offsets are dense";
        if (!p.records.empty()) EXPECT_GE(stored.time, p.records.back().time) << "time never goes back";
        p.records.push_back({std::string(payload), stored.time, stored.writer});
    }
    void committed(storage::partition_id id, storage::offset through) {
        partition& p = partitions_[id.value];
        EXPECT_GE(through, p.committed) << "committed() rises";
        EXPECT_LE(through, p.records.size()) << "nothing is committed that was not appended";
        p.committed = through;
    }
    void opening(storage::partition_id id) { partitions_[id.value].expected = 0; }
    bool replayed(const storage::record_view& view) {
        partition& p = partitions_[view.header.partition.value];
        if (p.expected == 0) {
            EXPECT_GE(view.header.at, p.released_sure) << "a released record came back";
            EXPECT_LE(view.header.at, p.asked()) << "the replay begins too late";
            p.expected = view.header.at;
            p.first = view.header.at;
        }
        EXPECT_EQ(view.header.at, p.expected) << "the replay is dense, partition " << view.header.partition.value;
        ++p.expected;
        check(view.header, view.payload);
        return true;
    }
    // What was not found again is gone; what was found counts as durable from now on.
    void opened(const storage::opened_partition& where) {
        partition& p = partitions_[where.partition.value];
        EXPECT_GT(where.writer, p.last_epoch) << "the epoch rises";
        EXPECT_GT(where.next, p.committed) << "a committed record of partition " << where.partition.value << " is lost";
        EXPECT_LE(where.next, p.records.size() + 1) << "records from nowhere";
        if (p.expected != 0) {
            EXPECT_EQ(where.next, p.expected);
        } else {
            EXPECT_LE(where.next, p.asked()) << "records that were not released did not come back";
        }
        p.last_epoch = where.writer;
        p.records.resize(std::min<std::size_t>(where.next - 1, p.records.size()));
        p.committed = where.next - 1;
        // A release that was under way when the node died has happened or not, and may still happen: what was once
        // given up may be missing in any later life.
        p.asked_before = p.asked();
        p.released = p.expected != 0 ? p.first : where.next;
        p.open = true;
    }
    void check(const storage::record_header& header, std::string_view payload) {
        const partition& p = partitions_[header.partition.value];
        ASSERT_GE(header.at, 1U);
        ASSERT_LE(header.at, p.records.size()) << "a record from nowhere";
        const entry& e = p.records[header.at - 1];
        EXPECT_EQ(payload, e.payload) << "partition " << header.partition.value << " offset " << header.at;
        EXPECT_EQ(header.writer, e.writer);
        EXPECT_EQ(header.time, e.time);
    }

  private:
    std::map<std::uint16_t, partition> partitions_;
};

// A listener that writes into a ledger and remembers failures.
class ledger_listener final : public storage::log_listener {
  public:
    explicit ledger_listener(log_ledger& ledger) : ledger_(ledger) {}
    void committed(storage::partition_id partition, storage::offset through) override {
        ledger_.committed(partition, through);
        ++commits;
    }
    void failed(storage::partition_id partition, boost::system::error_code why) override {
        failures.emplace_back(partition, why);
    }
    void resumed() override { ++resumes; }

    std::size_t commits = 0;
    std::size_t resumes = 0;
    std::vector<std::pair<storage::partition_id, boost::system::error_code>> failures;

  private:
    log_ledger& ledger_;
};

inline storage::record_header header_for(storage::partition_id partition) {
    storage::record_header header;
    header.type = 3;
    header.partition = partition;
    header.entity.bytes[0] = 1;
    header.tenant.bytes[1] = 2;
    header.user.bytes[2] = 3;
    header.first_event = 4;
    header.event_count = 5;
    header.attempt = 6;
    header.step = 7;
    header.flags = 8;
    header.entity_kind = 9;
    header.format = 10;
    return header;
}

}  // namespace tests
