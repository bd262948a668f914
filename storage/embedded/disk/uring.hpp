// One io_uring of a shard, spoken to directly: writes and reads of files are started with one system call each and
// their completions are seen without a wake-up while the shard is awake.
#pragma once

#include <boost/asio/posix/stream_descriptor.hpp>
#include <cstdint>
#include <memory>
#include <span>

#include "runtime/base/result.hpp"
#include "runtime/completion.hpp"
#include "runtime/shard.hpp"
#include "runtime/task.hpp"

struct io_uring;

namespace storage::embedded {

// Shard: `home` only; its methods must be called there. Destroy it with nothing in flight. Not cancellable.
class uring {
  public:
    // The kernel's error where it refuses io_uring (many containers do).
    static runtime::result<std::unique_ptr<uring>> make(runtime::shard& home);
    ~uring();
    uring(const uring&) = delete;
    uring& operator=(const uring&) = delete;

    // The kernel's answer: bytes, or a negative errno. `durable` asks for RWF_DSYNC. The caller keeps the buffer.
    runtime::task<int> write(int file, std::span<const std::byte> bytes, std::uint64_t position, bool durable);
    runtime::task<int> read(int file, std::span<std::byte> into, std::uint64_t position);

    [[nodiscard]] std::size_t in_flight() const { return in_flight_; }

  private:
    // Lives in the frame of the waiting task.
    struct operation {
        runtime::completion<void(int)> resume;
    };

    uring(runtime::shard& home, std::unique_ptr<io_uring> ring, int wake_up);
    struct transfer {
        int file;
        void* bytes;
        unsigned length;
        std::uint64_t position;
        bool is_write;
        bool durable;
    };
    runtime::task<int> run(transfer what);
    void start(const transfer& what, operation& op);
    std::size_t reap();
    void watch_wake_ups();

    runtime::shard& home_;
    std::unique_ptr<io_uring> ring_;
    boost::asio::posix::basic_stream_descriptor<boost::asio::io_context::executor_type> wake_up_;
    std::uint64_t wake_count_ = 0;
    std::size_t in_flight_ = 0;
    // The shard's poller outlives this object; it looks here first.
    std::shared_ptr<uring*> alive_;
};

}  // namespace storage::embedded
