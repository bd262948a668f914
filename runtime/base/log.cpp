#include "runtime/base/log.hpp"

#include <poll.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <charconv>
#include <utility>

#include "runtime/base/encoding.hpp"

namespace runtime {

struct log_internals {
    static const log_options& options_of(const log_capture& capture) { return capture.options_; }
    static void take(log_capture& capture, std::string line) { capture.lines_.push_back(std::move(line)); }
};

namespace {

// Written before there are other threads; atomic because tests set them again.
std::atomic<log_level> process_level{log_level::info};
std::atomic<log_format> process_format{log_format::text};
std::atomic<std::uint32_t> process_repeated_max{10};

std::atomic<std::uint64_t> written{0};
std::atomic<std::uint64_t> dropped_repeated{0};
std::atomic<std::uint64_t> dropped_blocked{0};

thread_local log_capture* capture_here = nullptr;
thread_local log_speaker speaker_here;

log_options options_here() {
    if (capture_here != nullptr) return log_internals::options_of(*capture_here);
    return {process_level.load(std::memory_order_relaxed), process_format.load(std::memory_order_relaxed),
            process_repeated_max.load(std::memory_order_relaxed)};
}

// How often each message came in its present second. A small table: messages that share a place forget each other,
// which lets a few more lines through and costs nothing else.
struct repeated_message {
    std::size_t hash = 0;
    std::int64_t second = 0;
    std::uint32_t count = 0;
    std::uint64_t dropped = 0;
};
thread_local std::array<repeated_message, 64> repeated_here;

// Whether this line may pass, and how many before it were dropped.
bool may_pass(std::string_view message, std::int64_t second, std::uint32_t most, std::uint64_t& dropped_before) {
    if (most == 0) return true;
    const std::size_t hash = std::hash<std::string_view>{}(message);
    repeated_message& known = repeated_here[hash % repeated_here.size()];
    if (known.hash != hash) known = {hash, second, 0, 0};
    if (known.second != second) {
        known.second = second;
        known.count = 0;
    }
    if (known.count >= most) {
        ++known.dropped;
        return false;
    }
    ++known.count;
    dropped_before = std::exchange(known.dropped, 0);
    return true;
}

// Cut to the limit, at a border of UTF-8 sequences.
std::string_view cut_value(std::string_view text) {
    if (text.size() <= log_value_bytes_max) return text;
    text = text.substr(0, log_value_bytes_max);
    text.remove_suffix(utf8_incomplete_tail(text));
    return text;
}

// Inside quotes, the same for both formats: JSON's escapes. A byte that is not UTF-8 becomes U+FFFD, and control
// characters are escaped, so that no log line can move a terminal's cursor.
void append_quoted(std::string& out, std::string_view text) {
    static constexpr std::string_view digits = "0123456789abcdef";
    const bool valid = is_utf8(text);
    out += '"';
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if (c == '"' || c == '\\') {
            out += '\\';
            out += c;
        } else if (c == '\n') {
            out += "\\n";
        } else if (c == '\t') {
            out += "\\t";
        } else if (byte < 0x20 || byte == 0x7f) {
            out += "\\u00";
            out += digits[byte >> 4];
            out += digits[byte & 15];
        } else if (byte >= 0x80 && !valid) {
            out += "\\ufffd";
        } else {
            out += c;
        }
    }
    out += '"';
}

bool needs_quotes(std::string_view text) {
    if (text.empty()) return true;
    for (const char c : text)
        if (static_cast<unsigned char>(c) <= ' ' || static_cast<unsigned char>(c) >= 0x7f || c == '"' || c == '=' ||
            c == '\\')
            return true;
    return false;
}

template <class Number>
void append_number(std::string& out, Number value) {
    std::array<char, 32> digits{};
    const auto [end, failure] = std::to_chars(digits.data(), digits.data() + digits.size(), value);
    out.append(digits.data(), end);
}

class line_builder {
  public:
    explicit line_builder(log_format format) : json_(format == log_format::json) {
        line_.reserve(256);
        if (json_) line_ += '{';
    }

