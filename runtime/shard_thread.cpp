#include "runtime/shard_thread.hpp"

#include <pthread.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/thread_pool.hpp>
#include <future>

#include "runtime/base/assert.hpp"

namespace runtime {
namespace {

constexpr std::size_t handlers_in_a_row = 128;

std::vector<int> usable_cpu_list() {
    cpu_set_t set;
    CPU_ZERO(&set);
    std::vector<int> cpus;
    if (sched_getaffinity(0, sizeof set, &set) == 0) {
        for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu)
            if (CPU_ISSET(cpu, &set)) cpus.push_back(cpu);
    }
    return cpus;
}

}  // namespace

shard_thread::shard_thread(shard_group& group, shard_id id, std::uint64_t seed)
    : shard(id, system_clock(), seed),
      group_(group),
      wake_fd_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)),
      wake_up_(io_context_, wake_fd_),
      alarm_(io_context_),
      poll_window_(group.limits().polling_max) {
    WEIR_ASSERT(wake_fd_ >= 0);
    io_ = &io_context_;
    context_ = &io_context_;
    timers().on_earlier_deadline = [this] { arm_timer(); };
}

shard_thread::~shard_thread() = default;

void shard_thread::post(work w) {
    asio::require(io_context_.get_executor(), asio::execution::blocking.never).execute([w = std::move(w)]() mutable {
        w();
    });
}

void shard_thread::when_idle(work w, nanoseconds at_most) {
    idle_work_.push_back({std::move(w), time().steady() + at_most});
}

void shard_thread::send(shard& to, work w) {
    if (&to == this) {
        post(std::move(w));
        return;
    }
    auto& other = static_cast<shard_thread&>(to);
    auto& parked = parked_[other.id()];
    if (!parked.empty() || !other.inbox_[id()]->try_push(w)) {
        // Order is kept: behind a parked message everything parks.
        parked.push_back(std::move(w));
        ++parked_count_;
        ++parked_total_;
        WEIR_ASSERT(parked_count_ <= group_.limits().parked_max);
        return;
    }
    other.wake();
}

void shard_thread::offload(work blocking, work done) {
    asio::post(*group_.helpers_, [this, blocking = std::move(blocking), done = std::move(done)]() mutable {
        blocking();
        post(std::move(done));
    });
}

void shard_thread::wake() {
    // Pairs with the fence in sleep_until_woken(): either we see it asleep, or it sees our message.
    std::atomic_thread_fence(std::memory_order_seq_cst);
    if (asleep_.load(std::memory_order_relaxed) && asleep_.exchange(false)) {
        const std::uint64_t one = 1;
        [[maybe_unused]] const auto written = ::write(wake_fd_, &one, sizeof one);
    }
}

void shard_thread::watch_wake_ups() {
    wake_up_.async_read_some(asio::buffer(&wake_count_, sizeof wake_count_), [this](error_code ec, std::size_t) {
        if (!ec) watch_wake_ups();
    });
}

void shard_thread::arm_timer() {
    const steady_time next = timers().next_deadline();
    if (next >= armed_) return;
    armed_ = next;
    alarm_.expires_at(std::chrono::steady_clock::time_point(nanoseconds(next.nanoseconds_since_start)));
    alarm_.async_wait([this](error_code ec) {
        if (ec) return;
        armed_ = steady_time::never();
        timers().fire(time().steady());
        arm_timer();
    });
}

std::size_t shard_thread::drain_rings() {
    std::size_t count = 0;
    work w;
    for (auto& ring : inbox_) {
        // A bounded bite of each, so that one busy sender cannot starve the sockets.
        for (int i = 0; ring && i < 256 && ring->try_pop(w); ++i, ++count) w();
    }
    return count;
}

std::size_t shard_thread::flush_parked() {
    std::size_t moved = 0;
    for (std::size_t i = 0; i < parked_.size() && parked_count_ > 0; ++i) {
        auto& other = *group_.shards_[i];
        while (!parked_[i].empty() && other.inbox_[id()]->try_push(parked_[i].front())) {
            parked_[i].pop_front();
            --parked_count_;
            ++moved;
            other.wake();
        }
    }
    return moved;
}

bool shard_thread::turn() {
    // Not poll(): while there is always another socket ready it would never come back to the rings and pollers.
    std::size_t done = 0;
    while (done < handlers_in_a_row && io_context_.poll_one() > 0) ++done;
    done += drain_rings();
    for (auto& poll : pollers_) done += poll();
    if (parked_count_ > 0) done += flush_parked();
    return done > 0;
}

