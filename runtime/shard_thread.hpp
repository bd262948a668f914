// The machine's shards: one pinned thread and one io_context each, joined by single-producer rings.
#pragma once

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <deque>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

#include "runtime/base/result.hpp"
#include "runtime/poll_window.hpp"
#include "runtime/shard.hpp"
#include "runtime/spsc_ring.hpp"

namespace boost::asio {
class thread_pool;
}

namespace runtime {

class shard_group;

// What each limit bounds stands beside it; `reached` counters are read by metrics.
struct shard_limits {
    std::size_t ring_capacity = 256;    // messages from one shard to another before the sender parks
    std::size_t parked_max = 1U << 20;  // messages a shard parks in all: reaching it is a bug and aborts
    microseconds polling_max{40};       // with work in sight it polls no longer before it sleeps
    unsigned offload_threads = 2;       // helper threads of the whole group, for blocking calls
    bool pinned = true;                 // each thread to one CPU; false for a client that is gone in a moment
};

class shard_thread final : public shard {
  public:
    shard_thread(shard_group& group, shard_id id, std::uint64_t seed);
    ~shard_thread() override;

    void post(work w) override;
    void when_idle(work w, nanoseconds at_most) override;
    void send(shard& to, work w) override;
    void offload(work blocking, work done) override;

    // A part that completes without a wake-up while the shard is awake (an io_uring's completions); returns how much
    // came.
    void add_poller(unique_function<std::size_t()> poll) { pollers_.push_back(std::move(poll)); }
    [[nodiscard]] std::uint64_t parked_total() const { return parked_total_; }

  private:
    friend class shard_group;

    struct idle_work {
        work run;
        steady_time at_latest;
    };

    void run(int cpu);
    void loop();
    bool turn();
    // All of it, or what may wait no longer. True if there was some.
    bool run_idle_work(bool is_idle);
    void sleep_until_woken();
    void end_wait(steady_time now);
    std::size_t drain_rings();
    std::size_t flush_parked();
    void wake();
    void watch_wake_ups();
    void arm_timer();

    shard_group& group_;
    boost::asio::io_context io_context_{1};
    int wake_fd_;
    boost::asio::posix::basic_stream_descriptor<boost::asio::io_context::executor_type> wake_up_;
    std::uint64_t wake_count_ = 0;
    boost::asio::basic_waitable_timer<std::chrono::steady_clock, boost::asio::wait_traits<std::chrono::steady_clock>,
                                      boost::asio::io_context::executor_type>
        alarm_;
    steady_time armed_ = steady_time::never();
    std::vector<std::unique_ptr<spsc_ring<work>>> inbox_;  // one from each shard
    std::vector<std::deque<work>> parked_;                 // one for each shard, when its ring is full
    std::size_t parked_count_ = 0;
    std::uint64_t parked_total_ = 0;
    std::vector<unique_function<std::size_t()>> pollers_;
    std::vector<idle_work> idle_work_;
    poll_window poll_window_;
    std::optional<steady_time> waiting_since_;  // with work in sight
    std::atomic<bool> asleep_{false};
    std::atomic<bool> stopping_{false};
    std::thread thread_;
};

// Owns the shards of a process. Lifetime: outlives everything on them.
class shard_group {
  public:
    explicit shard_group(std::size_t count, shard_limits limits = {});
    ~shard_group();

    [[nodiscard]] std::size_t size() const { return shards_.size(); }
    [[nodiscard]] shard& operator[](std::size_t i) { return *shards_[i]; }
    [[nodiscard]] shard_thread& thread_of(std::size_t i) { return *shards_[i]; }
    [[nodiscard]] const shard_limits& limits() const { return limits_; }

    // Starts and pins the threads. Shard i takes the i-th CPU that the process may use, round robin.
    void start();
    // Runs a task on a shard from outside and waits for its end; exceptions travel. Not from a shard.
    void run_and_wait(std::size_t i, unique_function<task<void>()> make);
    // Ends the loops and joins the threads. Whatever is still suspended is dropped.
    void stop();

    static std::size_t usable_cpus();

  private:
    friend class shard_thread;
    shard_limits limits_;
    std::unique_ptr<boost::asio::thread_pool> helpers_;
    std::vector<std::unique_ptr<shard_thread>> shards_;
    bool started_ = false;
};

}  // namespace runtime
