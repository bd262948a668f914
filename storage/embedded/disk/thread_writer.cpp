#include "storage/embedded/disk/thread_writer.hpp"

#include <pthread.h>
#include <sys/uio.h>

#include <cerrno>

#include "runtime/base/assert.hpp"

namespace storage::embedded {
namespace {

int write_all(int file, std::span<const std::byte> bytes, std::uint64_t position) {
    while (!bytes.empty()) {
        const iovec piece{const_cast<std::byte*>(bytes.data()), bytes.size()};
        const ssize_t written = ::pwritev2(file, &piece, 1, static_cast<off_t>(position), RWF_DSYNC);
        if (written < 0) {
            if (errno == EINTR) continue;
            return -errno;
        }
        if (written == 0) return -EIO;
        bytes = bytes.subspan(static_cast<std::size_t>(written));
        position += static_cast<std::uint64_t>(written);
    }
    return 0;
}

}  // namespace

thread_writer::thread_writer(runtime::shard& home) : home_(home), thread_([this] { run(); }) {}

thread_writer::~thread_writer() {
    WEIR_ASSERT(!busy_ && waiting_.empty());
    slot_.store(&end_, std::memory_order_release);
    slot_.notify_one();
    thread_.join();
}

void thread_writer::run() {
    pthread_setname_np(pthread_self(), ("log " + std::to_string(home_.id())).c_str());
    while (true) {
        slot_.wait(nullptr, std::memory_order_acquire);
        job* const mine = slot_.exchange(nullptr, std::memory_order_acq_rel);
        if (mine == &end_) return;
        mine->answer = write_all(mine->file, mine->bytes, mine->position);
        home_.post([this, mine] { done(mine); });
    }
}

void thread_writer::hand_over() {
    if (busy_ || waiting_.empty()) return;
    busy_ = true;
    home_.expect_work();
    slot_.store(waiting_.front(), std::memory_order_release);
    waiting_.pop_front();
    slot_.notify_one();
}

void thread_writer::done(job* which) {
    busy_ = false;
    home_.expected_work_came();
    hand_over();
    // Last, since the resumed task may destroy this object.
    auto resume = std::move(which->resume);
    resume();
}

runtime::task<int> thread_writer::write(int file, std::span<const std::byte> bytes, std::uint64_t position) {
    job mine{file, bytes, position};
    auto begin = [this, &mine](auto resume) {
        mine.resume = std::move(resume);
        waiting_.push_back(&mine);
        hand_over();
    };
    co_await runtime::operation<void()>(begin);
    co_return mine.answer;
}

}  // namespace storage::embedded
