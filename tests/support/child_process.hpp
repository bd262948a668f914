// Copies of a test's process: what a simulated crash does to a history is tried in a copy, and the history itself goes
// on as if nothing had been. For programs of one thread only.
#pragma once

#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <functional>
#include <new>
#include <set>

#include "runtime/base/assert.hpp"

namespace tests {

// A value that this process and all its copies see: counters, mostly.
template <class T>
class shared_value {
  public:
    shared_value() {
        void* const memory = ::mmap(nullptr, sizeof(T), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        WEIR_ASSERT(memory != MAP_FAILED);
        value_ = new (memory) T();
    }
    shared_value(const shared_value&) = delete;
    shared_value& operator=(const shared_value&) = delete;
    ~shared_value() {
        value_->~T();
        ::munmap(value_, sizeof(T));
    }
    T* operator->() const { return value_; }
    T& operator*() const { return *value_; }

  private:
    T* value_;
};

// Runs functions in copies of the process, so many at once. A copy fails by returning false, by a signal, or by taking
// longer than its time.
class child_processes {
  public:
    explicit child_processes(std::size_t at_once, unsigned seconds_max = 300)
        : at_once_(at_once), seconds_max_(seconds_max) {}
    ~child_processes() { WEIR_ASSERT(running_.empty()); }

    void run(const std::function<bool()>& what) {
        while (running_.size() >= at_once_) reap();
        std::fflush(nullptr);
        const pid_t child = ::fork();
        WEIR_ASSERT(child >= 0);
        if (child > 0) {
            running_.insert(child);
            return;
        }
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);
        ::alarm(seconds_max_);
        const bool good = what();
        std::fflush(nullptr);
        ::_exit(good ? 0 : 1);
    }
    // Waits for all; how many have failed so far.
    std::size_t wait() {
        while (!running_.empty()) reap();
        return failed_;
    }
    [[nodiscard]] std::size_t failed() const { return failed_; }

  private:
    void reap() {
        int status = 0;
        const pid_t child = ::waitpid(-1, &status, 0);
        WEIR_ASSERT(child > 0);
        running_.erase(child);
        if (status == 0) return;
        ++failed_;
        if (WIFSIGNALED(status)) std::printf("a copy of the process ended by signal %d\n", WTERMSIG(status));
    }

    std::size_t at_once_;
    unsigned seconds_max_;
    std::set<pid_t> running_;
    std::size_t failed_ = 0;
};

}  // namespace tests
