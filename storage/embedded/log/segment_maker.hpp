// Makes segments ready to be written: named, zero-filled or recycled, headed, durable. Large ones in the background.
#pragma once

#include <memory>
#include <optional>

#include "runtime/event.hpp"
#include "runtime/gate.hpp"
#include "storage/embedded/log/directory.hpp"

namespace storage::embedded {

struct ready_segment {
    segment_header header;
    std::string path;
    std::shared_ptr<disk_file> file;
};

// Shard: the log's. Lifetime: stop() before destruction.
class segment_maker {
  public:
    segment_maker(runtime::shard& home, disk& on, log_directory& directory);

    void begin(log_id log) { log_ = log; }
    // Begins to make a large segment unless one is ready or being made.
    void prepare();
    // The next segment: the one that is ready, or a spare, or a small one made now. Numbers rise in the order of
    // taking.
    task<result<ready_segment>> take();
    // Gives what is ready back to the directory.
    task<void> stop();

  private:
    task<void> make_in_background();
    task<result<ready_segment>> make(std::uint64_t bytes);
    task<result<void>> fill(disk_file& file, std::uint64_t bytes);
    task<result<void>> finish(ready_segment& segment, std::string from);

    runtime::shard& home_;
    disk& disk_;
    log_directory& directory_;
    log_id log_;
    std::uint64_t next_number_ = 1;
    std::uint64_t next_new_ = 1;
    std::optional<ready_segment> ready_;
    bool making_ = false;
    bool finishing_ = false;
    bool stopping_ = false;
    runtime::event changed_;
    runtime::gate gate_;
};

}  // namespace storage::embedded
