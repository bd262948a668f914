// log_directory::open(): lock, look, judge, and only then begin a new epoch.
#include <algorithm>

#include "runtime/base/assert.hpp"
#include "runtime/base/marks.hpp"
#include "runtime/base/planted_bug.hpp"
#include "runtime/spawn.hpp"
#include "runtime/timer.hpp"
#include "storage/embedded/log/directory.hpp"

namespace storage::embedded {
namespace {

constexpr runtime::milliseconds lock_retry(20);

bool is_again(const runtime::error_code& code) {
    return code == boost::system::errc::make_error_condition(boost::system::errc::resource_unavailable_try_again);
}

bool ends_with(const std::string& text, std::string_view end) {
    return text.size() >= end.size() && text.compare(text.size() - end.size(), end.size(), end) == 0;
}

std::string range_text(offset first, offset last) { return std::to_string(first) + " to " + std::to_string(last); }

}  // namespace

result<void> log_directory::fail(runtime::error_code why, std::string diagnosis) {
    report_.diagnosis = std::move(diagnosis);
    lock_.reset();
    return why;
}

task<result<void>> log_directory::take_lock() {
    const auto give_up = home_.time().steady() + runtime::milliseconds(options_.lock_wait_ms);
    while (true) {
        auto lock = co_await disk_.try_lock(path_of("LOCK"));
        if (lock.has_value()) {
            lock_ = std::move(*lock);
            co_return result<void>();
        }
        if (!is_again(lock.error()))
            co_return fail(lock.error(), path_of("LOCK") + " cannot be locked: " + lock.error().message());
        if (home_.time().steady() >= give_up)
            co_return fail(lock.error(), path_of("LOCK") + " is held: another process uses this data directory");
        co_await runtime::sleep_for(lock_retry);
    }
}

task<result<void>> log_directory::read_names(std::vector<segment_key>& segments) {
    const auto names = co_await disk_.list(options_.path);
    if (names.has_error())
        co_return fail(names.error(), options_.path + " cannot be listed: " + names.error().message());
    for (const std::string& name : *names) {
        if (ends_with(name, ".new")) {
            co_await remove_file(path_of(name));
        } else if (ends_with(name, ".spare")) {
            next_spare_ = std::max<std::uint64_t>(next_spare_, std::strtoull(name.c_str(), nullptr, 10) + 1);
            auto file = co_await disk_.open(path_of(name), open_mode::existing);
            const bool keep = file.has_value() && (*file)->size() == options_.segment_bytes &&
                              spares_.size() < options_.spare_segments_max;
            if (keep) {
                spares_.push_back(path_of(name));
            } else {
                co_await remove_file(path_of(name));
            }
        } else if (const auto key = parse_segment_file_name(name)) {
            segments.push_back(*key);
        }
    }
    std::sort(segments.begin(), segments.end());
    co_return result<void>();
}

task<result<void>> log_directory::open() {
    const auto made = co_await disk_.make_folder(options_.path);
    if (made.has_error()) co_return fail(made.error(), options_.path + " cannot be made: " + made.error().message());
    const auto locked = co_await take_lock();
    if (locked.has_error()) co_return locked;
    const auto before = co_await read_meta(disk_, options_.path);
    if (before.has_error())
        co_return fail(before.error(), path_of("META") + " cannot be used: " + before.error().message());
    std::vector<segment_key> keys;
    const auto named = co_await read_names(keys);
    if (named.has_error()) co_return named;
    if (!*before && !keys.empty()) co_return fail(log_errc::corrupt, path_of("META") + " is missing beside segments");
    if (*before) {
        meta_ = **before;
        if (meta_.partition_bits != options_.partition_bits)
            co_return fail(log_errc::corrupt, path_of("META") + " says 2^" + std::to_string(meta_.partition_bits) +
                                                  " partitions, not 2^" + std::to_string(options_.partition_bits));
    }
    report_.was_clean = meta_.clean;
    const auto scanned = co_await scan_all(keys);
    if (scanned.has_error()) co_return scanned;
    if (!runtime::planted(runtime::planted_bug::epoch_reused)) meta_.epoch += 1;
    meta_.partition_bits = options_.partition_bits;
    meta_.clean = false;
    meta_.logs = 0;
    if (options_.reserve_bytes > 0) co_await reserve_.begin();
    auto written = co_await write_meta(disk_, options_.path, meta_);
    if (written.has_error() && is_no_space(written.error())) {
        const bool more = co_await reserve_.release();
        if (more) written = co_await write_meta(disk_, options_.path, meta_);
    }
    if (written.has_error())
        co_return fail(written.error(), path_of("META") + " cannot be written: " + written.error().message());
    report_.epoch = meta_.epoch;
    opened_ = true;
    co_return result<void>();
}

result<void> log_directory::note_batch(segment& into, const batch_header& header, std::span<const std::byte> whole,
                                       claims& claimed) {
    const std::uint64_t life = into.header.key.log.directory_epoch();
    const auto claim = [&](partition_id id, offset first) {
        const auto [it, fresh] = claimed[id].try_emplace(life, first);
        if (!fresh) it->second = std::min(it->second, first);
    };
    if (header.kind != batch_kind::records) {
        // The seal repeats what was read one by one.
        const auto table = decode_table(header, whole);
        const bool same =
            table.size() == into.ranges.size() &&
            std::all_of(table.begin(), table.end(), [&](const table_entry& entry) {
                const auto it = into.ranges.find(entry.partition);
                return it != into.ranges.end() && it->second.low == entry.low && it->second.high == entry.high;
            });
        if (!same) return log_errc::corrupt;
        return {};
    }
    bool known = true;
    const auto read = for_each_record(header, whole, [&](const record_view& view, std::size_t) {
        const record_header& h = view.header;
        known = known && h.partition.value < partitions_.size();
        if (!known) return;
        table_entry& range = into.ranges[h.partition];
        range.partition = h.partition;
        range.low = range.low == 0 ? h.at : std::min(range.low, h.at);
        range.high = std::max(range.high, h.at);
        claim(h.partition, h.at);
        partitions_[h.partition.value].last_time = std::max(partitions_[h.partition.value].last_time, h.time);
    });
    if (read.has_error() || !known) return log_errc::corrupt;
    for (const table_entry& entry : decode_table(header, whole)) {
        if (entry.partition.value >= partitions_.size()) return log_errc::corrupt;
        partition& p = partitions_[entry.partition.value];
        claim(entry.partition, entry.high);
        p.last_time = std::max(p.last_time, entry.time);
        const auto mine = std::tuple(life, entry.high, entry.low);
        const auto newest = std::tuple(p.carried_in.log.directory_epoch(), p.opened_at, p.released);
        if (p.carried_in.number != 0 && mine < newest) continue;
        p.opened_at = entry.high;
        p.released = std::max(p.released, entry.low);
        carry(entry.partition, into.header.key);
    }
    return {};
}

task<result<void>> log_directory::scan_one(segment_key key, claims& claimed, std::vector<scan_report>& reports) {
    const std::string path = path_of(segment_file_name(key));
    auto file = co_await disk_.open(path, open_mode::existing);
    if (file.has_error()) co_return fail(file.error(), path + " cannot be opened: " + file.error().message());
    const auto header = co_await read_segment_header(**file);
    // The header is made durable before the file gets this name, and the name is given up before the header changes.
    if (header.has_error())
        co_return fail(header.error(), path + ", position 0: the header cannot be used: " + header.error().message());
    if (header->key != key || header->partition_bits != options_.partition_bits)
        co_return fail(log_errc::corrupt, path + ", position 0: the header is of another segment");
    segment& s = segments_[key];
    s.header = *header;
    s.path = path;
    batch_visitor visit = [&](const batch_header& batch, std::span<const std::byte> whole) {
        return note_batch(s, batch, whole, claimed);
    };
    scan_report report = co_await scan_segment(**file, *header, path, std::move(visit));
    if (report.failed) co_return fail(report.failed, report.diagnosis);
    s.end = report.end;
    WEIR_SOMETIMES(report.cut_bytes > 0, "a torn batch was cut at a start");
    if (report.cut_bytes > 0) report_.cut.push_back({path, report.end, report.cut_bytes});
    report_.batches += report.batches;
    report_.records += report.records;
    // What was read may still be in the disk's own memory only: the life that wrote it did not wait for the last batch.
    if (!report.sealed && report.batches > 0) {
        const auto synced = co_await (*file)->sync();
        if (synced.has_error()) co_return fail(synced.error(), path + " cannot be synced: " + synced.error().message());
    }
    reports.push_back(std::move(report));
    co_return result<void>();
}

result<void> log_directory::judge_ends(const std::vector<segment_key>& keys, const std::vector<scan_report>& reports) {
    std::uint64_t clean_logs = 0;
    for (std::size_t i = 0; i < keys.size(); ++i) {
        if (reports[i].batches == 0) continue;
        const auto& from = reports[i].first_committed;
        const auto before = segments_.find({keys[i].log, from.segment});
        if (before != segments_.end() && before->second.end != from.position)
            return fail(log_errc::corrupt, before->second.path + ", position " + std::to_string(before->second.end) +
                                               ": ends before " + std::to_string(from.position) +
                                               ", which a later segment says was written");
        bool last = true;
        for (std::size_t j = i + 1; j < keys.size() && keys[j].log == keys[i].log; ++j)
            last = last && reports[j].batches == 0;
        if (!last && !reports[i].sealed)
            return fail(log_errc::corrupt, segments_.at(keys[i]).path + ", position " + std::to_string(reports[i].end) +
                                               ": the seal is missing although a later segment was used");
        const bool of_last_life = keys[i].log.directory_epoch() == meta_.epoch;
        if (last && of_last_life && meta_.clean && !reports[i].clean_stop)
            return fail(log_errc::corrupt, segments_.at(keys[i]).path + ", position " + std::to_string(reports[i].end) +
                                               ": the end is missing although the last stop was clean");
        if (last && of_last_life && reports[i].clean_stop) ++clean_logs;
    }
    if (meta_.clean && clean_logs < meta_.logs)
        return fail(log_errc::corrupt, options_.path + ": " + std::to_string(meta_.logs) + " logs were closed, " +
                                           std::to_string(clean_logs) + " are there");
    return {};
}

void log_directory::drop_void_records(const claims& claimed) {
    for (auto& [key, s] : segments_) {
        const std::uint64_t life = key.log.directory_epoch();
        for (auto it = s.ranges.begin(); it != s.ranges.end();) {
            // A later life that began here never saw what an earlier one wrote at or behind that offset: the write came
            // to the disk after that life had looked.
            offset limit = UINT64_MAX;
            const auto& by_life = claimed.at(it->first);
            for (auto later = by_life.upper_bound(life); later != by_life.end(); ++later)
                limit = std::min(limit, later->second);
            WEIR_SOMETIMES(it->second.high >= limit, "records that reached the disk too late were void");
            it->second.high = std::min(it->second.high, limit - 1);
            it = it->second.high < it->second.low ? s.ranges.erase(it) : std::next(it);
        }
    }
}

result<void> log_directory::find_gaps() {
    std::vector<std::vector<std::pair<offset, offset>>> ranges(partitions_.size());
    for (const auto& [key, s] : segments_)
        for (const auto& [id, range] : s.ranges) ranges[id.value].emplace_back(range.low, range.high);
    for (std::size_t i = 0; i < partitions_.size(); ++i) {
        partition& p = partitions_[i];
        std::sort(ranges[i].begin(), ranges[i].end());
        p.next = p.released;
        for (const auto& [first, last] : ranges[i]) {
            if (last < p.next) continue;
            if (first > p.next)
                return fail(log_errc::corrupt, options_.path + ": records " + range_text(p.next, first - 1) +
                                                   " of partition " + std::to_string(i) + " are missing");
            p.next = last + 1;
        }
        if (p.opened_at > p.next)
            return fail(log_errc::corrupt, options_.path + ": records " + range_text(p.next, p.opened_at - 1) +
                                               " of partition " + std::to_string(i) + " are missing");
    }
    return {};
}

task<result<void>> log_directory::scan_all(const std::vector<segment_key>& keys) {
    claims claimed;
    std::vector<scan_report> reports;
    for (const segment_key& key : keys) {
        const auto scanned = co_await scan_one(key, claimed, reports);
        if (scanned.has_error()) co_return scanned;
    }
    const auto judged = judge_ends(keys, reports);
    if (judged.has_error()) co_return judged;
    drop_void_records(claimed);
    const auto whole = find_gaps();
    if (whole.has_error()) co_return whole;
    // Files that were ready but hold nothing.
    for (std::size_t i = 0; i < keys.size(); ++i) {
        if (reports[i].batches > 0) continue;
        WEIR_SOMETIMES(true, "a segment that held nothing yet was removed at a start");
        segments_.erase(keys[i]);
        co_await remove_file(path_of(segment_file_name(keys[i])));
    }
    report_.segments = segments_.size();
    co_return result<void>();
}

}  // namespace storage::embedded
