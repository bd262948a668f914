// Follows an execution's events and writes what its program writes.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>

#include "app/cli/answers.hpp"
#include "app/cli/api.hpp"
#include "app/cli/terminal.hpp"

namespace app::cli {

struct follow_options {
    std::uint64_t after = 0;             // events up to this number are known already
    std::optional<std::uint64_t> until;  // stop behind this event; without it, at the end of the execution
    bool events_as_json = false;         // print each event's JSON as one line instead of the program's output
    bool quiet = false;                  // print nothing
};

// How it ended, or nothing when `until` came first.
using followed = std::optional<verdict>;

// Output goes to standard output and standard error byte for byte; reconnects and resumes behind the last event. A
// number that comes twice is dropped; a gap is an error, since it would be a hole in the output.
runtime::task<outcome<followed>> follow(session& with, std::string id, follow_options options);

// Decides on one event after the other; knows no network.
class event_follower {
  public:
    event_follower(const terminal& text, follow_options options) : text_(text), options_(options) {}

    // True when there is nothing more to follow.
    outcome<bool> take(const std::string& type, const std::string& data);
    [[nodiscard]] const followed& end() const { return end_; }
    [[nodiscard]] std::uint64_t last() const { return last_; }

  private:
    outcome<bool> take_numbered(const std::string& data);
    outcome<void> write_output(const stream_event& event);
    void note(const std::string& line) const;

    const terminal& text_;
    follow_options options_;
    std::uint64_t last_ = options_.after;
    bool may_jump_ = false;  // after a reset, numbers begin anew somewhere
    std::map<std::string, std::uint64_t> next_offset_;
    char last_byte_ = '\n';
    followed end_;
};

// One line without its newline: state, exit code, wall and CPU time, peak memory.
std::string summary_of(const verdict& end);
// What `weir run` ends with.
int exit_code_of(const verdict& end);

}  // namespace app::cli