    // Leaves out what would not fit together with the end of the line.
    void add(const log_field& field) {
        if (cut_) return;
        const std::size_t before = line_.size();
        if (!first_) line_ += json_ ? ',' : ' ';
        if (json_) {
            append_quoted(line_, field.key);
            line_ += ':';
        } else {
            line_ += field.key;
            line_ += '=';
        }
        std::visit([this](const auto& value) { append(value); }, field.value);
        first_ = false;
        if (line_.size() + room_for_end <= log_line_bytes_max) return;
        line_.resize(before);
        cut_ = true;
    }
    std::string finish() {
        if (cut_) line_ += json_ ? ",\"cut\":true" : " cut=true";
        if (json_) line_ += '}';
        line_ += '\n';
        return std::move(line_);
    }

  private:
    static constexpr std::size_t room_for_end = 32;

    void append(std::string_view text) {
        text = cut_value(text);
        if (json_ || needs_quotes(text)) {
            append_quoted(line_, text);
        } else {
            line_ += text;
        }
    }
    void append(bool value) { line_ += value ? "true" : "false"; }
    void append(double value) {
        // JSON knows neither infinity nor not-a-number.
        if (json_ && !(value - value == 0)) {
            line_ += "null";
        } else {
            append_number(line_, value);
        }
    }
    void append(std::int64_t value) { append_number(line_, value); }
    void append(std::uint64_t value) { append_number(line_, value); }
    void append(const uuid& id) { append(std::string_view(id.to_string())); }

    bool json_;
    bool first_ = true;
    bool cut_ = false;
    std::string line_;
};

// A pipe that has room for PIPE_BUF bytes takes a line of ours whole and at once.
void write_to_standard_error(const std::string& line) {
    pollfd out{STDERR_FILENO, POLLOUT, 0};
    const bool writable = ::poll(&out, 1, 0) == 1 && (out.revents & POLLOUT) != 0;
    if (!writable || ::write(STDERR_FILENO, line.data(), line.size()) < 0) {
        dropped_blocked.fetch_add(1, std::memory_order_relaxed);
        return;
    }
    written.fetch_add(1, std::memory_order_relaxed);
}

}  // namespace

std::string_view to_string(log_level level) {
    switch (level) {
        case log_level::debug: return "debug";
        case log_level::info: return "info";
        case log_level::warning: return "warning";
        case log_level::error: return "error";
    }
    return "";
}

std::optional<log_level> parse_log_level(std::string_view name) {
    for (const auto level : {log_level::debug, log_level::info, log_level::warning, log_level::error})
        if (to_string(level) == name) return level;
    return std::nullopt;
}

void set_log_options(const log_options& options) {
    process_level.store(options.level);
    process_format.store(options.format);
    process_repeated_max.store(options.repeated_per_second_max);
}

bool log_enabled(log_level level) noexcept {
    if (capture_here != nullptr) return level >= log_internals::options_of(*capture_here).level;
    return level >= process_level.load(std::memory_order_relaxed);
}

void log(log_level level, std::string_view message, std::initializer_list<log_field> fields) {
    if (!log_enabled(level)) return;
    const log_options options = options_here();
    const utc_time now = speaker_here.time != nullptr ? speaker_here.time->utc() : system_clock().utc();
    std::uint64_t dropped_before = 0;
    if (!may_pass(message, now.microseconds_since_epoch / 1'000'000, options.repeated_per_second_max, dropped_before)) {
        dropped_repeated.fetch_add(1, std::memory_order_relaxed);
        return;
    }
    line_builder line(options.format);
    line.add({"time", to_rfc3339(now)});
    line.add({"level", to_string(level)});
    if (speaker_here.shard >= 0) line.add({"shard", speaker_here.shard});
    line.add({"msg", message});
    if (dropped_before > 0) line.add({"dropped_before", dropped_before});
    for (const log_field& field : fields) line.add(field);
    std::string whole = line.finish();
    if (capture_here != nullptr) {
        whole.pop_back();
        log_internals::take(*capture_here, std::move(whole));
        return;
    }
    write_to_standard_error(whole);
}

log_speaker exchange_log_speaker(log_speaker now) noexcept { return std::exchange(speaker_here, now); }

log_counts count_log_lines() noexcept {
    return {written.load(std::memory_order_relaxed), dropped_repeated.load(std::memory_order_relaxed),
            dropped_blocked.load(std::memory_order_relaxed)};
}

log_capture::log_capture(const log_options& options) : options_(options), before_(std::exchange(capture_here, this)) {
    repeated_here = {};
}

log_capture::~log_capture() {
    capture_here = before_;
    repeated_here = {};
}

bool log_capture::contains(std::string_view text) const {
    for (const std::string& line : lines_)
        if (line.find(text) != std::string::npos) return true;
    return false;
}

}  // namespace runtime
