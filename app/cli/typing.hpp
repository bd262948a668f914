// What a person types at this end: standard input read while other things go on, and the terminal it may be.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "runtime/task.hpp"

namespace app::cli {

struct window_size {
    std::uint16_t rows = 0;
    std::uint16_t columns = 0;
};
// Of the terminal that standard input or standard output is, at most what a server takes; nothing if none is one.
std::optional<window_size> window_here();

// Standard input, if it is a terminal, gives every key as it is and shows nothing by itself, until this goes; also when
// the process is ended by restore_terminal(). One at a time.
class raw_terminal {
  public:
    raw_terminal() = default;
    raw_terminal(const raw_terminal&) = delete;
    ~raw_terminal() { leave(); }
    // False if standard input is no terminal.
    bool enter();
    void leave();
    [[nodiscard]] bool is_raw() const { return raw_; }

  private:
    bool raw_ = false;
};
// For those who end the process on the spot; safe in a signal handler.
void restore_terminal();

// Reads standard input on a helper thread, so that a terminal keeps its flags and a file works as well.
class typing {
  public:
    typing();
    ~typing();
    typing(const typing&) = delete;

    // The next bytes; empty at the end of the input; nothing once wake() was called.
    runtime::task<std::optional<std::string>> next();
    void wake();

  private:
    int wake_fd_;
};

}  // namespace app::cli
