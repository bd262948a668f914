// The reserve: a file that holds space back, so that a full disk is no dead end. When the log finds no space, the file
// is removed: what runs can be concluded, and a start can recover. It comes back when there is space again.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>

#include "runtime/base/metrics.hpp"
#include "runtime/event.hpp"
#include "runtime/gate.hpp"
#include "runtime/shard.hpp"
#include "storage/api/disk.hpp"

namespace storage::embedded {

// Shard: `home`, except for those members that say "any". Lifetime: begin() once, stop() before destruction; the disk
// outlives it.
class reserve_file {
  public:
    // `bytes` of 0: there is none, and every call does nothing.
    reserve_file(runtime::shard& home, disk& on, std::string folder, std::uint64_t bytes,
                 runtime::milliseconds first_after);
    ~reserve_file();

    // Looks whether it is there, and gives it up at once when hardly any space is left beside it: the start needs some.
    // Makes it, in the background and after `first_after`, where it is missing and there is space for twice its size.
    // What a start gave up though there was space to work with (an eighth of its size) is made again when as much is
    // left beside it once every shard has its first segment.
    task<void> begin();
    // The log has found no space. True if that gave some back.
    task<bool> release();
    task<void> stop();

    // Any. The disk was full, and what is written now lives on what the reserve gave back: no new work should be taken.
    [[nodiscard]] bool is_released() const { return released_.load(std::memory_order_relaxed); }
    // Any. A few words for /readyz?verbose.
    [[nodiscard]] std::string describe() const;

  private:
    task<void> keep();
    task<bool> make();
    [[nodiscard]] std::string path() const { return folder_ + "/reserve"; }
    // Free space that a log can work with for a while.
    [[nodiscard]] std::uint64_t workable_bytes() const { return bytes_ / 8; }

    runtime::shard& home_;
    disk& disk_;
    std::string folder_;
    std::uint64_t bytes_;
    runtime::milliseconds first_after_;
    std::atomic<bool> there_{false};
    std::atomic<bool> released_{false};
    bool only_ahead_ = false;  // given up for a start with workable space, and the log has found space ever since
    bool releasing_ = false;
    bool stopping_ = false;
    runtime::counter& released_total_;
    runtime::gauge& size_;
    runtime::event changed_;
    runtime::gate gate_;
};

}  // namespace storage::embedded
