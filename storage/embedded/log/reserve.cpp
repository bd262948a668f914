#include "storage/embedded/log/reserve.hpp"

#include <algorithm>

#include "runtime/base/log.hpp"
#include "runtime/spawn.hpp"

namespace storage::embedded {
namespace {

// How often it is looked whether space has returned.
constexpr runtime::milliseconds look_again(1000);
constexpr std::uint64_t fill_piece_bytes = 1 << 20;

}  // namespace

reserve_file::reserve_file(runtime::shard& home, disk& on, std::string folder, std::uint64_t bytes,
                           runtime::milliseconds first_after)
    : home_(home),
      disk_(on),
      folder_(std::move(folder)),
      bytes_(bytes / disk_block_bytes * disk_block_bytes),
      first_after_(first_after),
      released_total_(home.metrics().make_counter("weir_log_reserve_released_total",
                                                  "How often the log's reserve was given up for a full disk.")),
      size_(home.metrics().make_gauge("weir_log_reserve_bytes", "Bytes held back for a full disk; 0 while given up.")),
      changed_(home),
      gate_(home) {
    home.metrics().declare_limit("log.reserve_bytes");
}

reserve_file::~reserve_file() = default;

task<void> reserve_file::begin() {
    if (bytes_ == 0) co_return;
    auto file = co_await disk_.open(path(), open_mode::existing);
    const bool whole = file.has_value() && (*file)->size() == bytes_;
    const bool other = file.has_value() && !whole;
    if (file.has_value()) file->reset();
    if (other) static_cast<void>(co_await disk_.remove(path()));
    there_ = whole;
    size_.set(whole ? static_cast<double>(bytes_) : 0);
    const auto left = co_await disk_.free_bytes(folder_);
    if (whole && left.has_value() && *left < bytes_ / 2 && co_await release()) only_ahead_ = *left >= workable_bytes();
    runtime::spawn(gate_, home_, keep());
}

task<bool> reserve_file::release() {
    only_ahead_ = false;
    if (!there_ || releasing_) co_return false;
    releasing_ = true;
    const auto removed = co_await disk_.remove(path());
    // File systems give blocks back when the removal is durable.
    if (removed.has_value()) static_cast<void>(co_await disk_.sync_directory(folder_));
    releasing_ = false;
    if (removed.has_error()) co_return false;
    there_ = false;
    released_ = true;
    size_.set(0);
    released_total_.add();
    home_.metrics().limit_reached("log.reserve_bytes");
    runtime::log(runtime::log_level::error, "the disk of the log is full: its reserve is given up, no work is taken",
                 {{"bytes", bytes_}});
    changed_.notify_all();
    co_return true;
}

task<void> reserve_file::keep() {
    const auto begin_at = home_.time().steady() + first_after_;
    while (!there_ && !stopping_ && home_.time().steady() < begin_at)
        static_cast<void>(co_await changed_.wait_until(begin_at));
    while (!stopping_) {
        if (there_) {
            co_await changed_.wait();
            continue;
        }
        const bool made = co_await make();
        if (made) continue;
        static_cast<void>(co_await changed_.wait_until(home_.time().steady() + look_again));
    }
}

// Only where as much again stays free, so that it does not take what it is there to give. What a start did not need
// after all is taken back where it came from: the disk was not full before either.
task<bool> reserve_file::make() {
    const auto left = co_await disk_.free_bytes(folder_);
    const bool ahead = only_ahead_;
    const auto wanted = bytes_ + (ahead ? workable_bytes() : bytes_);
    if (left.has_value() && *left < wanted) co_return false;
    const std::string making = path() + ".new";
    static_cast<void>(co_await disk_.remove(making));
    auto file = co_await disk_.open(making, open_mode::create_new);
    result<void> done;
    if (file.has_error()) done = file.error();
    for (std::uint64_t at = 0; done.has_value() && at < bytes_; at += fill_piece_bytes) {
        // The log may find no space while this takes it.
        if (stopping_ || only_ahead_ != ahead)
            done = boost::system::errc::make_error_code(boost::system::errc::operation_canceled);
        if (done.has_value()) done = co_await (*file)->zero_fill(at, std::min(fill_piece_bytes, bytes_ - at));
    }
    if (done.has_value()) done = co_await (*file)->sync();
    if (file.has_value()) file->reset();
    if (done.has_value()) done = co_await disk_.rename(making, path());
    if (done.has_value()) done = co_await disk_.sync_directory(folder_);
    if (done.has_error()) {
        static_cast<void>(co_await disk_.remove(making));
        co_return false;
    }
    if (released_) runtime::log(runtime::log_level::info, "there is space again: the log's reserve is back", {});
    there_ = true;
    released_ = false;
    only_ahead_ = false;
    size_.set(static_cast<double>(bytes_));
    co_return true;
}

task<void> reserve_file::stop() {
    stopping_ = true;
    changed_.notify_all();
    co_await gate_.close();
}

std::string reserve_file::describe() const {
    if (bytes_ == 0) return "no reserve";
    if (released_) return "reserve given up, the disk is full";
    return there_ ? "reserve of " + std::to_string(bytes_ >> 20) + " MiB" : "reserve not made yet";
}

}  // namespace storage::embedded
