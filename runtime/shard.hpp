// A shard: one pinned thread with one io_context, or one actor of the simulated world. Shards share nothing; they talk
// only by submit(). Everything a shard owns is touched by that shard alone.
#pragma once

#include <cstdint>

#include "runtime/base/ids.hpp"
#include "runtime/base/log.hpp"
#include "runtime/base/metrics.hpp"
#include "runtime/base/random.hpp"
#include "runtime/base/time.hpp"
#include "runtime/base/unique_function.hpp"
#include "runtime/completion.hpp"
#include "runtime/executor.hpp"
#include "runtime/task.hpp"
#include "runtime/timer.hpp"

namespace runtime {

class shard {
  public:
    using work = unique_function<void()>;

    shard(shard_id id, const clock& time, std::uint64_t seed) : id_(id), clock_(time), random_(seed) {}
    virtual ~shard() = default;
    shard(const shard&) = delete;
    shard& operator=(const shard&) = delete;

    // The shard whose work runs now on this thread.
    static shard& here();
    static shard* here_or_null() noexcept;

    [[nodiscard]] shard_id id() const { return id_; }
    [[nodiscard]] const clock& time() const { return clock_; }
    [[nodiscard]] random_source& random() { return random_; }
    [[nodiscard]] timer_queue& timers() { return timers_; }
    [[nodiscard]] metrics_registry& metrics() { return metrics_; }
    [[nodiscard]] executor get_executor() { return executor(*this); }
    // Null in the simulated world.
    [[nodiscard]] boost::asio::io_context* io() const noexcept { return io_; }

    // Runs `w` on this shard, later. Shard: any thread.
    virtual void post(work w) = 0;
    // Runs `w` on this shard once nothing else is ready here, or `at_most` from now: for what is cheaper done for many
    // at once. The simulated world, where a shard may be idle at any time, runs it at once.
    virtual void when_idle(work w, nanoseconds at_most) = 0;
    // Runs `w` on `to`, in the order sent. Shard: this one, which must be running.
    virtual void send(shard& to, work w) = 0;
    // Runs `blocking` on a helper thread, then `done` on this shard (in the simulated world both on the shard, later).
    virtual void offload(work blocking, work done) = 0;

    // Work in sight (a disk write): as long as there is some, and what it waited for came soon of late, a real shard
    // polls for some microseconds before it sleeps, since waking an idle core costs more.
    void expect_work() { ++expected_; }
    void expected_work_came() { --expected_; }
    // While programs want this CPU, polling takes it from them.
    void allow_polling(bool allowed) { polling_allowed_ = allowed; }

    // Marks a shard as the running one, for the thread's current scope. For those who run shards: threads, the world.
    class running {
      public:
        explicit running(shard& s) noexcept;
        ~running();
        running(const running&) = delete;
        running& operator=(const running&) = delete;

      private:
        shard* before_;
        log_speaker speaker_before_;
    };

  protected:
    boost::asio::io_context* io_ = nullptr;
    boost::asio::execution_context* context_ = nullptr;
    std::int64_t expected_ = 0;
    bool polling_allowed_ = true;

  private:
    friend class executor;

    shard_id id_;
    const clock& clock_;
    random_source random_;
    timer_queue timers_;
    metrics_registry metrics_;
};

// Starts a task that came from another shard; it has no gate here because its caller waits for it there.
void start_remote_task(shard& home, task<void> work);

// Runs a blocking function on a helper thread and brings its result back; exceptions travel. Not cancellable.
template <class F>
auto offload(F function) -> task<std::invoke_result_t<F&>>;

}  // namespace runtime

#include "runtime/offload.ipp"
