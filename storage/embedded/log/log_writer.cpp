// embedded_log: the write loop. One batch is in flight; whatever is appended meanwhile is the next one.
#include <algorithm>

#include "runtime/base/assert.hpp"
#include "runtime/base/log.hpp"
#include "runtime/base/marks.hpp"
#include "runtime/base/planted_bug.hpp"
#include "runtime/submit.hpp"
#include "runtime/timer.hpp"
#include "storage/embedded/log/disk_errors.hpp"
#include "storage/embedded/log/embedded_log.hpp"

namespace storage::embedded {
namespace {

// Buffers that grew beyond this are given back to the allocator after use.
constexpr std::size_t kept_buffer_bytes_max = 1 << 20;
constexpr std::size_t kept_buffers_max = 4;

std::size_t seal_bytes(std::size_t partitions) {
    return round_up_to_block(batch_header_bytes + partitions * table_entry_bytes);
}

}  // namespace

task<void> embedded_log::write_loop() {
    while (!failed_) {
        if (const auto why = distrust()) {
            fail(why, "what follows");
            break;
        }
        if (paused_ && !giving_up_) {
            co_await work_.wait();
            continue;
        }
        if (batch_is_due() || release_is_due()) {
            co_await write_next();
            continue;
        }
        if (stopping_) break;
        if (hurried_) gather();
        if (batch_is_due()) continue;
        arm_timer();
        co_await work_.wait();
    }
    writing_ = false;
}

task<void> embedded_log::write_next() {
    std::unique_ptr<pending_batch> batch;
    if (pending_.empty()) {
        batch = std::make_unique<pending_batch>(next_batch_++, block_buffer(disk_block_bytes));
    } else {
        batch = std::move(pending_.front());
        pending_.pop_front();
    }
    if (hurried_ && !gathered_ && batch->records.size() >= options_.gather_records_max) metrics_->full.add();
    if (pending_.empty()) hurried_ = false;
    gathered_ = false;
    release_now_ = false;
    in_flight_ = true;
    in_flight_since_ = home_.time().steady();
    std::vector<table_entry> table = release_table(false);
    if (runtime::planted(runtime::planted_bug::no_sync_before_answer)) tell_committed(*batch);
    const auto written = co_await write_with_patience(*batch, table);
    in_flight_ = false;
    pending_bytes_ -= batch->used - batch_header_bytes;
    // A disk that failed beside this batch is not trusted with it either.
    const auto why = written.has_error() ? written.error() : distrust();
    if (why) {
        fail(why, "a batch");
        co_return;
    }
    metrics_->write_seconds.observe(static_cast<double>((home_.time().steady() - in_flight_since_).count()) / 1e9);
    commit(*batch, table, position_);
    if (batch->buffer.size() <= kept_buffer_bytes_max && free_buffers_.size() < kept_buffers_max)
        free_buffers_.push_back(std::move(batch->buffer));
    progress_.notify_all();
}

// A full disk heals by itself; every other failure is final. The blocks are written again at the same place, which
// nothing acknowledged holds.
task<result<void>> embedded_log::write_with_patience(pending_batch& batch, std::vector<table_entry>& table) {
    auto written = co_await write_once(batch, table);
    while (written.has_error() && is_no_space(written.error())) {
        const bool more = co_await release_reserve();
        if (more) {
            WEIR_SOMETIMES(true, "the reserve file made room for a batch");
            written = co_await write_once(batch, table);
            continue;
        }
        if (!full_) {
            full_ = true;
            ++counters_.no_space;
            runtime::log(runtime::log_level::error, "the disk of the log is full",
                         {{"directory", directory_.options().path}});
            tell_all(log_errc::no_space);
        }
        if (giving_up_) co_return log_errc::no_space;
        co_await runtime::sleep_for(runtime::milliseconds(options_.space_retry_ms));
        written = co_await write_once(batch, table);
    }
    co_return written;
}

task<bool> embedded_log::release_reserve() {
    const auto ask = [directory = &directory_] { return directory->release_reserve(); };
    co_return co_await runtime::submit(directory_.home(), ask);
}

std::size_t embedded_log::seal_bytes_with(const pending_batch& batch) const {
    std::size_t partitions = segment_ranges_.size();
    for (const batch_range& range : batch.ranges) partitions += segment_ranges_.count(range.partition->id) == 0 ? 1 : 0;
    return seal_bytes(partitions);
}

std::vector<table_entry> embedded_log::release_table(bool whole) {
    std::vector<table_entry> table;
    const auto add = [&table](const open_partition& p) {
        // What is durable of it: a later life starts behind that.
        table.push_back({p.id, p.released, p.opened_at, p.last_time});
    };
    if (whole) {
        for (const auto& p : partitions_)
            if (p) add(*p);
    } else {
        for (const open_partition* p : releases_) add(*p);
    }
    for (open_partition* p : releases_) p->release_pending = false;
    releases_.clear();
    return table;
}

task<result<void>> embedded_log::write_once(pending_batch& batch, std::vector<table_entry>& table) {
    const auto end_with = [&] {
        const std::size_t body = batch.used + table.size() * table_entry_bytes;
        return position_ + round_up_to_block(body) + seal_bytes_with(batch);
    };
    if (end_with() > current_->header.bytes) {
        const auto next = co_await next_segment();
        if (next.has_error()) co_return next;
    }
    if (!table_is_whole_) table = release_table(true);
    WEIR_ASSERT(end_with() <= current_->header.bytes);
    batch_header header;
    header.segment = current_->header.key;
    header.salt = current_->header.salt;
    header.position = position_;
    header.number = batch_number_;
    header.committed = committed_;
    header.record_bytes = static_cast<std::uint32_t>(batch.used - batch_header_bytes);
    header.record_count = static_cast<std::uint32_t>(batch.records.size());
    header.table_count = static_cast<std::uint32_t>(table.size());
    const std::size_t total = header.total_bytes();
    batch.buffer.grow(total, batch.used);
    std::byte* at = batch.buffer.data() + batch.used;
    for (const table_entry& entry : table) {
        encode_table_entry(entry, at);
        at += table_entry_bytes;
    }
    encode_batch(header, batch.buffer.span().first(total));
    const auto file = current_->file;
    co_return co_await file->write_durable(position_, batch.buffer.span().first(total));
}

void embedded_log::commit(pending_batch& batch, const std::vector<table_entry>& table, std::uint64_t position) {
    const std::size_t total = round_up_to_block(batch.used + table.size() * table_entry_bytes);
    ++counters_.batches;
    counters_.bytes += total;
    metrics_->batches.add();
    metrics_->bytes.add(total);
    metrics_->records.add(batch.records.size());
    ++batch_number_;
    position_ = position + total;
    committed_ = {current_->header.key.number, position_};
    table_is_whole_ = true;
    for (const batch_record& r : batch.records) {
        r.partition->places.emplace_back(current_slot_, position + r.at, r.padded_bytes);
        ++slots_[current_slot_].records;
    }
    for (const batch_range& range : batch.ranges) {
        open_partition& p = *range.partition;
        p.committed = range.last;
        table_entry& entry = segment_ranges_[p.id];
        entry.partition = p.id;
        if (entry.low == 0) entry.low = range.first;
        entry.high = range.last;
    }
    for (const table_entry& entry : table) {
        if (open_partition* p = find(entry.partition)) p->released_durable = std::max(p->released_durable, entry.low);
    }
    if (!table.empty()) {
        tell_directory([key = current_->header.key, table](log_directory& d) { d.released(key, table); });
    }
    if (position_ > current_->header.bytes / 2) maker_.prepare();
    if (full_) {
        WEIR_SOMETIMES(true, "a full log went on when there was space again");
        full_ = false;
        runtime::log(runtime::log_level::info, "the log has space again", {{"directory", directory_.options().path}});
        for (log_listener* listener : listeners_) listener->resumed();
    }
    tell_committed(batch);
}

void embedded_log::tell_committed(const pending_batch& batch) {
    for (const batch_range& range : batch.ranges) {
        // The listener called before may have closed this one.
        const open_partition* const p = find(range.id);
        if (p != nullptr && p->listener != nullptr) p->listener->committed(range.id, range.last);
    }
}

// The next segment is ready before the present one is sealed, so that a full disk leaves everything as it was.
task<result<void>> embedded_log::next_segment() {
    auto next = co_await maker_.take();
    if (next.has_error()) co_return next.error();
    if (current_) {
        const auto sealed = co_await write_seal(batch_kind::seal);
        if (sealed.has_error()) co_return sealed;
    }
    const std::uint32_t before = current_slot_;
    const bool had_one = current_.has_value();
    current_ = std::move(*next);
    current_slot_ = take_slot(current_->file, current_->path);
    if (had_one) drop_slot_if_unused(before);
    position_ = segment_header_bytes;
    segment_ranges_.clear();
    table_is_whole_ = false;
    ++counters_.segments;
    WEIR_SOMETIMES(had_one, "a segment was sealed and the next begun");
    if (current_->header.bytes < directory_.options().segment_bytes) maker_.prepare();
    co_return result<void>();
}

task<result<void>> embedded_log::write_seal(batch_kind kind) {
    batch_header header;
    header.kind = kind;
    header.segment = current_->header.key;
    header.salt = current_->header.salt;
    header.position = position_;
    header.number = batch_number_;
    header.committed = committed_;
    header.table_count = static_cast<std::uint32_t>(segment_ranges_.size());
    block_buffer buffer(header.total_bytes());
    std::byte* at = buffer.data() + batch_header_bytes;
    for (const auto& [id, range] : segment_ranges_) {
        encode_table_entry(range, at);
        at += table_entry_bytes;
    }
    encode_batch(header, buffer.span());
    const auto file = current_->file;
    const auto written = co_await file->write_durable(position_, buffer.span());
    if (written.has_error()) co_return written;
    ++batch_number_;
    ++counters_.batches;
    counters_.bytes += buffer.size();
    position_ += buffer.size();
    committed_ = {header.segment.number, position_};
    // The log's last segment stays until the next life has looked at its end.
    const bool last = kind == batch_kind::clean_stop;
    tell_directory(
        [key = header.segment, end = position_, ranges = ranges_of_segment(), last](log_directory& d) mutable {
            if (last) {
                d.segment_grew(key, end, std::move(ranges));
            } else {
                d.segment_sealed(key, end, std::move(ranges));
            }
        });
    co_return written;
}

runtime::error_code embedded_log::distrust() const {
    if (maker_.failure()) return maker_.failure();
    if (other_failed_) return make_error_code(log_errc::write_failed);
    return {};
}

void embedded_log::fail(runtime::error_code why, const std::string& doing) {
    diagnosis_ = (current_ ? current_->path : directory_.options().path) + ", position " + std::to_string(position_) +
                 ": " + doing + " cannot be written: " + why.message();
    failed_ = make_error_code(log_errc::write_failed);
    runtime::log(runtime::log_level::error, "the log has failed; nothing is acknowledged until a restart",
                 {{"why", diagnosis_}});
    pending_.clear();
    pending_bytes_ = 0;
    releases_.clear();
    tell_all(failed_);
    if (!other_failed_) tell_directory([id = id_](log_directory& d) { d.log_failed(id); });
    progress_.notify_all();
    work_.notify_all();
}

void embedded_log::tell_all(runtime::error_code why) {
    std::vector<partition_id> open;
    for (const auto& p : partitions_)
        if (p && p->listener != nullptr) open.push_back(p->id);
    for (const partition_id id : open) {
        open_partition* const p = find(id);
        if (p != nullptr && p->listener != nullptr) p->listener->failed(id, why);
    }
}

// In the order told; the directory sees a release only after the segment that holds it has begun.
void embedded_log::tell_directory(runtime::unique_function<void(log_directory&)> what) {
    if (&directory_.home() == &home_) {
        what(directory_);
        return;
    }
    home_.send(directory_.home(), [directory = &directory_, what = std::move(what)]() mutable { what(*directory); });
}

}  // namespace storage::embedded
