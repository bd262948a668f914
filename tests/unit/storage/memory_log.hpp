// A log in memory, for tests of what lies on top of one: it promises as little as the interface lets it.
#pragma once

#include <algorithm>
#include <map>
#include <vector>

#include "runtime/shard.hpp"
#include "storage/api/log.hpp"

namespace tests {

// Records are committed when the test calls commit(); appends fail while `fail_appends` is set.
class memory_log final : public storage::log {
  public:
    using task_of_opening = runtime::task<storage::result<std::vector<storage::opened_partition>>>;

    std::optional<storage::log_errc> fail_appends;
    std::size_t appends_until_failure = SIZE_MAX;
    std::size_t most_reads_at_once = 0;

    task_of_opening open(std::vector<storage::partition_id>,
                         runtime::unique_function<bool(const storage::record_view&)>, storage::log_listener&) override {
        co_return std::vector<storage::opened_partition>();
    }
    storage::result<storage::record_header> append(const storage::record_header& header,
                                                   std::string_view payload) override {
        if (appends_until_failure == 0 || payload.size() > storage::record_bytes_max) {
            if (fail_appends) return *fail_appends;
            return storage::log_errc::record_too_large;
        }
        --appends_until_failure;
        auto& records = partitions_[header.partition].records;
        storage::record kept{header, std::string(payload)};
        kept.header.at = records.size() + 1;
        kept.header.writer = 1;
        records.push_back(kept);
        return kept.header;
    }
    void hurry() override {}
    runtime::task<storage::result<std::vector<storage::record>>> read(storage::partition_id partition,
                                                                      storage::offset from, std::size_t bytes_max,
                                                                      std::size_t count_max) override {
        most_reads_at_once = std::max(most_reads_at_once, ++reads_);
        co_await runtime::sleep_for(runtime::microseconds(10));
        --reads_;
        const auto& kept = partitions_[partition];
        std::vector<storage::record> out;
        std::size_t bytes = 0;
        if (from < kept.released_below) co_return storage::log_errc::not_found;
        for (storage::offset at = from; at <= kept.committed && out.size() < count_max; ++at) {
            bytes += kept.records[at - 1].payload.size();
            if (!out.empty() && bytes > bytes_max) break;
            out.push_back(kept.records[at - 1]);
        }
        co_return out;
    }
    void release(storage::partition_id partition, storage::offset below) override {
        partitions_[partition].released_below = below;
    }
    runtime::task<storage::result<void>> close(std::vector<storage::partition_id>) override {
        co_return storage::result<void>();
    }
    runtime::task<void> stop() override { co_return; }
    [[nodiscard]] std::string describe() const override { return "memory"; }

    void commit() {
        for (auto& [id, each] : partitions_) each.committed = each.records.size();
    }
    std::vector<storage::record>& records(storage::partition_id partition) { return partitions_[partition].records; }

  private:
    struct partition {
        std::vector<storage::record> records;
        storage::offset committed = 0;
        storage::offset released_below = 0;
    };
    std::map<storage::partition_id, partition> partitions_;
    std::size_t reads_ = 0;
};

}  // namespace tests
