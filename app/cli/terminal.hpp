// Where text for people goes: colours where they are wanted, plain text elsewhere, tables, sizes and times.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "app/cli/command_line.hpp"

namespace app::cli {

enum class style : std::uint8_t { plain, strong, faint, good, bad, warning };

// Standard output is for what was asked for, standard error for everything else. Writes at once and whole; waits for a
// reader that is slow. When standard output is gone for good, the process ends as the shell expects (SIGPIPE).
class terminal {
  public:
    // NO_COLOR, CLICOLOR_FORCE and TERM=dumb are honoured unless the choice says otherwise.
    explicit terminal(color_choice color);

    void out(std::string_view text) const;
    void error(std::string_view text) const;

    [[nodiscard]] bool out_is_terminal() const { return out_is_terminal_; }
    [[nodiscard]] bool error_is_terminal() const { return error_is_terminal_; }
    [[nodiscard]] std::string paint_out(style how, std::string_view text) const;
    [[nodiscard]] std::string paint_error(style how, std::string_view text) const;

  private:
    bool out_is_terminal_;
    bool error_is_terminal_;
    bool color_out_;
    bool color_error_;
};

// What somebody else wrote (a label, a message), safe on a terminal: control characters and invalid UTF-8 are replaced.
std::string printable(std::string_view text);

style style_of_status(std::string_view status);

struct cell {
    cell(std::string t, style s = style::plain) : text(std::move(t)), how(s) {}  // NOLINT(google-explicit-constructor)
    std::string text;
    style how;
};
// Columns two spaces apart, the last one ragged; the first row is the head.
std::string table(const terminal& where, const std::vector<std::vector<cell>>& rows);

// "12.3 MiB", "1.234 s", "2 min 5 s".
std::string human_bytes(std::uint64_t bytes);
std::string human_seconds(double seconds);
// Microseconds since 1970 of an RFC 3339 time in UTC.
std::optional<std::int64_t> parse_rfc3339_us(std::string_view text);

}  // namespace app::cli
