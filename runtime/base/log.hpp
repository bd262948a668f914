// Structured log lines: a level, a constant message, and fields.
//
//   log(log_level::warning, "the client is slow", {{"execution_id", id}, {"waiting_bytes", n}});
//
// gives, as text: time=2026-11-21T03:04:05.000006Z level=warning shard=0 msg="the client is slow" execution_id=0192…
//
// Thread: any. A line is one write(2), so lines never mix. Nothing here waits: when whoever reads standard error does
// not read, lines are dropped and counted. Lines of the same message are bounded per thread and second; the next one
// that passes says how many were dropped before it.
#pragma once

#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <variant>
#include <vector>

#include "runtime/base/ids.hpp"
#include "runtime/base/time.hpp"

namespace runtime {

enum class log_level : std::uint8_t { debug, info, warning, error };
std::string_view to_string(log_level level);
std::optional<log_level> parse_log_level(std::string_view name);

enum class log_format : std::uint8_t { text, json };

struct log_options {
    log_level level = log_level::info;  // the least important that is written
    log_format format = log_format::text;
    std::uint32_t repeated_per_second_max = 10;  // lines of one message, a thread; 0 is no bound
};

// A key is a constant in lower case with underscores. Views are read before log() returns.
struct log_field {
    using value_type = std::variant<std::string_view, std::int64_t, std::uint64_t, double, bool, uuid>;

    template <class T>
    log_field(std::string_view k, const T& v) : key(k), value(convert(v)) {}

    std::string_view key;
    value_type value;

  private:
    template <class T>
    static value_type convert(const T& v) {
        if constexpr (std::same_as<T, bool>) {
            return v;
        } else if constexpr (std::is_enum_v<T>) {
            return static_cast<std::int64_t>(v);
        } else if constexpr (std::signed_integral<T>) {
            return static_cast<std::int64_t>(v);
        } else if constexpr (std::unsigned_integral<T>) {
            return static_cast<std::uint64_t>(v);
        } else if constexpr (std::floating_point<T>) {
            return static_cast<double>(v);
        } else if constexpr (std::derived_from<T, uuid>) {
            return static_cast<const uuid&>(v);
        } else {
            return std::string_view(v);
        }
    }
};

// A line never exceeds this, its newline included: what pipes write as one. A value that is too long is cut, and what
// does not fit any more is left out and "cut=true" put at the end.
inline constexpr std::size_t log_line_bytes_max = 4096;
inline constexpr std::size_t log_value_bytes_max = 1024;

// Of the whole process. Thread: the main one, before there are others.
void set_log_options(const log_options& options);

bool log_enabled(log_level level) noexcept;
// `message` is a constant sentence without values: those are fields.
void log(log_level level, std::string_view message, std::initializer_list<log_field> fields = {});

// Who speaks on this thread, and by which clock. Set by the shards; without one, lines have no shard and the machine's
// time.
struct log_speaker {
    int shard = -1;
    const clock* time = nullptr;
};
log_speaker exchange_log_speaker(log_speaker now) noexcept;

struct log_counts {
    std::uint64_t written = 0;
    std::uint64_t dropped_repeated = 0;  // by the bound on repeated lines
    std::uint64_t dropped_blocked = 0;   // because standard error took nothing
};
log_counts count_log_lines() noexcept;

// Takes the lines of this thread instead of standard error, as long as it lives: for tests and the simulated world,
// which is one thread. Its options hold on this thread too. Captures nest.
class log_capture {
  public:
    explicit log_capture(const log_options& options = {});
    ~log_capture();
    log_capture(const log_capture&) = delete;
    log_capture& operator=(const log_capture&) = delete;

    // Without their newlines.
    [[nodiscard]] const std::vector<std::string>& lines() const { return lines_; }
    [[nodiscard]] bool contains(std::string_view text) const;

  private:
    friend struct log_internals;
    log_options options_;
    std::vector<std::string> lines_;
    log_capture* before_;
};

}  // namespace runtime
