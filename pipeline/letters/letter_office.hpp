// The letters of a shard's partitions: writes them, carries them to the shards that own their receivers, and takes
// what comes in. See letter.hpp for what is promised.
#pragma once

#include <map>
#include <memory>
#include <stop_token>
#include <vector>

#include "pipeline/journal.hpp"
#include "pipeline/letters/letter_book.hpp"
#include "runtime/gate.hpp"

namespace pipeline::letters {

enum class letter_errc { outbox_full = 1, body_too_large, stopped };
boost::system::error_code make_error_code(letter_errc e);

struct letter_limits {
    // letters.outbox_max: undelivered letters of this shard's partitions. Beyond it nobody begins a letter; answers to
    // letters are still taken, or two full shards would wait for each other for ever. Whoever asks bounds its answers.
    std::size_t outbox_max = 20'000;
    std::size_t body_bytes_max = 16 * 1024;                       // letters.body_bytes_max
    std::size_t parcel_letters_max = 256;                         // carried at once to one shard
    runtime::nanoseconds pause_first = runtime::milliseconds(5);  // after a parcel that brought nothing
    runtime::nanoseconds pause_max = runtime::seconds(1);         // doubled up to this
    // The lanes are written again when a partition's records of letters hold more records, or lie further behind the
    // end of the shard's log, or are older.
    storage::offset held_records_max = 1024;
    std::uint64_t behind_bytes_max = 256ULL << 20;
    runtime::microseconds age_max = runtime::seconds(3600);
};

// Shard: its owner only. Lifetime: stop() before destruction; the readers outlive it.
class letter_office {
  public:
    letter_office(runtime::shard& home, journal& journal, letter_limits limits = {});

    // Before start(). Letters of a kind that nobody reads are not taken: their lanes stand.
    void read_by(letter_kind kind, letter_reader& reader) { readers_[kind] = &reader; }
    // Null if nobody does.
    [[nodiscard]] letter_reader* reader_of(letter_kind kind) const {
        const auto it = readers_.find(kind);
        return it == readers_.end() ? nullptr : it->second;
    }
    // Folds a record of letters that the log still holds. False if it cannot be read.
    bool recover(const storage::record_view& record);
    // After the partitions were opened; carries on with what is undelivered.
    void start(letter_carrier& carrier);
    runtime::task<void> stop();

    // Writes a letter; gives its number within its lane. It is delivered after it is durable. Errors: letter_errc, or
    // the log's (busy, no_space, write_failed).
    runtime::result<std::uint64_t> send(partition_id from, letter_draft what);
    // Returns when the receiver has that letter for good. Error: stopped.
    runtime::task<runtime::result<void>> delivered(partition_id from, partition_id to, std::uint64_t number);
    // At the receivers' shard: takes what is next in its lane. Answers when that is durable.
    runtime::task<std::vector<receipt>> receive(parcel what);
    // Lets the log go of old records of letters. Now and then.
    runtime::task<void> tidy();

    [[nodiscard]] const letter_limits& limits() const { return limits_; }
    // Undelivered.
    [[nodiscard]] std::size_t waiting() const { return waiting_; }
    // Null if the partition never had a letter.
    [[nodiscard]] const letter_book* book_of(partition_id partition) const { return books_[partition.value].get(); }

  private:
    struct gathered;
    // What the log must keep for a partition's letters.
    struct held_records {
        storage::offset from = 0;  // 0: nothing
        std::uint64_t appended_bytes = 0;
        runtime::utc_time since;
    };
    letter_book& book(partition_id partition);
    partition_id receiver_of(const letter_draft& what) const {
        return runtime::partition_of(what.to, journal_.partition_bits());
    }
    [[nodiscard]] bool is_mine(partition_id partition) const;
    runtime::result<storage::record_header> append(partition_id partition, std::uint16_t type,
                                                   const std::string& payload);
    void note_sent(partition_id from, const letter& what, storage::offset at);
    void note_delivered(partition_id from, const std::vector<delivered_lane>& lanes);
    bool recover_received(const storage::record_view& record);
    bool recover_delivered(const storage::record_view& record);
    bool recover_lanes(const storage::record_view& record);
    bool take(const lane_letters& lane, const letter& what);

    runtime::task<void> deliver_to(std::size_t destination);
    [[nodiscard]] gathered gather(std::size_t destination) const;
    runtime::task<bool> until_durable(partition_id partition, storage::offset at);
    bool settle(const gathered& carried, const std::vector<receipt>& receipts);
    void hold_from(partition_id partition, storage::offset at, runtime::utc_time since);
    [[nodiscard]] bool holds_too_much(partition_id partition) const;
    runtime::task<void> rewrite_lanes(partition_id partition);

    runtime::shard& home_;
    journal& journal_;
    letter_limits limits_;
    letter_carrier* carrier_ = nullptr;
    std::map<letter_kind, letter_reader*> readers_;
    std::vector<std::unique_ptr<letter_book>> books_;  // by partition
    std::vector<held_records> held_;                   // by partition
    std::size_t waiting_ = 0;
    runtime::event written_;
    runtime::event progress_;

    runtime::counter& sent_total_;
    runtime::counter& taken_total_;
    runtime::counter& known_total_;
    runtime::counter& early_total_;
    runtime::counter& repeated_total_;
    runtime::metrics_registry::hook_ticket gauges_;
    std::stop_source stop_;
    runtime::gate gate_;
};

}  // namespace pipeline::letters

template <>
struct boost::system::is_error_code_enum<pipeline::letters::letter_errc> : std::true_type {};
