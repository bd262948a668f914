// embedded_log: reading records back by their places.
#include <algorithm>

#include "storage/embedded/log/embedded_log.hpp"

namespace storage::embedded {
namespace {

// Neighbours are fetched by one read as long as it stays below this and skips less than that.
constexpr std::uint64_t run_bytes_max = 1 << 20;
constexpr std::uint64_t run_gap_bytes_max = 64 << 10;

std::uint64_t block_of(std::uint64_t position) { return position / disk_block_bytes * disk_block_bytes; }

}  // namespace

task<result<std::vector<record>>> embedded_log::read(partition_id partition, offset from, std::size_t bytes_max,
                                                     std::size_t count_max) {
    std::vector<record> out;
    const open_partition* const p = find(partition);
    if (p == nullptr) co_return log_errc::not_open;
    if (from < p->released) co_return log_errc::not_found;
    const offset first = p->committed + 1 - p->places.size();
    std::vector<wanted_record> run;
    std::vector<std::vector<wanted_record>> runs;
    std::size_t bytes = 0;
    std::size_t count = 0;
    for (offset at = from; at <= p->committed && count < std::max<std::size_t>(count_max, 1); ++at, ++count) {
        const record_place place = p->places[at - first];
        const std::size_t payload = place.padded_bytes() - record_header_bytes;
        if (count > 0 && bytes + payload > bytes_max) break;
        bytes += payload;
        const wanted_record wanted{slots_[place.slot()].file, place.position(), place.padded_bytes()};
        const bool joins = !run.empty() && run.back().file == wanted.file &&
                           wanted.position >= run.back().position + run.back().padded_bytes &&
                           wanted.position - run.back().position - run.back().padded_bytes <= run_gap_bytes_max &&
                           wanted.position + wanted.padded_bytes - run.front().position <= run_bytes_max;
        if (!run.empty() && !joins) runs.push_back(std::exchange(run, {}));
        run.push_back(wanted);
    }
    if (!run.empty()) runs.push_back(std::move(run));
    offset next = from;
    for (auto& wanted : runs) {
        const offset run_from = next;
        next += wanted.size();
        auto some = co_await read_run(partition, run_from, std::move(wanted));
        if (some.has_error()) co_return some.error();
        for (record& r : *some) out.push_back(std::move(r));
    }
    co_return std::move(out);
}

task<result<std::vector<record>>> embedded_log::read_run(partition_id partition, offset from,
                                                         std::vector<wanted_record> wanted) {
    const std::uint64_t start = block_of(wanted.front().position);
    const std::uint64_t end = wanted.back().position + wanted.back().padded_bytes;
    block_buffer buffer(end - start);
    const auto file = wanted.front().file;
    const auto got = co_await file->read(start, buffer.span());
    if (got.has_error()) co_return got.error();
    std::vector<record> out;
    out.reserve(wanted.size());
    for (const wanted_record& w : wanted) {
        const std::size_t skip = w.position - start;
        result<record_view> view = log_errc::corrupt;
        if (skip + w.padded_bytes <= *got) view = decode_record(buffer.span().subspan(skip, w.padded_bytes));
        const offset at = from + out.size();
        if (view.has_error() || view->header.partition != partition || view->header.at != at) {
            // Released while we read: its file may hold something else by now.
            const open_partition* const p = find(partition);
            if (p == nullptr || at < p->released) co_return log_errc::not_found;
            co_return log_errc::corrupt;
        }
        out.push_back({view->header, std::string(view->payload)});
    }
    co_return std::move(out);
}

}  // namespace storage::embedded
