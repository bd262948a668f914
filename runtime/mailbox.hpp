// A bounded queue between tasks of one shard.
#pragma once

#include <deque>
#include <optional>

#include "runtime/event.hpp"
#include "runtime/task.hpp"

namespace runtime {

// Shard: its owner only. Several producers, one consumer. The limit is in items.
template <class T>
class mailbox {
  public:
    mailbox(shard& home, std::size_t limit) : limit_(limit), changed_(home) {}

    // False when full or closed; the value is then untouched.
    bool try_push(T&& value) {
        if (closed_ || items_.size() >= limit_) return false;
        items_.push_back(std::move(value));
        changed_.notify_all();
        return true;
    }
    // The oldest item; nothing once it is closed and empty. A cancelled pop loses no item.
    task<std::optional<T>> pop() {
        while (items_.empty()) {
            if (closed_) co_return std::nullopt;
            co_await changed_.wait();
        }
        std::optional<T> front(std::move(items_.front()));
        items_.pop_front();
        co_return front;
    }
    void close() {
        closed_ = true;
        changed_.notify_all();
    }
    [[nodiscard]] std::size_t size() const { return items_.size(); }

  private:
    std::size_t limit_;
    std::deque<T> items_;
    bool closed_ = false;
    event changed_;
};

}  // namespace runtime
