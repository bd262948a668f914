// embedded_log: opening partitions and replaying what earlier logs hold of them.
#include <algorithm>

#include "runtime/base/assert.hpp"
#include "runtime/spawn.hpp"
#include "runtime/submit.hpp"
#include "storage/embedded/log/embedded_log.hpp"

namespace storage::embedded {

task<result<std::vector<opened_partition>>> embedded_log::open(
    std::vector<partition_id> partitions, runtime::unique_function<bool(const record_view&)> replay,
    log_listener& listener) {
    if (failed_) co_return failed_;
    const auto ask = [directory = &directory_, partitions] { return directory->begin_opening(partitions); };
    auto found = co_await runtime::submit(directory_.home(), ask);
    if (found.has_error()) co_return found.error();
    adopt(*found);
    std::vector<opened_partition> out;
    for (const partition_start& start : found->partitions) out.push_back({start.partition, found->writer, start.next});
    const auto opened = co_await open_now(std::move(*found), replay);
    if (opened.has_error()) {
        forget(partitions);
        const auto undo = [directory = &directory_, partitions] { directory->abandon_opening(partitions); };
        co_await runtime::submit(directory_.home(), undo);
        co_return opened.error();
    }
    for (const partition_id id : partitions) partitions_[id.value]->listener = &listener;
    if (std::find(listeners_.begin(), listeners_.end(), &listener) == listeners_.end()) listeners_.push_back(&listener);
    arm_timer();
    co_return out;
}

// Places are pushed from `released` on; until the replay is done `committed` follows what was found.
void embedded_log::adopt(const opening& found) {
    for (const partition_start& start : found.partitions) {
        auto p = std::make_unique<open_partition>();
        p->id = start.partition;
        p->writer = found.writer;
        p->opened_at = start.next;
        p->next = start.next;
        p->committed = start.released - 1;
        p->released = start.released;
        p->released_durable = start.released;
        p->last_time = start.last_time;
        WEIR_ASSERT(!partitions_[start.partition.value]);
        partitions_[start.partition.value] = std::move(p);
    }
}

void embedded_log::forget(const std::vector<partition_id>& partitions) {
    for (const partition_id id : partitions) {
        open_partition* const p = find(id);
        if (p == nullptr) continue;
        drop_places(*p, p->committed + 1);
        std::erase(releases_, p);
        for (auto& batch : pending_) {
            // Only after a failure: nothing of it will be written any more.
            std::erase_if(batch->ranges, [p](const batch_range& r) { return r.partition == p; });
            std::erase_if(batch->records, [p](const batch_record& r) { return r.partition == p; });
        }
        partitions_[id.value].reset();
    }
}

task<result<void>> embedded_log::open_now(opening found, runtime::unique_function<bool(const record_view&)>& replay) {
    const auto replayed = co_await replay_all(found, replay);
    if (replayed.has_error()) co_return replayed;
    const auto started = co_await start_writing();
    if (started.has_error()) co_return started;
    // Where these partitions stand goes into this log at once: old segments wait for it.
    for (const partition_start& start : found.partitions) note_release(*partitions_[start.partition.value]);
    co_return result<void>();
}

task<result<void>> embedded_log::start_writing() {
    if (id_.value == 0) {
        // Runs on the directory's shard, and is heard there no more once this log has stopped.
        auto other_failed = [this] {
            auto heard = [this] {
                other_failed_ = true;
                work_.notify_all();
            };
            if (&directory_.home() == &home_) {
                heard();
            } else {
                directory_.home().send(home_, heard);
            }
        };
        const auto ask = [directory = &directory_, shard = home_.id(), other_failed] {
            return directory->begin_log(shard, other_failed);
        };
        id_ = co_await runtime::submit(directory_.home(), ask);
        maker_.begin(id_, [this] { work_.notify_all(); });
        metrics_.emplace(home_.metrics());
    }
    if (!current_) {
        auto ready = co_await next_segment();
        if (ready.has_error() && is_no_space(ready.error())) {
            const bool more = co_await release_reserve();
            if (more) ready = co_await next_segment();
        }
        if (ready.has_error()) {
            diagnosis_ = "the first segment cannot be made: " + ready.error().message();
            co_return ready;
        }
    }
    if (!writing_) {
        writing_ = true;
        runtime::spawn(gate_, home_, write_loop());
    }
    co_return result<void>();
}

// In one life a partition may have gone from log to log and back, so that no order of segments fits all partitions.
// Then a segment is read again for what had to wait.
task<result<void>> embedded_log::replay_all(const opening& found,
                                            runtime::unique_function<bool(const record_view&)>& replay) {
    const auto missing = [&] {
        return std::any_of(found.partitions.begin(), found.partitions.end(), [this](const partition_start& start) {
            const open_partition& p = *partitions_[start.partition.value];
            return p.committed + 1 < p.next;
        });
    };
    while (missing()) {
        bool progress = false;
        for (const replay_segment& from : found.segments) {
            const auto read = co_await replay_segment_once(from, replay);
            if (read.has_error()) co_return read.error();
            progress = progress || *read > 0;
        }
        if (progress) continue;
        diagnosis_ = "records that the scan found are missing when they are replayed";
        co_return log_errc::corrupt;
    }
    co_return result<void>();
}

task<result<std::uint64_t>> embedded_log::replay_segment_once(
    replay_segment from, runtime::unique_function<bool(const record_view&)>& replay) {
    std::vector<offset> limits(partitions_.size(), 0);
    bool wanted = false;
    for (const table_entry& range : from.ranges) {
        limits[range.partition.value] = range.high;
        const offset committed = partitions_[range.partition.value]->committed;
        wanted = wanted || (committed + 1 >= range.low && committed < range.high);
    }
    if (!wanted) co_return std::uint64_t{0};
    auto file = co_await disk_.open(from.path, open_mode::existing);
    if (file.has_error()) {
        diagnosis_ = from.path + " cannot be opened: " + file.error().message();
        co_return file.error();
    }
    const std::uint32_t which = take_slot(std::move(*file), from.path);
    std::uint64_t replayed = 0;
    batch_visitor visit = [&](const batch_header& batch, std::span<const std::byte> whole) -> result<void> {
        bool understood = true;
        const auto read = for_each_record(batch, whole, [&](const record_view& view, std::size_t at) {
            const record_header& h = view.header;
            if (!understood || h.partition.value >= limits.size() || h.at > limits[h.partition.value]) return;
            open_partition& p = *partitions_[h.partition.value];
            if (h.at != p.committed + 1) return;
            understood = replay(view);
            ++p.committed;
            p.places.emplace_back(which, batch.position + at, padded(record_bytes(view.payload)));
            ++slots_[which].records;
            ++replayed;
        });
        if (!understood) return log_errc::newer_format;
        return read;
    };
    scan_limits limit;
    limit.until = from.end;
    limit.look_behind_end = false;
    const auto reading = slots_[which].file;
    const scan_report report = co_await scan_segment(*reading, from.header, from.path, std::move(visit), limit);
    drop_slot_if_unused(which);
    if (report.failed || report.end != from.end) {
        diagnosis_ = report.failed ? report.diagnosis : from.path + " became shorter between two looks";
        if (report.failed) co_return report.failed;
        co_return log_errc::corrupt;
    }
    co_return replayed;
}

std::uint32_t embedded_log::take_slot(std::shared_ptr<disk_file> file, std::string path) {
    std::uint32_t which = 0;
    if (free_slots_.empty()) {
        which = static_cast<std::uint32_t>(slots_.size());
        WEIR_ASSERT(which < record_place::slots_max);
        slots_.emplace_back();
    } else {
        which = free_slots_.back();
        free_slots_.pop_back();
    }
    slots_[which].file = std::move(file);
    slots_[which].path = std::move(path);
    return which;
}

void embedded_log::drop_slot_if_unused(std::uint32_t which) {
    slot& s = slots_[which];
    if (s.records > 0 || !s.file || (current_ && which == current_slot_)) return;
    s.file.reset();
    s.path.clear();
    free_slots_.push_back(which);
}

}  // namespace storage::embedded
