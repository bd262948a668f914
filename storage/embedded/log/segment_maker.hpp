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

    // `on_failure` is called once when failure() is set.
    void begin(log_id log, runtime::unique_function<void()> on_failure) {
        log_ = log;
        on_failure_ = std::move(on_failure);
    }
    // Begins to make a large segment unless one is ready or being made.
    void prepare();
    // The next segment: the one that is ready, or a spare, or a small one made now. Numbers rise in the order of
    // taking.
    task<result<ready_segment>> take();
    // A segment that was being made in the background met an error that neither space nor patience heals: this disk is
    // not trusted any more.
    [[nodiscard]] runtime::error_code failure() const { return failure_; }
    // From now on a shortage of files is an error like others, instead of being waited out.
    void give_up() { giving_up_ = true; }
    // Gives what is ready back to the directory.
    task<void> stop();

  private:
    task<void> make_in_background();
    task<result<std::unique_ptr<disk_file>>> open_file(std::string path, open_mode mode);
    task<result<void>> sync_names();
    // After a shortage: true when it is to be tried again.
    task<bool> wait_out(runtime::error_code why);
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
    bool giving_up_ = false;
    runtime::error_code failure_;
    runtime::unique_function<void()> on_failure_;
    runtime::event changed_;
    runtime::gate gate_;
};

}  // namespace storage::embedded
