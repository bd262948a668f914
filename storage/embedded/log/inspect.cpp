#include "storage/embedded/log/inspect.hpp"

#include <algorithm>

#include "storage/embedded/log/meta.hpp"

namespace storage::embedded {

task<result<std::vector<segment_key>>> list_segments(disk& on, std::string folder) {
    const auto names = co_await on.list(folder);
    if (names.has_error()) co_return names.error();
    std::vector<segment_key> out;
    for (const std::string& name : *names)
        if (const auto key = parse_segment_file_name(name)) out.push_back(*key);
    std::sort(out.begin(), out.end());
    co_return std::move(out);
}

task<segment_walk> walk_segment(disk_file& file, segment_header segment, std::string path, batch_visitor visit) {
    segment_walk out;
    window_reader reader(file);
    std::uint64_t at = segment_header_bytes;
    std::uint64_t bad_from = 0;  // 0: the last thing seen was good
    bool looks_begun = false;    // something of this segment stands at bad_from
    bool sealed = false;
    while (!sealed && at < segment.bytes) {
        const auto block = co_await reader.at(at, disk_block_bytes);
        if (block.has_error()) {
            out.failed = block.error();
            co_return out;
        }
        if (block->size() < disk_block_bytes) break;
        batch_header header;
        const auto state = decode_batch_header(*block, segment, at, header);
        bool good = false;
        if (state == header_state::ours) {
            const auto whole = co_await reader.at(at, header.total_bytes());
            if (whole.has_error()) {
                out.failed = whole.error();
                co_return out;
            }
            good = body_is_whole(header, *whole);
            if (good) {
                if (bad_from != 0) out.damaged.push_back({path, bad_from, at - bad_from, true});
                bad_from = 0;
                const auto seen = visit(header, *whole);
                if (seen.has_error()) {
                    out.failed = seen.error();
                    co_return out;
                }
                ++out.batches;
                at = header.end();
                sealed = header.kind != batch_kind::records;
                continue;
            }
        }
        if (bad_from == 0) {
            bad_from = at;
            looks_begun = state != header_state::foreign;
        }
        at += disk_block_bytes;
    }
    if (bad_from != 0 && looks_begun) out.damaged.push_back({path, bad_from, disk_block_bytes, false});
    co_return out;
}

task<dump_report> dump_log(disk& on, std::string folder, record_visitor visit) {
    dump_report out;
    const auto lock = co_await on.try_lock(folder + "/LOCK");
    if (lock.has_error()) {
        out.diagnosis = folder + "/LOCK cannot be had: a server uses this data directory, or " + lock.error().message();
        co_return out;
    }
    const auto keys = co_await list_segments(on, folder);
    if (keys.has_error()) {
        out.diagnosis = folder + " cannot be listed: " + keys.error().message();
        co_return out;
    }
    for (const segment_key& key : *keys) {
        dumped_record one;
        one.file = segment_file_name(key);
        const std::string path = folder + "/" + one.file;
        const auto file = co_await on.open(path, open_mode::existing);
        if (file.has_error()) {
            out.diagnosis = path + " cannot be opened: " + file.error().message();
            co_return out;
        }
        const auto header = co_await read_segment_header(**file);
        if (header.has_error()) {
            out.damaged.push_back({path, 0, segment_header_bytes, true});
            continue;
        }
        batch_visitor each = [&](const batch_header& batch, std::span<const std::byte> whole) -> result<void> {
            if (batch.kind != batch_kind::records) return {};
            one.position = batch.position;
            return for_each_record(batch, whole, [&](const record_view& view, std::size_t) {
                one.record = view;
                ++out.records;
                visit(one);
            });
        };
        segment_walk walked = co_await walk_segment(**file, *header, path, std::move(each));
        ++out.segments;
        for (damaged_place& place : walked.damaged) out.damaged.push_back(std::move(place));
        if (walked.failed) {
            out.diagnosis = path + ": " + walked.failed.message();
            co_return out;
        }
    }
    co_return out;
}

}  // namespace storage::embedded
