#include "storage/embedded/disk/uring.hpp"

#include <liburing.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "runtime/base/assert.hpp"
#include "runtime/shard_thread.hpp"

namespace storage::embedded {

using runtime::error_code;
using runtime::result;
using runtime::task;

namespace {

// The log has one write in flight; the rest is reads.
constexpr unsigned ring_entries = 128;

error_code system_error(int number) { return {number, boost::system::generic_category()}; }

}  // namespace

result<std::unique_ptr<uring>> uring::make(runtime::shard& home) {
    auto ring = std::make_unique<io_uring>();
    if (const int refused = io_uring_queue_init(ring_entries, ring.get(), 0); refused < 0)
        return system_error(-refused);
    const int wake_up = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    const int registered = wake_up < 0 ? -errno : io_uring_register_eventfd(ring.get(), wake_up);
    if (registered < 0) {
        if (wake_up >= 0) ::close(wake_up);
        io_uring_queue_exit(ring.get());
        return system_error(-registered);
    }
    return std::unique_ptr<uring>(new uring(home, std::move(ring), wake_up));
}

uring::uring(runtime::shard& home, std::unique_ptr<io_uring> ring, int wake_up)
    : home_(home), ring_(std::move(ring)), wake_up_(*home.io(), wake_up), alive_(std::make_shared<uring*>(this)) {
    watch_wake_ups();
    if (auto* thread = dynamic_cast<runtime::shard_thread*>(&home)) {
        thread->add_poller([alive = alive_]() -> std::size_t { return *alive == nullptr ? 0 : (*alive)->reap(); });
    }
}

uring::~uring() {
    WEIR_ASSERT(in_flight_ == 0);
    *alive_ = nullptr;
    io_uring_queue_exit(ring_.get());
}

void uring::watch_wake_ups() {
    wake_up_.async_read_some(runtime::asio::buffer(&wake_count_, sizeof wake_count_),
                             [this, alive = alive_](error_code failed, std::size_t) {
                                 if (failed || *alive == nullptr) return;
                                 reap();
                                 if (*alive != nullptr) watch_wake_ups();
                             });
}

void uring::start(const transfer& what, operation& op) {
    io_uring_sqe* entry = io_uring_get_sqe(ring_.get());
    // Every entry is handed to the kernel at once, so there is always a free one.
    WEIR_ASSERT(entry != nullptr);
    if (what.is_write) {
        io_uring_prep_write(entry, what.file, what.bytes, what.length, what.position);
        if (what.durable) entry->rw_flags = RWF_DSYNC;
    } else {
        io_uring_prep_read(entry, what.file, what.bytes, what.length, what.position);
    }
    io_uring_sqe_set_data(entry, &op);
    ++in_flight_;
    home_.expect_work();
    int submitted = 0;
    do {
        submitted = io_uring_submit(ring_.get());
    } while (submitted == -EINTR || submitted == -EAGAIN);
    WEIR_ASSERT(submitted == 1);
}

std::size_t uring::reap() {
    std::size_t count = 0;
    io_uring_cqe* entry = nullptr;
    // A resumed task may destroy this object once nothing is in flight.
    const auto alive = alive_;
    while (in_flight_ > 0 && io_uring_peek_cqe(ring_.get(), &entry) == 0 && entry != nullptr) {
        auto* op = static_cast<operation*>(io_uring_cqe_get_data(entry));
        const int answer = entry->res;
        io_uring_cqe_seen(ring_.get(), entry);
        --in_flight_;
        home_.expected_work_came();
        ++count;
        auto resume = std::move(op->resume);
        resume(answer);
        if (*alive == nullptr) break;
    }
    return count;
}

task<int> uring::run(transfer what) {
    operation op;
    auto begin = [this, &what, &op](auto resume) {
        op.resume = std::move(resume);
        start(what, op);
    };
    co_return co_await runtime::operation<void(int)>(begin);
}

task<int> uring::write(int file, std::span<const std::byte> bytes, std::uint64_t position, bool durable) {
    return run(
        {file, const_cast<std::byte*>(bytes.data()), static_cast<unsigned>(bytes.size()), position, true, durable});
}

task<int> uring::read(int file, std::span<std::byte> into, std::uint64_t position) {
    return run({file, into.data(), static_cast<unsigned>(into.size()), position, false, false});
}

}  // namespace storage::embedded
