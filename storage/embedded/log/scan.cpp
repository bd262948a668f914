#include "storage/embedded/log/scan.hpp"

#include "runtime/base/planted_bug.hpp"

#include <algorithm>

namespace storage::embedded {
namespace {

void fail(scan_report& report, runtime::error_code why, const std::string& path, std::uint64_t position,
          const std::string& what) {
    report.failed = why;
    report.diagnosis = path + ", position " + std::to_string(position) + ": " + what;
}

// Numbers rise by one and each batch says that the one before it was durable: one batch is in flight at a time.
bool follows(const scan_report& so_far, const batch_header& header) {
    if (so_far.batches == 0) return true;
    return header.number == so_far.last_batch_number + 1 && header.committed.segment == header.segment.number &&
           header.committed.position == so_far.end;
}

void take(scan_report& report, const batch_header& header) {
    if (report.batches == 0) {
        report.first_batch_number = header.number;
        report.first_committed = header.committed;
    }
    ++report.batches;
    report.records += header.record_count;
    report.last_batch_number = header.number;
    report.end = header.end();
    report.sealed = header.kind != batch_kind::records;
    report.clean_stop = header.kind == batch_kind::clean_stop;
}

// A header of this segment behind the end was begun after everything before it had been acknowledged.
task<void> look_behind(window_reader& reader, segment_header segment, const std::string& path, scan_report& report) {
    for (std::uint64_t at = report.end + disk_block_bytes; at < segment.bytes; at += disk_block_bytes) {
        const auto block = co_await reader.at(at, disk_block_bytes);
        if (block.has_error()) {
            fail(report, block.error(), path, at, "cannot be read: " + block.error().message());
            co_return;
        }
        if (block->size() < disk_block_bytes) co_return;
        batch_header header;
        if (decode_batch_header(*block, segment, at, header) != header_state::ours) continue;
        fail(report, log_errc::corrupt, path, report.end,
             "the batch here is damaged although the batch at " + std::to_string(at) + " was begun after it");
        co_return;
    }
}

}  // namespace

task<result<std::span<const std::byte>>> window_reader::at(std::uint64_t position, std::size_t bytes) {
    if (position < start_ || position + bytes > start_ + length_) {
        // No more than the file has, so that many small files cost little.
        const std::size_t rest = file_.size() > position ? round_up_to_block(file_.size() - position) : 0;
        buffer_.grow(std::max(round_up_to_block(bytes), std::min(rest, window_bytes)), 0);
        const auto got = co_await file_.read(position, buffer_.span());
        if (got.has_error()) co_return got.error();
        start_ = position;
        length_ = *got;
    }
    const std::size_t skip = position - start_;
    co_return std::span<const std::byte>(buffer_.data() + skip, std::min(bytes, length_ - skip));
}

task<scan_report> scan_segment(disk_file& file, segment_header segment, std::string path, batch_visitor visit,
                               scan_limits limits) {
    scan_report report;
    window_reader reader(file);
    const std::uint64_t until = std::min(limits.until, segment.bytes);
    while (!report.sealed && report.end < until) {
        const std::uint64_t position = report.end;
        const auto block = co_await reader.at(position, disk_block_bytes);
        if (block.has_error()) {
            fail(report, block.error(), path, position, "cannot be read: " + block.error().message());
            co_return report;
        }
        batch_header header;
        const auto state = block->size() < disk_block_bytes ? header_state::foreign
                                                            : decode_batch_header(*block, segment, position, header);
        if (state == header_state::newer_format) {
            fail(report, log_errc::newer_format, path, position, "the batch was written by a later version");
            co_return report;
        }
        if (state == header_state::damaged) report.cut_bytes = disk_block_bytes;
        if (state != header_state::ours) break;
        const auto whole = co_await reader.at(position, header.total_bytes());
        if (whole.has_error()) {
            fail(report, whole.error(), path, position, "cannot be read: " + whole.error().message());
            co_return report;
        }
        if (!body_is_whole(header, *whole) && !runtime::planted(runtime::planted_bug::torn_batch_read)) {
            report.cut_bytes = header.total_bytes();
            break;
        }
        if (!follows(report, header)) {
            fail(report, log_errc::corrupt, path, position, "the batch does not follow the one before it");
            co_return report;
        }
        const auto seen = visit(header, *whole);
        if (seen.has_error()) {
            fail(report, seen.error(), path, position, "the batch cannot be used: " + seen.error().message());
            co_return report;
        }
        take(report, header);
    }
    if (!report.sealed && limits.look_behind_end && report.end < until)
        co_await look_behind(reader, segment, path, report);
    co_return report;
}

task<result<segment_header>> read_segment_header(disk_file& file) {
    block_buffer block(segment_header_bytes);
    const auto got = co_await file.read(0, block.span());
    if (got.has_error()) co_return got.error();
    if (*got < segment_header_bytes) co_return log_errc::corrupt;
    co_return decode_segment_header(block.span());
}

}  // namespace storage::embedded
