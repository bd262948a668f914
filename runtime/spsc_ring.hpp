// A bounded ring with one producing and one consuming thread, no locks (after Lamport; both sides keep a copy of the
// other's index, so that the common case touches one cache line).
#pragma once

#include <atomic>
#include <cstddef>
#include <utility>
#include <vector>

#include "runtime/base/assert.hpp"

namespace runtime {

// Capacity is a power of two, in items.
template <class T>
class spsc_ring {
  public:
    explicit spsc_ring(std::size_t capacity) : mask_(capacity - 1), items_(capacity) {
        WEIR_ASSERT(capacity > 0 && (capacity & mask_) == 0);
    }

    // Producer. False when full; the value is then untouched.
    bool try_push(T& value) {
        const std::size_t tail = tail_.load(std::memory_order_relaxed);
        if (tail - seen_head_ > mask_) {
            seen_head_ = head_.load(std::memory_order_acquire);
            if (tail - seen_head_ > mask_) return false;
        }
        items_[tail & mask_] = std::move(value);
        tail_.store(tail + 1, std::memory_order_release);
        return true;
    }

    // Consumer.
    bool try_pop(T& out) {
        const std::size_t head = head_.load(std::memory_order_relaxed);
        if (head == seen_tail_) {
            seen_tail_ = tail_.load(std::memory_order_acquire);
            if (head == seen_tail_) return false;
        }
        out = std::move(items_[head & mask_]);
        head_.store(head + 1, std::memory_order_release);
        return true;
    }

    // Consumer; sees everything pushed before a sequentially consistent fence on the producer's side.
    [[nodiscard]] bool empty() const {
        return head_.load(std::memory_order_relaxed) == tail_.load(std::memory_order_acquire);
    }

  private:
    std::size_t mask_;
    std::vector<T> items_;
    alignas(64) std::atomic<std::size_t> head_{0};
    std::size_t seen_tail_ = 0;
    alignas(64) std::atomic<std::size_t> tail_{0};
    std::size_t seen_head_ = 0;
};

}  // namespace runtime
