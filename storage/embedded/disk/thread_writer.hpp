// The second way to write durably, for machines that refuse io_uring: one thread that calls pwritev2(RWF_DSYNC).
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <span>
#include <thread>

#include "runtime/completion.hpp"
#include "runtime/shard.hpp"
#include "runtime/task.hpp"

namespace storage::embedded {

// Shard: `home` only. The thread holds at most one write; others wait on the shard. Destroy it with nothing in flight.
// Not cancellable.
class thread_writer {
  public:
    explicit thread_writer(runtime::shard& home);
    ~thread_writer();
    thread_writer(const thread_writer&) = delete;
    thread_writer& operator=(const thread_writer&) = delete;

    // Zero when all is durable, or a negative errno. The caller keeps the buffer.
    runtime::task<int> write(int file, std::span<const std::byte> bytes, std::uint64_t position);

  private:
    // Lives in the frame of the waiting task.
    struct job {
        int file;
        std::span<const std::byte> bytes;
        std::uint64_t position;
        int answer = 0;
        runtime::completion<void()> resume;
    };

    void run();
    void hand_over();
    void done(job* which);

    runtime::shard& home_;
    std::deque<job*> waiting_;
    bool busy_ = false;
    std::atomic<job*> slot_{nullptr};
    job end_{};  // its address in the slot ends the thread
    std::thread thread_;
};

}  // namespace storage::embedded
