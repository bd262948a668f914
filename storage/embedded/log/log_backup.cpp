// What a backup of a running node asks of the log: to hold still for a moment, and which files there are.
#include "runtime/base/assert.hpp"
#include "storage/embedded/log/embedded_log.hpp"

namespace storage::embedded {

namespace {

// A disk that is full tells nobody who waits for a batch.
constexpr runtime::milliseconds look_again{50};

}  // namespace

void embedded_log::hold_releases() { holds_releases_ = true; }

void embedded_log::let_releases_go() {
    holds_releases_ = false;
    const auto held = std::exchange(held_releases_, {});
    for (const auto& [partition, below] : held) release(partition, below);
}

task<result<log_position>> embedded_log::pause() {
    paused_ = true;
    while (in_flight_ && !failed_) {
        if (full_) co_return log_errc::no_space;
        co_await progress_.wait_until(home_.time().steady() + look_again);
    }
    if (failed_) co_return failed_;
    if (stopping_ || !current_) co_return log_errc::not_open;
    co_return committed_;
}

void embedded_log::resume() {
    paused_ = false;
    work_.notify_all();
}

void log_directory::hold() { ++holds_; }

void log_directory::let_go() {
    WEIR_ASSERT(holds_ > 0);
    if (--holds_ == 0) free_what_may_go();
}

std::vector<log_directory::file_part> log_directory::files_until(const std::map<log_id, log_position>& ends) const {
    std::vector<file_part> out;
    out.push_back({"META", disk_block_bytes});
    for (const auto& [key, s] : segments_) {
        const auto end = ends.find(key.log);
        if (end != ends.end()) {
            // What came after the end that was asked for does not count, whatever has become of it.
            if (key.number > end->second.segment) continue;
            if (key.number == end->second.segment) {
                out.push_back({segment_file_name(key), end->second.position});
                continue;
            }
        }
        // A segment of this life that was sealed may not have been told of yet: all of it.
        out.push_back({segment_file_name(key), s.in_use ? s.header.bytes : s.end});
    }
    return out;
}

}  // namespace storage::embedded
