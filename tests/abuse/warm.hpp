// Programs whose interpreter had booted before they came.
#pragma once

#include <unistd.h>

#include <string>
#include <vector>

#include "tests/abuse/hostile.hpp"

namespace tests {

class warm : public hostile {
  protected:
    using box_start = stages::worker::box_start;
    using launch_request = stages::worker::launch_request;

    static launch_request request(const std::string& lang, const std::string& script, bool cold = false) {
        auto out = sandbox_host::request(lang, script);
        out.cold = cold;
        out.limits.memory_bytes = 1ULL << 30;
        return out;
    }
    static box_start start_of(const outcome& out) {
        return out.verdict.isolation ? out.verdict.isolation->start : box_start::cold;
    }
    // Runs it until it has begun as asked for: the first of a language boots what the next ones need.
    outcome run_as(box_start start, const launch_request& what) {
        outcome out;
        for (int attempt = 0; attempt < 400; ++attempt) {
            out = host.run(what);
            if (start_of(out) == start) return out;
            usleep(25'000);
        }
        ADD_FAILURE() << "never began as asked for: " << static_cast<int>(start_of(out)) << " " << out.verdict.message;
        return out;
    }
    // It cannot tell from its start, nor does its end tell. Returns what a cold one did.
    outcome expect_alike(box_start start, launch_request what) {
        const auto warmed = run_as(start, what);
        what.cold = true;
        auto apart = host.run(what);
        EXPECT_EQ(apart.standard_output, warmed.standard_output) << what.script;
        EXPECT_EQ(apart.standard_error, warmed.standard_error) << what.script;
        EXPECT_EQ(apart.verdict.exit_code, warmed.verdict.exit_code) << what.script;
        EXPECT_EQ(apart.verdict.signal, warmed.verdict.signal) << what.script;
        return apart;
    }
    // The same of one that asks all that it can ask, with arguments and input.
    outcome expect_same_answers(box_start start, const std::string& lang, const std::string& questions,
                                std::vector<std::string> args) {
        auto what = request(lang, questions);
        what.args = std::move(args);
        what.standard_input = "some\ninput";
        auto apart = expect_alike(start, what);
        EXPECT_EQ(apart.verdict.exit_code, 0) << apart.standard_error;
        return apart;
    }
    outcome python(const std::string& script) { return run_as(box_start::zygote, request("python", script)); }
    // Those that bear Python's programs.
    std::vector<pid_t> zygotes() { return host.zygotes("python"); }
    bool zygote_is_there() {
        for (int attempt = 0; attempt < 400 && zygotes().empty(); ++attempt) {
            host.run(request("python", ""));
            usleep(25'000);
        }
        return !zygotes().empty();
    }
};

}  // namespace tests
