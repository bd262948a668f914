#include "app/cli/terminal.hpp"

#include <gtest/gtest.h>

#include <cstdlib>

#include "tests/unit/app/cli/captured_output.hpp"

namespace app::cli {
namespace {

TEST(terminal, is_plain_when_piped) {
    ::unsetenv("NO_COLOR");
    ::unsetenv("CLICOLOR_FORCE");
    captured_output captured;
    EXPECT_EQ(terminal(color_choice::automatic).paint_out(style::bad, "x"), "x");
    EXPECT_EQ(terminal(color_choice::always).paint_out(style::bad, "x"), "\x1b[31mx\x1b[0m");
    EXPECT_EQ(terminal(color_choice::always).paint_out(style::plain, "x"), "x");
    ::setenv("CLICOLOR_FORCE", "1", 1);
    EXPECT_EQ(terminal(color_choice::automatic).paint_error(style::good, "x"), "\x1b[32mx\x1b[0m");
    ::setenv("NO_COLOR", "1", 1);
    EXPECT_EQ(terminal(color_choice::automatic).paint_error(style::good, "x"), "x");
    EXPECT_EQ(terminal(color_choice::always).paint_error(style::good, "x"), "\x1b[32mx\x1b[0m");
    ::unsetenv("NO_COLOR");
    ::unsetenv("CLICOLOR_FORCE");
}

TEST(terminal, writes_each_to_its_own) {
    captured_output captured;
    const terminal text(color_choice::never);
    text.out(std::string("a\0b", 3));
    text.error("e");
    EXPECT_EQ(captured.out(), std::string("a\0b", 3));
    EXPECT_EQ(captured.error(), "e");
}

TEST(terminal, shows_nothing_that_could_move_the_cursor) {
    EXPECT_EQ(printable("caf\xc3\xa9 \xe2\x82\xac"), "caf\xc3\xa9 \xe2\x82\xac");
    EXPECT_EQ(printable("\x1b[2J\r\n\x7f"), " [2J   ");
    EXPECT_EQ(printable("a\xc2\x9b"
                        "b"),
              "a b");
    EXPECT_EQ(printable("\xff\xc2"), "??");
}

TEST(terminal, aligns_tables) {
    const terminal text(color_choice::never);
    EXPECT_EQ(table(text, {{{"ID"}, {"NAME"}}, {{"1234"}, {"\xc3\xa9"}}, {{"\xc3\xa9"}, {"b"}}}),
              "ID    NAME\n1234  \xc3\xa9\n\xc3\xa9     b\n");
}

TEST(terminal, writes_sizes_and_times_for_people) {
    EXPECT_EQ(human_bytes(0), "0 B");
    EXPECT_EQ(human_bytes(1023), "1023 B");
    EXPECT_EQ(human_bytes(1536), "1.5 KiB");
    EXPECT_EQ(human_bytes(3ULL << 30), "3.0 GiB");
    EXPECT_EQ(human_seconds(0.0004), "0.000 s");
    EXPECT_EQ(human_seconds(59.9994), "59.999 s");
    EXPECT_EQ(human_seconds(125), "2 min 5 s");
    EXPECT_EQ(human_seconds(7260), "2 h 1 min");
    EXPECT_EQ(parse_rfc3339_us("1970-01-02T00:00:01.000002Z"), 86'401'000'002);
    EXPECT_EQ(parse_rfc3339_us("2026-11-21T03:04:05.000006Z"), 1'795'230'245'000'006);
    for (const auto* wrong : {"", "2026-11-21", "2026-13-21T03:04:05.000006Z", "2026-11-21T03:04:05.00000xZ"})
        EXPECT_FALSE(parse_rfc3339_us(wrong)) << wrong;
}

}  // namespace
}  // namespace app::cli
