// A log over the Kafka-like broker: the shape that storage/kafka will have, in the simulated world. The broker's
// offsets are its own affair: fences and void records take some of them, so a record's offset in the sense of
// storage::log is kept in its header, and the owner remembers which message holds it.
//
// The owner checks what the broker does not: every acknowledgement must carry exactly the next broker offset. A gap or
// an outcome that stays unknown closes the partition; it may be opened again, under a new epoch. Opening appends a
// fence and reads up to it; a record of an older epoch behind it is void for every reader.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>

#include "runtime/event.hpp"
#include "runtime/gate.hpp"
#include "storage/api/log.hpp"
#include "storage/simulated/broker.hpp"

namespace storage::simulated {

struct broker_log_options {
    std::size_t append_bytes_max = 32ULL << 20;
    std::uint64_t batch_delay_us = 1000;
    std::uint64_t release_delay_ms = 50;
    // How long an acknowledgement is waited for before its outcome counts as unknown.
    std::uint64_t acknowledge_ms = 100;
};

// Shard: `home`. The broker outlives it.
class broker_log final : public log {
  public:
    broker_log(runtime::shard& home, broker& on, broker_log_options options = {});
    ~broker_log() override;

    task<result<std::vector<opened_partition>>> open(std::vector<partition_id> partitions,
                                                     runtime::unique_function<bool(const record_view&)> replay,
                                                     log_listener& listener) override;
    result<record_header> append(const record_header& header, std::string_view payload) override;
    void hurry() override;
    task<result<std::vector<record>>> read(partition_id partition, offset from, std::size_t bytes_max,
                                           std::size_t count_max) override;
    void release(partition_id partition, offset below) override;
    task<result<void>> close(std::vector<partition_id> partitions) override;
    task<void> stop() override;
    [[nodiscard]] std::string describe() const override { return "simulated broker"; }

  private:
    struct partition {
        partition_id id;
        epoch writer = 0;
        offset next = 1;
        offset committed = 0;
        offset released = 1;
        offset released_durable = 1;
        runtime::utc_time last_time;
        std::uint64_t broker_next = 0;     // what the next acknowledgement must say
        std::uint64_t last_record_at = 0;  // the broker's offset of the last live record, if there was one
        std::deque<std::uint64_t> places;  // of the records [released, committed]
        std::deque<message> pending;
        runtime::steady_time oldest;
        runtime::steady_time release_since;
        std::uint64_t in_flight = 0;  // number of the request; 0: none
        bool closed = false;
        log_listener* listener = nullptr;
    };
    using partitions = std::map<partition_id, std::unique_ptr<partition>>;

    [[nodiscard]] partition* find(partition_id id) const;
    // What the broker holds of a partition, up to this opening's fence.
    struct found {
        std::vector<stored_message> live;
        offset released = 1;
        bool overtaken = false;  // by a newer epoch
    };
    // What was asked of the broker with one request.
    struct request_facts {
        std::uint64_t number = 0;
        std::uint64_t records = 0;
        offset release_low = 0;  // 0: none
    };

    // broker_log_open.cpp
    task<epoch> next_epoch();
    task<std::vector<stored_message>> fetch(partition_id id, std::uint64_t at, std::size_t bytes_max);
    task<std::vector<stored_message>> fetch_all(partition_id id);
    task<std::optional<std::uint64_t>> place_fence(partition_id id, epoch writer);
    task<result<void>> open_one(partition_id id, epoch writer,
                                runtime::unique_function<bool(const record_view&)>& replay);
    static found sift(std::vector<stored_message> messages, epoch writer, std::uint64_t fence);

    task<void> send_loop();
    void send_what_is_due();
    [[nodiscard]] bool is_due(const partition& p) const;
    void send(partition& p);
    void acknowledged(partition_id id, const request_facts& facts, result<std::uint64_t> first);
    void delete_released(const partition& p);
    void close_under_us(partition& p);

    runtime::shard& home_;
    broker& broker_;
    broker_log_options options_;
    partitions open_;
    std::size_t pending_bytes_ = 0;
    std::uint64_t next_request_ = 1;
    bool hurried_ = false;
    int flushing_ = 0;  // callers of close() that wait
    bool stopping_ = false;
    bool sending_ = false;
    // Answers that come after this object is gone look here first.
    std::shared_ptr<broker_log*> alive_;
    runtime::event work_;
    runtime::event progress_;
    runtime::gate gate_;
};

}  // namespace storage::simulated
