#include "storage/embedded/log/directory.hpp"

#include <algorithm>

#include "runtime/base/assert.hpp"
#include "runtime/spawn.hpp"

namespace storage::embedded {
namespace {

// Openings of partitions in one life of the directory: 20 bits below the directory's epoch.
constexpr unsigned opening_bits = 20;

}  // namespace

log_directory::log_directory(runtime::shard& home, disk& on, directory_options options)
    : home_(home),
      disk_(on),
      options_(std::move(options)),
      partitions_(std::size_t{1} << options_.partition_bits),
      reserve_(home, on, options_.path, options_.reserve_bytes, runtime::milliseconds(options_.reserve_after_ms)),
      gate_(home) {
    WEIR_ASSERT(options_.segment_bytes % disk_block_bytes == 0 && options_.small_segment_bytes % disk_block_bytes == 0);
}

log_directory::~log_directory() = default;

task<void> log_directory::stop() {
    co_await reserve_.stop();
    co_await gate_.close();
    if (opened_ && logs_clean_ == logs_begun_) {
        meta_.clean = true;
        meta_.logs = logs_clean_;
        // If this fails the next start merely takes the stop for a crash.
        static_cast<void>(co_await write_meta(disk_, options_.path, meta_));
    }
    opened_ = false;
    lock_.reset();
}

log_directory::counters log_directory::count() const {
    counters now = counters_;
    now.segments = segments_.size();
    now.spares = spares_.size();
    return now;
}

log_id log_directory::begin_log(runtime::shard_id shard, std::function<void()> log_failed) {
    ++logs_begun_;
    const log_id id = log_id::of(report_.epoch, shard);
    logs_[id.value] = std::move(log_failed);
    return id;
}

void log_directory::log_failed(log_id which) {
    for (const auto& [id, tell] : logs_)
        if (id != which.value) tell();
}

void log_directory::log_stopped(log_id which, bool clean) {
    logs_.erase(which.value);
    if (clean) ++logs_clean_;
}

result<opening> log_directory::begin_opening(const std::vector<partition_id>& partitions) {
    opening out;
    for (const partition_id id : partitions) {
        if (id.value >= partitions_.size()) return log_errc::not_found;
        if (partitions_[id.value].open)
            return boost::system::errc::make_error_code(boost::system::errc::device_or_resource_busy);
    }
    ++openings_;
    WEIR_ASSERT(openings_ < (1U << opening_bits));
    out.writer = report_.epoch << opening_bits | openings_;
    for (const partition_id id : partitions) {
        partition& p = partitions_[id.value];
        p.open = true;
        out.partitions.push_back({id, p.released, p.next, p.last_time});
    }
    for (const auto& [key, s] : segments_) {
        replay_segment wanted{s.header, s.path, s.end, {}};
        for (const partition_id id : partitions) {
            const auto range = s.ranges.find(id);
            if (range == s.ranges.end() || range->second.high < partitions_[id.value].released) continue;
            wanted.ranges.push_back(range->second);
        }
        if (!wanted.ranges.empty()) out.segments.push_back(std::move(wanted));
    }
    return out;
}

void log_directory::abandon_opening(const std::vector<partition_id>& partitions) {
    for (const partition_id id : partitions) partitions_[id.value].open = false;
}

void log_directory::close_partitions(const std::vector<partition_start>& partitions) {
    for (const partition_start& closed : partitions) {
        partition& p = partitions_[closed.partition.value];
        p.open = false;
        p.next = closed.next;
        p.last_time = closed.last_time;
    }
}

std::optional<std::string> log_directory::take_spare() {
    if (spares_.empty()) return std::nullopt;
    std::string path = std::move(spares_.back());
    spares_.pop_back();
    ++counters_.recycled_total;
    return path;
}

void log_directory::segment_began(const segment_header& header, std::string path) {
    segment& s = segments_[header.key];
    s.header = header;
    s.path = std::move(path);
    s.in_use = true;
    s.of_this_life = true;
}

void log_directory::segment_grew(const segment_key& key, std::uint64_t end, std::vector<table_entry> ranges) {
    segment& s = segments_.at(key);
    s.end = end;
    for (table_entry& range : ranges) s.ranges[range.partition] = range;
}

void log_directory::segment_sealed(const segment_key& key, std::uint64_t end, std::vector<table_entry> ranges) {
    segment_grew(key, end, std::move(ranges));
    segments_.at(key).in_use = false;
    free_what_may_go();
}

void log_directory::carry(partition_id which, const segment_key& where) {
    partition& p = partitions_[which.value];
    const auto before = segments_.find(p.carried_in);
    if (before != segments_.end()) --before->second.carried;
    p.carried_in = where;
    ++segments_.at(where).carried;
}

void log_directory::released(const segment_key& key, const std::vector<table_entry>& entries) {
    for (const table_entry& entry : entries) {
        partition& p = partitions_[entry.partition.value];
        p.released = std::max(p.released, entry.low);
        p.opened_at = entry.high;
        carry(entry.partition, key);
    }
    free_what_may_go();
}

bool log_directory::may_go(segment& which) {
    if (which.in_use || which.carried > 0) return false;
    const auto pins = [this](const table_entry& range) {
        return range.high >= partitions_[range.partition.value].released;
    };
    // Most looks end where the last one did.
    const auto last = which.ranges.find(which.pinned_by);
    if (last != which.ranges.end() && pins(last->second)) return false;
    for (const auto& [id, range] : which.ranges) {
        if (!pins(range)) continue;
        which.pinned_by = id;
        return false;
    }
    return true;
}

void log_directory::free_what_may_go() {
    if (holds_ > 0) return;
    for (auto it = segments_.begin(); it != segments_.end();) {
        if (!may_go(it->second)) {
            ++it;
            continue;
        }
        ++counters_.freed_total;
        runtime::spawn(gate_, home_, remove_segment(std::move(it->second)));
        it = segments_.erase(it);
    }
}

task<void> log_directory::remove_segment(segment gone) {
    // A segment of an earlier life is never overwritten: a write that was in flight when that life was killed may still
    // reach it. A file that nobody names any more takes such a write without harm.
    const bool keep = gone.of_this_life && gone.header.bytes == options_.segment_bytes &&
                      spares_.size() < options_.spare_segments_max;
    if (!keep) {
        co_await remove_file(gone.path);
        co_return;
    }
    const std::string spare = path_of(std::to_string(next_spare_++) + ".spare");
    const auto renamed = co_await disk_.rename(gone.path, spare);
    if (renamed.has_error()) co_return;
    // Under its old name the file must be what that name says until the new name is durable; only then may a new header
    // go into it.
    const auto synced = co_await disk_.sync_directory(options_.path);
    if (synced.has_value()) spares_.push_back(spare);
}

task<void> log_directory::remove_file(std::string path) {
    if (only_looks_) co_return;
    // What cannot be removed is found, and removed, at the next opening.
    static_cast<void>(co_await disk_.remove(path));
}

void log_directory::segment_unused(const segment_key& key) {
    auto node = segments_.extract(key);
    runtime::spawn(gate_, home_, remove_segment(std::move(node.mapped())));
}

}  // namespace storage::embedded
