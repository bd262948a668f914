#include "storage/embedded/log/embedded_log.hpp"

#include <algorithm>

#include "runtime/base/assert.hpp"
#include "runtime/spawn.hpp"
#include "runtime/submit.hpp"

namespace storage::embedded {
namespace {

constexpr std::size_t buffer_bytes_first = 64 * 1024;

// What a batch may fill of a small segment beside the segment's header, its seal and a whole release table.
std::size_t batch_bytes_that_fit(const directory_options& directory, std::size_t wanted) {
    const std::size_t table = (std::size_t{1} << directory.partition_bits) * table_entry_bytes;
    const std::size_t overhead =
        segment_header_bytes + round_up_to_block(batch_header_bytes + table) + table + disk_block_bytes;
    const std::size_t smallest = std::min(directory.small_segment_bytes, directory.segment_bytes);
    WEIR_ASSERT(smallest >= overhead + 4 * disk_block_bytes);
    return std::min(wanted, smallest - overhead);
}

}  // namespace

embedded_log::embedded_log(log_directory& directory, runtime::shard& home, disk& on, log_options options)
    : directory_(directory),
      home_(home),
      disk_(on),
      options_(options),
      maker_(home, on, directory),
      partitions_(std::size_t{1} << directory.options().partition_bits),
      work_(home),
      progress_(home),
      gate_(home) {
    options_.batch_bytes_max = batch_bytes_that_fit(directory.options(), options.batch_bytes_max);
    WEIR_ASSERT(directory.options().segment_bytes <= record_place::segment_bytes_max);
}

embedded_log::~embedded_log() { WEIR_ASSERT(!writing_); }

embedded_log::shard_metrics::shard_metrics(runtime::metrics_registry& registry)
    : records(registry.make_counter("weir_log_records_total", "Records that became durable.")),
      batches(registry.make_counter("weir_log_batches_total", "Durable writes of the log.")),
      bytes(registry.make_counter("weir_log_bytes_total", "Bytes of them, whole blocks.")),
      write_seconds(registry.make_histogram("weir_log_write_seconds",
                                            "From the beginning of a batch's write to its durability.",
                                            runtime::latency_bounds_s())),
      full(registry.declare_limit("log.gather_records_max")),
      late(registry.declare_limit("log.gather_us_max")) {
    registry.declare_limit("log.append_bytes_max");
    registry.declare_limit("log.record_bytes_max");
}

open_partition* embedded_log::find(partition_id id) const {
    return id.value < partitions_.size() ? partitions_[id.value].get() : nullptr;
}

result<record_header> embedded_log::append(const record_header& header, std::string_view payload) {
    open_partition* const p = find(header.partition);
    if (p == nullptr || p->listener == nullptr) return log_errc::not_open;
    if (failed_) return failed_;
    if (full_) return log_errc::no_space;
    const std::size_t bytes = padded(record_bytes(payload));
    if (record_bytes(payload) > record_bytes_max || batch_header_bytes + bytes > options_.batch_bytes_max) {
        ++counters_.too_large;
        home_.metrics().limit_reached("log.record_bytes_max");
        return log_errc::record_too_large;
    }
    if (pending_bytes_ + bytes > options_.append_bytes_max) {
        ++counters_.busy;
        home_.metrics().limit_reached("log.append_bytes_max");
        return log_errc::busy;
    }
    if (pending_.empty() || pending_.back()->used + bytes > options_.batch_bytes_max) {
        block_buffer room;
        if (free_buffers_.empty()) {
            room = block_buffer(buffer_bytes_first);
        } else {
            room = std::move(free_buffers_.back());
            free_buffers_.pop_back();
        }
        pending_.push_back(std::make_unique<pending_batch>(next_batch_++, std::move(room)));
        pending_.back()->oldest = home_.time().steady();
        arm_timer();
    }
    record_header stored = header;
    stored.at = p->next++;
    stored.writer = p->writer;
    stored.time = std::max(p->last_time, home_.time().utc());
    p->last_time = stored.time;
    pending_.back()->add(*p, stored, payload);
    pending_bytes_ += bytes;
    if (gathering_ && pending_.back()->records.size() == options_.gather_records_max) work_.notify_all();
    ++counters_.records;
    return stored;
}

void embedded_log::hurry() {
    if (pending_.empty() || hurried_) return;
    hurried_ = true;
    if (!in_flight_) gather();
}

// What is ready on the shard may have something for the batch.
void embedded_log::gather() {
    if (gathering_ || gathered_) return;
    gathering_ = true;
    home_.when_idle(
        [this, alive = std::weak_ptr<void>(alive_), begun = home_.time().steady()] {
            if (alive.expired()) return;
            gathering_ = false;
            gathered_ = hurried_;
            if (!gathered_) return;
            const auto waited = home_.time().steady() - begun;
            if (waited >= runtime::microseconds(options_.gather_us_max)) metrics_->late.add();
            work_.notify_all();
        },
        runtime::microseconds(options_.gather_us_max));
}

bool embedded_log::batch_is_due() const {
    if (pending_.empty()) return false;
    if (gathered_ || stopping_ || pending_.size() > 1) return true;
    if (hurried_ && pending_.front()->records.size() >= options_.gather_records_max) return true;
    return home_.time().steady() - pending_.front()->oldest >= runtime::microseconds(options_.batch_delay_us);
}

bool embedded_log::release_is_due() const {
    if (releases_.empty()) return false;
    return release_now_ || stopping_ ||
           home_.time().steady() - oldest_release_ >= runtime::milliseconds(options_.release_delay_ms);
}

// One timer at most. It is not taken back when its batch goes early: it then only looks.
void embedded_log::arm_timer() {
    if (in_flight_) return;  // the write loop looks by itself
    auto deadline = runtime::steady_time::never();
    if (!pending_.empty()) deadline = pending_.front()->oldest + runtime::microseconds(options_.batch_delay_us);
    if (!releases_.empty())
        deadline = std::min(deadline, oldest_release_ + runtime::milliseconds(options_.release_delay_ms));
    if (deadline == runtime::steady_time::never() || (timer_ && timer_->deadline <= deadline)) return;
    if (timer_) home_.timers().cancel(*timer_);
    timer_ = home_.timers().add(deadline, [this] {
        timer_.reset();
        if (batch_is_due() || release_is_due()) {
            work_.notify_all();
        } else {
            arm_timer();
        }
    });
}

void embedded_log::note_release(open_partition& p) {
    if (p.release_pending) return;
    p.release_pending = true;
    if (releases_.empty()) oldest_release_ = home_.time().steady();
    releases_.push_back(&p);
}

void embedded_log::drop_places(open_partition& p, offset below) {
    const offset first = p.committed + 1 - p.places.size();
    for (offset at = first; at < below && !p.places.empty(); ++at) {
        const std::uint32_t which = p.places.front().slot();
        p.places.pop_front();
        --slots_[which].records;
        drop_slot_if_unused(which);
    }
}

void embedded_log::release(partition_id partition, offset below) {
    open_partition* const p = find(partition);
    // What is not durable yet cannot be given up: a crash could still bring it back in part.
    if (p == nullptr) return;
    if (holds_releases_) {
        offset& held = held_releases_[partition];
        held = std::max(held, below);
        return;
    }
    below = std::min(below, p->committed + 1);
    if (below <= p->released) return;
    drop_places(*p, below);
    p->released = below;
    note_release(*p);
    arm_timer();
}

std::vector<table_entry> embedded_log::ranges_of_segment() const {
    std::vector<table_entry> ranges;
    ranges.reserve(segment_ranges_.size());
    for (const auto& [id, range] : segment_ranges_) ranges.push_back(range);
    return ranges;
}

task<result<void>> embedded_log::close(std::vector<partition_id> partitions) {
    const auto all_durable = [this, &partitions] {
        return std::all_of(partitions.begin(), partitions.end(), [this](partition_id id) {
            const open_partition* p = find(id);
            return p == nullptr || (p->committed + 1 == p->next && p->released_durable >= p->released);
        });
    };
    while (!failed_ && !all_durable()) {
        release_now_ = true;
        hurried_ = true;
        gathered_ = true;
        work_.notify_all();
        co_await progress_.wait();
    }
    std::vector<partition_start> closed;
    for (const partition_id id : partitions) {
        const open_partition* p = find(id);
        if (p != nullptr) closed.push_back({id, p->released_durable, p->committed + 1, p->last_time});
    }
    forget(partitions);
    if (current_ && !closed.empty()) {
        tell_directory([key = current_->header.key, end = position_, ranges = ranges_of_segment()](
                           log_directory& d) mutable { d.segment_grew(key, end, std::move(ranges)); });
    }
    const auto tell = [directory = &directory_, closed] { directory->close_partitions(closed); };
    co_await runtime::submit(directory_.home(), tell);
    if (failed_) co_return failed_;
    co_return result<void>();
}

task<void> embedded_log::stop() {
    giving_up_ = true;
    maker_.give_up();
    std::vector<partition_id> all;
    for (const auto& p : partitions_)
        if (p) all.push_back(p->id);
    static_cast<void>(co_await close(all));
    if (id_.value == 0) co_return;
    stopping_ = true;
    work_.notify_all();
    co_await gate_.close();
    bool clean = false;
    if (!failed_ && current_) {
        const auto sealed = co_await write_seal(batch_kind::clean_stop);
        clean = sealed.has_value();
    }
    co_await maker_.stop();
    if (timer_) home_.timers().cancel(*timer_);
    timer_.reset();
    current_.reset();
    slots_.clear();
    const auto tell = [directory = &directory_, id = id_, clean] { directory->log_stopped(id, clean); };
    co_await runtime::submit(directory_.home(), tell);
    id_ = {};
}

bool embedded_log::lives_on_reserve() const { return directory_.reserve().is_released(); }

std::string embedded_log::describe() const {
    return "embedded: " + disk_.describe() + ", " + directory_.reserve().describe() +
           (failed_ ? "; FAILED: " + diagnosis_ : "");
}

runtime::nanoseconds embedded_log::stalled_for() const {
    return in_flight_ ? home_.time().steady() - in_flight_since_ : runtime::nanoseconds(0);
}

}  // namespace storage::embedded
