#include "app/cli/terminal.hpp"

#include <poll.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>

#include "runtime/base/encoding.hpp"

namespace app::cli {
namespace {

bool is_set(const char* name) {
    const char* value = std::getenv(name);
    return value != nullptr && *value != '\0';
}

bool wants_color(color_choice choice, bool is_terminal) {
    if (choice != color_choice::automatic) return choice == color_choice::always;
    if (is_set("NO_COLOR")) return false;
    const char* force = std::getenv("CLICOLOR_FORCE");
    if (force != nullptr && *force != '\0' && std::string_view(force) != "0") return true;
    const char* kind = std::getenv("TERM");
    return is_terminal && kind != nullptr && std::string_view(kind) != "dumb";
}

void write_all(int fd, std::string_view bytes) {
    while (!bytes.empty()) {
        const auto n = ::write(fd, bytes.data(), bytes.size());
        if (n >= 0) {
            bytes.remove_prefix(static_cast<std::size_t>(n));
        } else if (errno == EAGAIN) {
            // Somebody made the descriptor non-blocking, as terminals shared with other programs may be.
            pollfd slow{fd, POLLOUT, 0};
            ::poll(&slow, 1, -1);
        } else if (errno == EPIPE && fd == STDOUT_FILENO) {
            std::signal(SIGPIPE, SIG_DFL);
            std::raise(SIGPIPE);
            return;
        } else if (errno != EINTR) {
            return;
        }
    }
}

std::string paint(bool colored, style how, std::string_view text) {
    static constexpr std::array<std::string_view, 6> codes{"", "1", "2", "32", "31", "33"};
    const std::string_view code = codes[static_cast<std::size_t>(how)];
    if (!colored || code.empty()) return std::string(text);
    return "\x1b[" + std::string(code) + "m" + std::string(text) + "\x1b[0m";
}

}  // namespace

terminal::terminal(color_choice color)
    : out_is_terminal_(::isatty(STDOUT_FILENO) == 1),
      error_is_terminal_(::isatty(STDERR_FILENO) == 1),
      color_out_(wants_color(color, out_is_terminal_)),
      color_error_(wants_color(color, error_is_terminal_)) {}

void terminal::out(std::string_view text) const { write_all(STDOUT_FILENO, text); }
void terminal::error(std::string_view text) const { write_all(STDERR_FILENO, text); }
std::string terminal::paint_out(style how, std::string_view text) const { return paint(color_out_, how, text); }
std::string terminal::paint_error(style how, std::string_view text) const { return paint(color_error_, how, text); }

std::string printable(std::string_view text) {
    const bool valid = runtime::is_utf8(text);
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const auto byte = static_cast<unsigned char>(text[i]);
        // U+0080 to U+009F are control characters too, written as 0xC2 and one byte.
        const bool second_control = valid && byte == 0xc2 && static_cast<unsigned char>(text[i + 1]) < 0xa0;
        if (byte < 0x20 || byte == 0x7f) {
            out += ' ';
        } else if (second_control) {
            out += ' ';
            ++i;
        } else if (byte >= 0x80 && !valid) {
            out += '?';
        } else {
            out += text[i];
        }
    }
    return out;
}

style style_of_status(std::string_view status) {
    if (status == "completed") return style::good;
    if (status == "failed" || status == "timeout") return style::bad;
    if (status == "cancelled") return style::warning;
    return status == "running" ? style::strong : style::faint;
}

std::string table(const terminal& where, const std::vector<std::vector<cell>>& rows) {
    std::vector<std::size_t> widths;
    for (const auto& row : rows) {
        widths.resize(std::max(widths.size(), row.size()));
        for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], runtime::utf8_length(row[i].text));
    }
    std::string out;
    for (const auto& row : rows) {
        const bool is_head = &row == &rows.front();
        for (std::size_t i = 0; i < row.size(); ++i) {
            out += where.paint_out(is_head ? style::strong : row[i].how, row[i].text);
            if (i + 1 < row.size()) out.append(widths[i] - runtime::utf8_length(row[i].text) + 2, ' ');
        }
        out += '\n';
    }
    return out;
}

std::string human_bytes(std::uint64_t bytes) {
    static constexpr std::array<std::string_view, 4> units{"KiB", "MiB", "GiB", "TiB"};
    if (bytes < 1024) return std::to_string(bytes) + " B";
    double value = static_cast<double>(bytes) / 1024;
    std::size_t unit = 0;
    for (; value >= 1024 && unit + 1 < units.size(); ++unit) value /= 1024;
    std::array<char, 32> digits{};
    std::snprintf(digits.data(), digits.size(), "%.1f ", value);
    return digits.data() + std::string(units[unit]);
}

std::string human_seconds(double seconds) {
    std::array<char, 64> digits{};
    if (seconds < 60) {
        std::snprintf(digits.data(), digits.size(), "%.3f s", seconds);
    } else if (seconds < 3600) {
        const auto whole = static_cast<long>(seconds);
        std::snprintf(digits.data(), digits.size(), "%ld min %ld s", whole / 60, whole % 60);
    } else {
        const auto minutes = static_cast<long>(seconds / 60);
        std::snprintf(digits.data(), digits.size(), "%ld h %ld min", minutes / 60, minutes % 60);
    }
    return digits.data();
}

std::optional<std::int64_t> parse_rfc3339_us(std::string_view text) {
    // 2026-11-21T03:04:05.000006Z, the form of every time of the contract.
    const auto number = [&text](std::size_t at, std::size_t size) -> std::optional<int> {
        int value = 0;
        if (text.size() < at + size) return std::nullopt;
        const auto [end, failure] = std::from_chars(text.data() + at, text.data() + at + size, value);
        if (failure != std::errc{} || end != text.data() + at + size) return std::nullopt;
        return value;
    };
    const auto year = number(0, 4), month = number(5, 2), day = number(8, 2);
    const auto hour = number(11, 2), minute = number(14, 2), second = number(17, 2), fraction = number(20, 6);
    if (!year || !month || !day || !hour || !minute || !second || !fraction || text.size() != 27) return std::nullopt;
    const std::chrono::year_month_day date(std::chrono::year(*year), std::chrono::month(static_cast<unsigned>(*month)),
                                           std::chrono::day(static_cast<unsigned>(*day)));
    if (!date.ok()) return std::nullopt;
    const auto days = std::chrono::sys_days(date).time_since_epoch().count();
    return ((days * 24LL + *hour) * 60 + *minute) * 60'000'000LL + *second * 1'000'000LL + *fraction;
}

}  // namespace app::cli
