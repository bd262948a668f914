// The disk seam: files that a write-ahead log needs, and nothing more. The machine's disk (storage/embedded/disk) and
// the simulated one (storage/simulated) implement it. Errors are errno values of the generic category.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "runtime/base/result.hpp"
#include "runtime/task.hpp"

namespace storage {

using runtime::result;
using runtime::task;

// Every position, length and buffer that meets a disk is a multiple of this.
inline constexpr std::size_t disk_block_bytes = 4096;

constexpr std::size_t round_up_to_block(std::size_t bytes) {
    return (bytes + disk_block_bytes - 1) / disk_block_bytes * disk_block_bytes;
}

// Zeroed memory that starts on a block and is whole blocks long. Move-only.
class block_buffer {
  public:
    block_buffer() = default;
    explicit block_buffer(std::size_t bytes);
    block_buffer(block_buffer&& other) noexcept
        : memory_(std::move(other.memory_)), bytes_(std::exchange(other.bytes_, 0)) {}
    block_buffer& operator=(block_buffer&& other) noexcept {
        memory_ = std::move(other.memory_);
        bytes_ = std::exchange(other.bytes_, 0);
        return *this;
    }
    block_buffer(const block_buffer&) = delete;
    block_buffer& operator=(const block_buffer&) = delete;
    ~block_buffer() = default;

    [[nodiscard]] std::byte* data() { return memory_.get(); }
    [[nodiscard]] const std::byte* data() const { return memory_.get(); }
    [[nodiscard]] std::size_t size() const { return bytes_; }
    [[nodiscard]] std::span<std::byte> span() { return {memory_.get(), bytes_}; }
    // Grows to at least `bytes` and keeps the first `used` ones.
    void grow(std::size_t bytes, std::size_t used);

  private:
    struct release {
        void operator()(std::byte* memory) const noexcept;
    };
    std::unique_ptr<std::byte, release> memory_;
    std::size_t bytes_ = 0;
};

// An open file; destroying it closes it. Shard: the one that opened it. Cancellation: none, what was begun is finished,
// so that a buffer is never written to behind its owner's back; the buffer belongs to the caller until then.
class disk_file {
  public:
    virtual ~disk_file() = default;

    // Completes when the bytes, and what is needed to find them again, survive a loss of power. After an error what the
    // blocks hold is unknown.
    virtual task<result<void>> write_durable(std::uint64_t position, std::span<const std::byte> bytes) = 0;
    // How many bytes were there: less than asked for only at the end of the file.
    virtual task<result<std::size_t>> read(std::uint64_t position, std::span<std::byte> into) = 0;
    // Writes zeros, which also gives the file its size; durable after sync().
    virtual task<result<void>> zero_fill(std::uint64_t position, std::uint64_t bytes) = 0;
    virtual task<result<void>> sync() = 0;
    [[nodiscard]] virtual std::uint64_t size() const = 0;
};

// Held as long as it lives, at most until the process dies.
class disk_lock {
  public:
    virtual ~disk_lock() = default;
};

// The file system, or the user's part of it, is full: heals by itself.
bool is_no_space(const runtime::error_code& code);

enum class open_mode { existing, create_new };

// Shard: one instance per shard, its owner only; the machine's disk behind them is shared. Nothing blocks the shard.
class disk {
  public:
    virtual ~disk() = default;

    virtual task<result<std::unique_ptr<disk_file>>> open(std::string path, open_mode mode) = 0;
    // Replaces `to`. Like create and remove, it is durable after sync_directory().
    virtual task<result<void>> rename(std::string from, std::string to) = 0;
    virtual task<result<void>> remove(std::string path) = 0;
    // Names without the folder, sorted.
    virtual task<result<std::vector<std::string>>> list(std::string folder) = 0;
    // Makes the folder and those above it; one that exists is fine.
    virtual task<result<void>> make_folder(std::string path) = 0;
    virtual task<result<void>> sync_directory(std::string folder) = 0;
    // An exclusive lock on a file, which is created. Error resource_unavailable_try_again when somebody else has it.
    virtual task<result<std::unique_ptr<disk_lock>>> try_lock(std::string path) = 0;

    // What an ordinary user could still write into the folder's file system; a disk that cannot say has no end.
    virtual task<result<std::uint64_t>> free_bytes(std::string folder);

    // How it writes, in a few words: "io_uring, O_DIRECT".
    [[nodiscard]] virtual std::string describe() const = 0;
};

}  // namespace storage
