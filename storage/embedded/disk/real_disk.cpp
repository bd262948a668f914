#include "storage/embedded/disk/real_disk.hpp"

#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "storage/embedded/disk/posix_files.hpp"
#include "storage/embedded/disk/thread_writer.hpp"
#include "storage/embedded/disk/uring.hpp"

namespace storage::embedded {
namespace {

using runtime::error_code;
using runtime::offload;

error_code error_of(std::int64_t negative) { return {static_cast<int>(-negative), boost::system::generic_category()}; }

result<void> outcome_of(std::int64_t answer) {
    if (answer < 0) return error_of(answer);
    return {};
}

// Both writers; exactly one exists.
struct writers {
    std::unique_ptr<uring> ring;
    std::unique_ptr<thread_writer> thread;
};

class real_file final : public disk_file {
  public:
    real_file(writers& by, const posix::opened& what) : by_(by), file_(what.file), bytes_(what.bytes) {}
    ~real_file() override { ::close(file_); }

    task<result<void>> write_durable(std::uint64_t position, std::span<const std::byte> bytes) override {
        const std::uint64_t end = position + bytes.size();
        if (by_.thread) {
            const int answer = co_await by_.thread->write(file_, bytes, position);
            if (answer < 0) co_return outcome_of(answer);
        }
        while (by_.ring && !bytes.empty()) {
            const int answer = co_await by_.ring->write(file_, bytes, position, true);
            if (answer == -EINTR || answer == -EAGAIN) continue;
            if (answer <= 0) co_return outcome_of(answer == 0 ? -EIO : answer);
            bytes = bytes.subspan(static_cast<std::size_t>(answer));
            position += static_cast<std::uint64_t>(answer);
        }
        bytes_ = std::max(bytes_, end);
        co_return outcome_of(0);
    }

    task<result<std::size_t>> read(std::uint64_t position, std::span<std::byte> into) override {
        std::int64_t have = 0;
        if (by_.ring) {
            have = co_await read_by_ring(position, into);
        } else {
            auto blocking = [file = file_, into, position] { return posix::read_all(file, into, position); };
            have = co_await offload(blocking);
        }
        if (have < 0) co_return error_of(have);
        co_return static_cast<std::size_t>(have);
    }

    task<result<void>> zero_fill(std::uint64_t position, std::uint64_t bytes) override {
        auto blocking = [file = file_, position, bytes] { return posix::write_zeros(file, position, bytes); };
        const int answer = co_await offload(blocking);
        if (answer >= 0) bytes_ = std::max(bytes_, position + bytes);
        co_return outcome_of(answer);
    }

    task<result<void>> sync() override {
        auto blocking = [file = file_] { return posix::sync_file(file); };
        co_return outcome_of(co_await offload(blocking));
    }

    [[nodiscard]] std::uint64_t size() const override { return bytes_; }

  private:
    task<std::int64_t> read_by_ring(std::uint64_t position, std::span<std::byte> into) {
        std::size_t have = 0;
        while (have < into.size()) {
            const int answer = co_await by_.ring->read(file_, into.subspan(have), position + have);
            if (answer == -EINTR || answer == -EAGAIN) continue;
            if (answer < 0) co_return answer;
            have += static_cast<std::size_t>(answer);
            if (answer == 0 || have % disk_block_bytes != 0) break;
        }
        co_return static_cast<std::int64_t>(have);
    }

    writers& by_;
    int file_;
    std::uint64_t bytes_;
};

class real_lock final : public disk_lock {
  public:
    explicit real_lock(int file) : file_(file) {}
    ~real_lock() override { ::close(file_); }

  private:
    int file_;
};

class real_disk final : public disk {
  public:
    real_disk(real_disk_options options, writers by) : options_(options), by_(std::move(by)) {}

    task<result<std::unique_ptr<disk_file>>> open(std::string path, open_mode mode) override {
        auto blocking = [path, create = mode == open_mode::create_new, direct = options_.direct] {
            return posix::open_file(path, create, direct);
        };
        const posix::opened what = co_await offload(blocking);
        if (what.file < 0) co_return error_of(what.file);
        if (!what.direct) buffered_ = true;
        std::unique_ptr<disk_file> file = std::make_unique<real_file>(by_, what);
        co_return std::move(file);
    }

    task<result<void>> rename(std::string from, std::string to) override {
        auto blocking = [from, to] { return std::rename(from.c_str(), to.c_str()) < 0 ? -errno : 0; };
        co_return outcome_of(co_await offload(blocking));
    }

    task<result<void>> remove(std::string path) override {
        auto blocking = [path] { return ::unlink(path.c_str()) < 0 ? -errno : 0; };
        co_return outcome_of(co_await offload(blocking));
    }

    task<result<std::vector<std::string>>> list(std::string folder) override {
        auto blocking = [folder] { return posix::list_folder(folder); };
        auto answer = co_await offload(blocking);
        if (answer.first < 0) co_return error_of(answer.first);
        co_return std::move(answer.second);
    }

    task<result<void>> make_folder(std::string path) override {
        auto blocking = [path] { return posix::make_folders(path); };
        co_return outcome_of(co_await offload(blocking));
    }

    task<result<void>> sync_directory(std::string folder) override {
        auto blocking = [folder] { return posix::sync_folder(folder); };
        co_return outcome_of(co_await offload(blocking));
    }

    task<result<std::unique_ptr<disk_lock>>> try_lock(std::string path) override {
        auto blocking = [path] { return posix::lock_file(path); };
        const int file = co_await offload(blocking);
        if (file < 0) co_return error_of(file);
        std::unique_ptr<disk_lock> lock = std::make_unique<real_lock>(file);
        co_return std::move(lock);
    }

    task<result<std::uint64_t>> free_bytes(std::string folder) override {
        auto blocking = [folder] { return posix::free_bytes(folder); };
        const std::int64_t answer = co_await offload(blocking);
        if (answer < 0) co_return error_of(answer);
        co_return static_cast<std::uint64_t>(answer);
    }

    [[nodiscard]] std::string describe() const override {
        return std::string(by_.ring ? "io_uring" : "thread, pwritev2") + (buffered_ ? ", buffered" : ", O_DIRECT");
    }

  private:
    real_disk_options options_;
    bool buffered_ = false;
    writers by_;
};

}  // namespace

result<std::unique_ptr<disk>> make_real_disk(runtime::shard& home, real_disk_options options) {
    writers by;
    if (options.writer != writer_kind::thread) {
        auto ring = uring::make(home);
        if (ring.has_value()) {
            by.ring = std::move(*ring);
        } else if (options.writer == writer_kind::io_uring) {
            return ring.error();
        }
    }
    if (!by.ring) by.thread = std::make_unique<thread_writer>(home);
    return std::unique_ptr<disk>(std::make_unique<real_disk>(options, std::move(by)));
}

}  // namespace storage::embedded