bool shard_thread::run_idle_work(bool is_idle) {
    if (idle_work_.empty()) return false;
    const steady_time now = time().steady();
    std::vector<work> due;
    std::erase_if(idle_work_, [&](idle_work& each) {
        if (!is_idle && now < each.at_latest) return false;
        due.push_back(std::move(each.run));
        return true;
    });
    for (work& each : due) each();
    return !due.empty();
}

void shard_thread::sleep_until_woken() {
    asleep_.store(true, std::memory_order_relaxed);
    std::atomic_thread_fence(std::memory_order_seq_cst);
    bool empty = true;
    for (const auto& ring : inbox_) empty = empty && (!ring || ring->empty());
    // With messages parked, look again soon: the other side does not tell when its ring has room.
    if (empty && parked_count_ == 0) io_context_.run_one();
    asleep_.store(false, std::memory_order_relaxed);
}

void shard_thread::loop() {
    while (!stopping_.load(std::memory_order_relaxed)) {
        // Before the turn, which may be long: what is measured is how long there was nothing.
        const steady_time now = waiting_since_ ? time().steady() : steady_time{};
        const bool was_busy = turn();
        if (run_idle_work(!was_busy) || was_busy) {
            end_wait(now);
            continue;
        }
        if (expected_ > 0 && polling_allowed_) {
            if (!waiting_since_) {
                waiting_since_ = time().steady();
                if (poll_window_.length() > nanoseconds(0)) continue;
            } else if (now - *waiting_since_ < poll_window_.length()) {
                continue;
            }
        }
        sleep_until_woken();
        // With the one handler that the sleep ended with.
        if (waiting_since_) end_wait(time().steady());
    }
}

void shard_thread::end_wait(steady_time now) {
    if (!waiting_since_) return;
    poll_window_.waited(now - *waiting_since_);
    waiting_since_.reset();
}

void shard_thread::run(int cpu) {
    const running here(*this);
    if (cpu >= 0) {
        cpu_set_t set;
        CPU_ZERO(&set);
        CPU_SET(static_cast<std::size_t>(cpu), &set);
        pthread_setaffinity_np(pthread_self(), sizeof set, &set);
    }
    pthread_setname_np(pthread_self(), ("shard " + std::to_string(id())).c_str());
    auto keep_running = asio::make_work_guard(io_context_);
    watch_wake_ups();
    loop();
}

shard_group::shard_group(std::size_t count, shard_limits limits)
    : limits_(limits), helpers_(std::make_unique<asio::thread_pool>(limits.offload_threads)) {
    random_source seeds(machine_seed());
    for (std::size_t i = 0; i < count; ++i)
        shards_.push_back(std::make_unique<shard_thread>(*this, static_cast<shard_id>(i), seeds.next()));
    for (auto& to : shards_) {
        to->parked_.resize(count);
        for (std::size_t from = 0; from < count; ++from)
            to->inbox_.push_back(from == to->id() ? nullptr
                                                  : std::make_unique<spsc_ring<shard::work>>(limits.ring_capacity));
    }
}

shard_group::~shard_group() { stop(); }

std::size_t shard_group::usable_cpus() { return std::max<std::size_t>(1, usable_cpu_list().size()); }

void shard_group::start() {
    const auto cpus = usable_cpu_list();
    for (std::size_t i = 0; i < shards_.size(); ++i) {
        const int cpu = cpus.empty() || !limits_.pinned ? -1 : cpus[i % cpus.size()];
        shards_[i]->thread_ = std::thread([s = shards_[i].get(), cpu] { s->run(cpu); });
    }
    started_ = true;
}

void shard_group::run_and_wait(std::size_t i, unique_function<task<void>()> make) {
    shard_thread& home = *shards_[i];
    // Shared: the shard's side may still be inside set_value() when this one goes on.
    auto done = std::make_shared<std::promise<void>>();
    auto ended = done->get_future();
    home.post([&home, done, make = std::move(make)]() mutable {
        // The callable outlives its task: it is kept by the completion handler, and goes before the caller goes on.
        auto kept = std::make_unique<unique_function<task<void>()>>(std::move(make));
        auto work = (*kept)();
        asio::co_spawn(executor(home), std::move(work),
                       [done, kept = std::move(kept)](const std::exception_ptr& why) mutable {
                           kept.reset();
                           if (why) {
                               done->set_exception(why);
                           } else {
                               done->set_value();
                           }
                       });
    });
    ended.get();
}

void shard_group::stop() {
    if (!started_) return;
    started_ = false;
    for (auto& s : shards_) {
        s->stopping_.store(true);
        s->post([] {});
    }
    for (auto& s : shards_) s->thread_.join();
    helpers_->join();
}

}  // namespace runtime
