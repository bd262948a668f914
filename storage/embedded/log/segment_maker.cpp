#include "storage/embedded/log/segment_maker.hpp"

#include <algorithm>

#include "runtime/base/log.hpp"
#include "runtime/base/marks.hpp"
#include "runtime/spawn.hpp"
#include "runtime/submit.hpp"
#include "runtime/timer.hpp"
#include "storage/embedded/log/disk_errors.hpp"

namespace storage::embedded {
namespace {

// Zeros are written in pieces, so that the log's own writes find a gap.
constexpr std::uint64_t fill_piece_bytes = 1 << 20;
// Files are given back by connections that end.
constexpr runtime::milliseconds shortage_pause(100);

runtime::error_code stopped() { return boost::system::errc::make_error_code(boost::system::errc::operation_canceled); }

}  // namespace

segment_maker::segment_maker(runtime::shard& home, disk& on, log_directory& directory)
    : home_(home), disk_(on), directory_(directory), changed_(home), gate_(home) {}

void segment_maker::prepare() {
    // On a full disk a large one would take the space that a small one needs now.
    if (making_ || ready_ || stopping_ || directory_.reserve().is_released()) return;
    making_ = true;
    runtime::spawn(gate_, home_, make_in_background());
}

task<void> segment_maker::make_in_background() {
    auto made = co_await make(directory_.options().segment_bytes);
    making_ = false;
    if (made.has_value()) {
        ready_.emplace(std::move(*made));
    } else if (!stopping_ && !is_no_space(made.error()) && !is_shortage(made.error())) {
        failure_ = made.error();
        on_failure_();
    }
    // A full disk is found again, and reported, by take().
    changed_.notify_all();
}

task<bool> segment_maker::wait_out(runtime::error_code why) {
    if (!is_shortage(why) || giving_up_ || stopping_) co_return false;
    runtime::log(runtime::log_level::warning, "the log waits for a file", {{"why", why.message()}});
    co_await runtime::sleep_for(shortage_pause);
    co_return true;
}

task<result<std::unique_ptr<disk_file>>> segment_maker::open_file(std::string path, open_mode mode) {
    while (true) {
        auto file = co_await disk_.open(path, mode);
        if (file.has_value()) co_return std::move(file);
        const auto why = file.error();
        const bool again = co_await wait_out(why);
        if (!again) co_return why;
    }
}

task<result<void>> segment_maker::sync_names() {
    while (true) {
        const auto synced = co_await disk_.sync_directory(directory_.options().path);
        if (synced.has_value()) co_return synced;
        const auto why = synced.error();
        const bool again = co_await wait_out(why);
        if (!again) co_return why;
    }
}

task<result<ready_segment>> segment_maker::take() {
    while (finishing_) co_await changed_.wait();
    WEIR_SOMETIMES(!ready_ && making_, "a small segment stood in for one that was not ready");
    if (!ready_) {
        auto made = co_await make(directory_.options().small_segment_bytes);
        // The large one may have become ready, and got its number, in the meantime.
        if (made.has_value() && ready_ && ready_->header.key < made->header.key) std::swap(*made, *ready_);
        co_return std::move(made);
    }
    ready_segment next = std::move(*ready_);
    ready_.reset();
    co_return std::move(next);
}

task<result<void>> segment_maker::fill(disk_file& file, std::uint64_t bytes) {
    for (std::uint64_t at = 0; at < bytes; at += fill_piece_bytes) {
        if (stopping_) co_return stopped();
        const auto filled = co_await file.zero_fill(at, std::min(fill_piece_bytes, bytes - at));
        if (filled.has_error()) co_return filled.error();
    }
    co_return co_await file.sync();
}

task<result<ready_segment>> segment_maker::make(std::uint64_t bytes) {
    ready_segment segment;
    const auto take_spare = [directory = &directory_] { return directory->take_spare(); };
    const std::optional<std::string> spare = co_await runtime::submit(directory_.home(), take_spare);
    WEIR_SOMETIMES(spare.has_value(), "a segment was recycled");
    const std::string from = directory_.options().path + "/" + std::to_string(log_.directory_epoch()) + "-" +
                             std::to_string(log_.shard()) + "-" + std::to_string(next_new_++) + ".new";
    // By this name the next life removes it. Under the old one that life would use it too, although a write of this one
    // may still be on its way into it.
    if (spare) {
        const auto renamed = co_await disk_.rename(*spare, from);
        if (renamed.has_error()) co_return renamed.error();
    }
    auto file = co_await open_file(from, spare ? open_mode::existing : open_mode::create_new);
    if (file.has_error()) co_return file.error();
    segment.file = std::move(*file);
    segment.header.bytes = spare ? segment.file->size() : bytes;
    result<void> done;
    if (!spare) done = co_await fill(*segment.file, bytes);
    if (done.has_value()) done = co_await finish(segment, from);
    if (done.has_error()) {
        // Half a file on a full disk is in the way.
        static_cast<void>(co_await disk_.remove(from));
        co_return done.error();
    }
    co_return std::move(segment);
}

task<result<void>> segment_maker::finish(ready_segment& segment, std::string from) {
    while (finishing_) co_await changed_.wait();
    finishing_ = true;
    segment_header& header = segment.header;
    header.key = {log_, next_number_++};
    header.salt = home_.random().next();
    header.partition_bits = directory_.options().partition_bits;
    segment.path = directory_.options().path + "/" + segment_file_name(header.key);
    block_buffer block(segment_header_bytes);
    encode_segment_header(header, block.span());
    result<void> done = co_await segment.file->write_durable(0, block.span());
    if (done.has_value()) done = co_await disk_.rename(from, segment.path);
    if (done.has_value()) done = co_await sync_names();
    if (done.has_value()) {
        const auto tell = [directory = &directory_, header, path = segment.path] {
            directory->segment_began(header, path);
        };
        co_await runtime::submit(directory_.home(), tell);
    }
    finishing_ = false;
    changed_.notify_all();
    co_return done;
}

task<void> segment_maker::stop() {
    stopping_ = true;
    co_await gate_.close();
    if (!ready_) co_return;
    const auto tell = [directory = &directory_, key = ready_->header.key] { directory->segment_unused(key); };
    ready_.reset();
    co_await runtime::submit(directory_.home(), tell);
}

}  // namespace storage::embedded
