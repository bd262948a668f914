// What was read from a client and not used yet, in one piece.
#pragma once

#include <algorithm>
#include <cstring>
#include <memory>
#include <string_view>

namespace http {

// Shard: its owner only. Grows on demand; the reader above it bounds what it lets in.
class input_buffer {
  public:
    static constexpr std::size_t first_bytes = 4096;

    [[nodiscard]] std::string_view view() const { return {data_.get() + begin_, end_ - begin_}; }
    [[nodiscard]] const char* base() const { return data_.get() + begin_; }

    // Makes room for at least `size` bytes behind the view and says how much there is; the view may move.
    std::size_t make_room(std::size_t size) {
        if (capacity_ - end_ >= size) return capacity_ - end_;
        const std::size_t kept = end_ - begin_;
        if (capacity_ - kept >= size && begin_ >= kept) {
            std::memcpy(data_.get(), data_.get() + begin_, kept);
        } else {
            const std::size_t grown = std::max({first_bytes, capacity_ * 2, kept + size});
            auto bigger = std::make_unique_for_overwrite<char[]>(grown);
            if (kept > 0) std::memcpy(bigger.get(), data_.get() + begin_, kept);
            data_ = std::move(bigger);
            capacity_ = grown;
        }
        begin_ = 0;
        end_ = kept;
        return capacity_ - end_;
    }
    [[nodiscard]] char* room() { return data_.get() + end_; }
    void filled(std::size_t size) { end_ += size; }
    void append(std::string_view bytes) {
        if (bytes.empty()) return;
        make_room(bytes.size());
        std::memcpy(room(), bytes.data(), bytes.size());
        filled(bytes.size());
    }

    // Drops the first `size` bytes of the view.
    void take(std::size_t size) {
        begin_ += size;
        if (begin_ == end_) begin_ = end_ = 0;
    }
    // Keeps only the first `size` bytes of the view.
    void truncate(std::size_t size) { end_ = begin_ + size; }
    // Gives memory back when nothing is in it and it has grown.
    void shrink() {
        if (begin_ == end_ && capacity_ > first_bytes) drop();
    }
    // Gives all memory back, with whatever is in it.
    void drop() {
        data_.reset();
        capacity_ = begin_ = end_ = 0;
    }

  private:
    std::unique_ptr<char[]> data_;
    std::size_t capacity_ = 0;
    std::size_t begin_ = 0;
    std::size_t end_ = 0;
};

}  // namespace http
