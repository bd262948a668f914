#include "app/cli/follow.hpp"

#include <gtest/gtest.h>

#include "tests/unit/app/cli/captured_output.hpp"

namespace app::cli {
namespace {

std::string event(int seq, const std::string& type, const std::string& rest = "") {
    return "{\"seq\":" + std::to_string(seq) + ",\"event_type\":\"" + type + "\",\"attempt\":1" +
           (rest.empty() ? "" : "," + rest) + "}";
}

std::string output(int seq, const std::string& stream, int offset, const std::string& content) {
    return event(seq, "execution_output",
                 "\"stream\":\"" + stream + "\",\"offset\":" + std::to_string(offset) + "," + content);
}

constexpr const char* completed = "\"status\":\"completed\",\"exit_code\":0,\"error_type\":null";

TEST(event_follower, writes_bytes_to_their_streams) {
    captured_output captured;
    const terminal text(color_choice::never);
    event_follower follower(text, {});
    EXPECT_FALSE(*follower.take("execution_requested", event(1, "execution_requested")));
    EXPECT_FALSE(*follower.take("x", output(2, "stdout", 0, "\"text\":\"h\xc3\xa9\\n\"")));
    EXPECT_FALSE(*follower.take("x", output(3, "stderr", 0, "\"text\":\"e\"")));
    EXPECT_FALSE(*follower.take("x", output(4, "stdout", 4, "\"base64\":\"AP8=\"")));
    EXPECT_FALSE(*follower.take("x", event(5, "something_newer", "\"what\":[1]")));
    EXPECT_TRUE(*follower.take("x", event(6, "execution_completed", completed)));
    EXPECT_EQ(captured.out(), std::string("h\xc3\xa9\n\0\xff", 6));
    EXPECT_EQ(captured.error(), "e");
    EXPECT_EQ(follower.end()->status, "completed");
}

TEST(event_follower, drops_what_comes_twice_and_refuses_gaps) {
    captured_output captured;
    const terminal text(color_choice::never);
    event_follower follower(text, {});
    EXPECT_FALSE(*follower.take("x", event(1, "a")));
    EXPECT_FALSE(*follower.take("x", output(2, "stdout", 0, "\"text\":\"one\"")));
    EXPECT_FALSE(*follower.take("x", output(2, "stdout", 0, "\"text\":\"one\"")));
    EXPECT_FALSE(*follower.take("drain", "{}"));
    EXPECT_EQ(captured.out(), "one");
    EXPECT_TRUE(follower.take("x", event(4, "a")).has_error());
    event_follower other(text, {});
    EXPECT_FALSE(*other.take("x", output(1, "stdout", 0, "\"text\":\"one\"")));
    EXPECT_TRUE(other.take("x", output(2, "stdout", 4, "\"text\":\"two\"")).has_error()) << "a hole in the output";
    EXPECT_TRUE(other.take("x", "no json").has_error());
    EXPECT_TRUE(other.take("x", "[]").has_error());
}

TEST(event_follower, may_jump_after_a_reset) {
    captured_output captured;
    const terminal text(color_choice::never);
    event_follower follower(text, {});
    EXPECT_FALSE(*follower.take("reset", "{}"));
    EXPECT_FALSE(*follower.take("x", output(40, "stdout", 900, "\"text\":\"rest\"")));
    EXPECT_EQ(captured.out(), "rest");
    EXPECT_NE(captured.error().find("no longer kept"), std::string::npos);
    EXPECT_TRUE(follower.take("x", event(42, "a")).has_error());
}

TEST(event_follower, begins_a_further_attempt_anew) {
    captured_output captured;
    const terminal text(color_choice::never);
    event_follower follower(text, {});
    EXPECT_FALSE(*follower.take("x", output(1, "stdout", 0, "\"text\":\"a\"")));
    const std::string ended =
        event(2, "execution_attempt_ended", "\"status\":\"failed\",\"error_type\":\"infrastructure\"");
    EXPECT_FALSE(*follower.take("x", ended)) << "an attempt's end is not the execution's";
    EXPECT_FALSE(*follower.take("x", output(3, "stdout", 0, "\"text\":\"b\"")));
    EXPECT_EQ(captured.out(), "ab");
    EXPECT_NE(captured.error().find("attempt 1 ended (infrastructure)"), std::string::npos);
}

TEST(event_follower, stops_where_it_was_told) {
    captured_output captured;
    const terminal text(color_choice::never);
    follow_options options;
    options.after = 4;
    options.until = 6;
    options.events_as_json = true;
    event_follower follower(text, options);
    EXPECT_FALSE(*follower.take("x", event(5, "a")));
    EXPECT_TRUE(*follower.take("x", event(6, "b")));
    EXPECT_EQ(captured.out(), event(5, "a") + "\n" + event(6, "b") + "\n");
    EXPECT_FALSE(follower.end());
}

verdict made(const std::string& status, const std::string& type = "") {
    verdict out;
    out.status = status;
    out.error_type = type;
    return out;
}

TEST(verdict, becomes_an_exit_code) {
    EXPECT_EQ(exit_code_of(made("completed")), 0);
    EXPECT_EQ(exit_code_of(made("timeout", "timeout_cpu")), 124);
    EXPECT_EQ(exit_code_of(made("cancelled", "cancelled")), 130);
    EXPECT_EQ(exit_code_of(made("failed", "infrastructure")), 1);
    EXPECT_EQ(exit_code_of(made("failed", "out_of_memory")), 1);
    auto failed = made("failed", "exit_code");
    failed.exit_code = 42;
    EXPECT_EQ(exit_code_of(failed), 42);
    auto killed = made("failed", "signal");
    killed.signal = "SIGSEGV";
    EXPECT_EQ(exit_code_of(killed), 139);
    killed.signal = "SIGNOTHING";
    EXPECT_EQ(exit_code_of(killed), 1);
}

TEST(verdict, becomes_one_line) {
    auto end = made("failed", "exit_code");
    end.exit_code = 3;
    end.resources.wall_seconds = 1.25;
    end.resources.cpu_seconds = 0.5;
    end.resources.peak_memory_kb = 10240;
    end.stdout_truncated = true;
    end.error_message = "two\nlines";
    EXPECT_EQ(summary_of(end),
              "failed (exit_code), exit code 3, wall 1.250 s, CPU 0.500 s, peak memory 10.0 MiB, stdout truncated: two "
              "lines");
    EXPECT_EQ(summary_of(made("cancelled", "cancelled")), "cancelled, wall unknown, CPU unknown, peak memory unknown");
}

}  // namespace
}  // namespace app::cli
