// What is asserted after every hostile program: nothing of it is left, and the next program is served as ever.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

#include "tests/support/sandbox_host.hpp"

namespace tests {

// Files in places of the machine that everybody may write to whose owner is the user of some run. Empty when all is
// well, and where runs have no user of their own.
std::string files_of_runs();

class hostile : public testing::Test {
  protected:
    sandbox_host& host = sandbox_host::get();

    void TearDown() override {
        EXPECT_EQ(host.leftovers(), "");
        EXPECT_EQ(files_of_runs(), "");
        EXPECT_EQ(host.bash("echo fine").standard_output, "fine\n");
    }
    // WEIR_TEST_TIMES_SLOWER: than a machine on which bounds of time hold; of an emulated one.
    static unsigned times_slower() {
        const char* given = std::getenv("WEIR_TEST_TIMES_SLOWER");
        return given == nullptr ? 1 : static_cast<unsigned>(std::stoul(given));
    }
    static void expect_end(const outcome& out, stages::worker::cause expected) {
        EXPECT_EQ(static_cast<int>(out.verdict.ended_by), static_cast<int>(expected))
            << out.verdict.message << out.standard_error;
        EXPECT_TRUE(out.started);
    }
    static void expect_exit(const outcome& out, int code) {
        expect_end(out, stages::worker::cause::exited);
        EXPECT_EQ(out.verdict.exit_code, code) << "signal " << out.verdict.signal.value_or(0) << out.standard_error;
    }
    // What printed how many processes or threads it got, of 20 with itself, and then gave up with exit code 3.
    void expect_limit_of_20_processes(const outcome& out) {
        using stages::worker::cause;
        expect_end(out, host.limits_trees() ? cause::process_limit : cause::exited);
        EXPECT_EQ(out.verdict.exit_code, 3);
        EXPECT_EQ(out.standard_output, "19\n");
        if (out.verdict.usage.peak_processes) EXPECT_EQ(*out.verdict.usage.peak_processes, 20U);
    }
    // What a Python program prints that ends well.
    std::string python(const std::string& script) {
        const auto out = host.python(script);
        expect_exit(out, 0);
        return out.standard_output;
    }
};

}  // namespace tests
