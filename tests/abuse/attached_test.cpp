// Programs that are typed to, through a pipe and on a terminal.
#include "tests/abuse/hostile.hpp"

namespace tests {
namespace {

using stages::worker::cause;

class attached : public hostile {
  protected:
    outcome run(const std::string& lang, const std::string& script, run_options options, bool terminal,
                const std::string& first = {}) {
        options.interactive.emplace();
        if (terminal) options.interactive->terminal = {30, 100};
        auto request = sandbox_host::request(lang, script);
        request.standard_input = first;
        return host.run(request, options);
    }
};

TEST_F(attached, typed_lines_come_one_by_one_behind_the_first_input) {
    run_options options;
    options.typed = {"two\n", "three\n"};
    options.end_input = true;
    const auto out = run("bash", "while read -r l; do echo \"got $l\"; done; echo end", options, false, "one\n");
    EXPECT_EQ(out.verdict.exit_code, 0) << out.verdict.message;
    EXPECT_EQ(out.standard_output, "got one\ngot two\ngot three\nend\n");
}

TEST_F(attached, a_terminal_is_the_programs_own) {
    run_options options;
    options.typed = {"~\n"};
    const auto out = run("python",
                         "import os\n"
                         "print(os.isatty(0), os.isatty(2), os.ttyname(0), os.get_terminal_size(0).lines)\n"
                         "with open('/dev/tty', 'r+b', 0) as t: t.write(b'by name\\n')\n"
                         "print(os.getsid(0) == os.tcgetpgrp(0), sorted(os.listdir('/dev/pts')))\n"
                         "print('read', input())\n",
                         options, true);
    EXPECT_EQ(out.verdict.exit_code, 0) << out.standard_output << out.verdict.message;
    // What is typed is shown when it comes, amid what the program writes: the key in one place, the line's end in that
    // or another one.
    std::string seen = out.standard_output;
    const auto echo = seen.find('~');
    ASSERT_NE(echo, std::string::npos) << seen;
    seen.erase(echo, 1);
    int lines = 0;
    for (auto end = seen.find("\r\n"); end != std::string::npos; end = seen.find("\r\n", end), ++lines)
        seen.erase(end, 2);
    EXPECT_EQ(lines, 5) << out.standard_output;
    EXPECT_EQ(seen,
              "True True /dev/pts/0 30"
              "by name"
              "True ['0', 'ptmx']"
              "read ~");
    EXPECT_EQ(out.standard_error, "");
}

TEST_F(attached, a_terminals_output_comes_whole_behind_its_programs_end) {
    for (int i = 0; i < 10; ++i) {
        const auto out = run("python", "print('x' * 100000)\nprint('last')", {}, true);
        EXPECT_EQ(out.standard_output, std::string(100'000, 'x') + "\r\nlast\r\n");
    }
}

TEST_F(attached, nobody_types_and_the_limit_comes) {
    for (const bool terminal : {false, true}) {
        run_options options;
        options.interactive.emplace();
        if (terminal) options.interactive->terminal.emplace();
        auto request = sandbox_host::request("bash", "cat");
        request.limits.wall_ms = 300;
        EXPECT_EQ(host.run(request, options).verdict.ended_by, cause::timeout_wall);
    }
}

TEST_F(attached, a_hangup_of_what_the_program_left_behind_is_its_own_affair) {
    // Another process keeps the terminal open; it goes with the tree.
    const auto out = run("bash", "(trap '' HUP; sleep 600) & echo main", {}, true);
    EXPECT_EQ(out.verdict.exit_code, 0);
    EXPECT_EQ(out.standard_output, "main\r\n");
}

TEST_F(attached, no_way_leads_to_another_terminal) {
    const auto out = run("python",
                         "import fcntl, os\n"
                         "for f in ('/dev/ptmx', '/dev/pts/1', '/dev/console', '/dev/tty1'):\n"
                         "    try: print('opened', os.open(f, os.O_RDWR))\n"
                         "    except OSError: pass\n"
                         "os.chmod('/dev/pts/ptmx', 0o666) if os.stat('/dev/pts/ptmx').st_uid == os.getuid() else 0\n"
                         "try: print('opened', os.open('/dev/pts/ptmx', os.O_RDWR))\n"
                         "except OSError: pass\n"
                         "for r in (0x5412, 0x541c, 0x541d, 0x5423, 0x1234567800005412):\n"
                         "    try: fcntl.ioctl(0, r & 0xffffffff, b'x\\0\\0\\0'); print('worked', hex(r))\n"
                         "    except OSError as e: print(e.errno)\n",
                         {}, true);
    EXPECT_EQ(out.standard_output, "1\r\n1\r\n1\r\n1\r\n1\r\n");
}

}  // namespace
}  // namespace tests
