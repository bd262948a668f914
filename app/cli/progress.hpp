// How far a long copy has come: one line that is written again, on a terminal only.
#pragma once

#include <cstdint>
#include <string>

#include "app/cli/terminal.hpp"

namespace app::cli {

class progress {
  public:
    progress(const terminal& text, std::string doing, std::uint64_t total)
        : text_(text), doing_(std::move(doing)), total_(total) {}
    ~progress() {
        if (shown_) text_.error("\r\x1b[K");
    }
    progress(const progress&) = delete;
    progress& operator=(const progress&) = delete;

    void add(std::uint64_t bytes) {
        done_ += bytes;
        // A hundred times at most.
        if (!text_.error_is_terminal() || done_ < next_) return;
        next_ = done_ + total_ / 100;
        shown_ = true;
        text_.error("\r\x1b[K" + doing_ + ": " + human_bytes(done_) + " of " + human_bytes(total_));
    }

  private:
    const terminal& text_;
    std::string doing_;
    std::uint64_t total_;
    std::uint64_t done_ = 0;
    std::uint64_t next_ = 0;
    bool shown_ = false;
};

}  // namespace app::cli
