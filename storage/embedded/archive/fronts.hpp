// How RocksDB's threads reach the shards. Private to this folder.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "storage/embedded/archive/archive_database.hpp"
#include "storage/embedded/archive/archive_store.hpp"

namespace storage::embedded {

class shard_archive;

// Kept alive by the messages that are on their way.
struct front_link {
    front_link(runtime::shard& s, shard_archive& f) : home(s), front(&f) {}
    runtime::shard& home;
    shard_archive* front;  // touched on `home` alone; null once the front has gone
};

// Threads: any. The mutex is held for as long as it takes to post one message to each shard; a shard takes it when its
// front comes and when it goes, never in between.
class archive_store::fronts final : public archive_observer {
  public:
    explicit fronts(archive_counters& counters) : counters_(counters) {}

    // Everything up to what is returned is durable already.
    archive_sequence join(std::shared_ptr<front_link> link);
    void leave(const std::shared_ptr<front_link>& link);
    void begin(archive_sequence durable) { durable_through_.store(durable); }
    [[nodiscard]] archive_sequence durable_through() const { return durable_through_.load(); }
    [[nodiscard]] std::string last_failure() const;
    [[nodiscard]] std::string last_damage() const;

    void flushed(archive_sequence through) override;
    void failed(runtime::error_code why, const std::string& diagnosis) override;
    void recovered() override;
    void damaged(const std::string& what) override;

  private:
    archive_counters& counters_;
    mutable std::mutex mutex_;
    std::vector<std::shared_ptr<front_link>> links_;
    std::string last_failure_;
    std::string last_damage_;
    std::atomic<archive_sequence> durable_through_{0};
};

}  // namespace storage::embedded
