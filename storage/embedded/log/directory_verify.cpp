// log_directory::verify(): what open() looks at, without a new epoch.
#include "storage/embedded/log/directory.hpp"

namespace storage::embedded {

task<result<void>> log_directory::verify() {
    only_looks_ = true;
    const auto locked = co_await take_lock();
    if (locked.has_error()) co_return locked;
    const auto before = co_await read_meta(disk_, options_.path);
    if (before.has_error())
        co_return fail(before.error(), path_of("META") + " cannot be used: " + before.error().message());
    if (!*before) co_return fail(log_errc::corrupt, path_of("META") + " is missing");
    meta_ = **before;
    options_.partition_bits = meta_.partition_bits;
    partitions_.resize(std::size_t{1} << options_.partition_bits);
    report_.epoch = meta_.epoch;
    report_.was_clean = meta_.clean;
    std::vector<segment_key> keys;
    const auto named = co_await read_names(keys);
    if (named.has_error()) co_return named;
    co_return co_await scan_all(keys);
}

std::vector<segment_key> log_directory::segments() const {
    std::vector<segment_key> out;
    for (const auto& [key, one] : segments_) out.push_back(key);
    return out;
}

task<result<void>> log_directory::read_segment(segment_key which,
                                               runtime::unique_function<void(const record_view&)> visit) {
    const segment& s = segments_.at(which);
    auto file = co_await disk_.open(s.path, open_mode::existing);
    if (file.has_error()) co_return file.error();
    batch_visitor each = [&](const batch_header& batch, std::span<const std::byte> whole) -> result<void> {
        if (batch.kind != batch_kind::records) return {};
        return for_each_record(batch, whole, [&](const record_view& record, std::size_t) {
            const auto range = s.ranges.find(record.header.partition);
            if (range != s.ranges.end() && record.header.at <= range->second.high) visit(record);
        });
    };
    scan_limits limits;
    limits.until = s.end;
    limits.look_behind_end = false;
    const auto report = co_await scan_segment(**file, s.header, s.path, std::move(each), limits);
    if (report.failed) co_return report.failed;
    co_return result<void>();
}

}  // namespace storage::embedded
