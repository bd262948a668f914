// The compile step: what is compiled once runs many times, and a hostile compiler is as closed in as a hostile program.
#include "tests/abuse/hostile.hpp"

namespace tests {
namespace {

using stages::worker::cause;

class compile : public hostile {
  protected:
    static stages::worker::launch_request request(const std::string& source) {
        auto out = sandbox_host::request("compiled", source);
        out.limits.wall_ms = 5000;
        return out;
    }
    outcome run(const std::string& source) { return host.run(request(source)); }

    static void expect_end(const outcome& out, cause expected) {
        EXPECT_EQ(static_cast<int>(out.verdict.ended_by), static_cast<int>(expected))
            << out.verdict.message << out.standard_error;
    }
};

TEST_F(compile, once_for_many_inputs) {
    const auto before = host.artifacts().counters();
    // The artefact knows when it was made.
    const std::string source = "echo once >&2; echo echo $(date +%s%N) > out; echo 'echo \"$@\"; cat' >> out # many";
    std::vector<stages::worker::launch_request> requests;
    for (int i = 0; i < 20; ++i) {
        requests.push_back(request(source));
        requests.back().args = {"argument", std::to_string(i)};
        requests.back().standard_input = "input " + std::to_string(i);
    }
    const auto all = host.run_all(requests);
    const std::string made = all.front().standard_output.substr(0, all.front().standard_output.find('\n'));
    for (int i = 0; i < 20; ++i) {
        const auto& out = all[static_cast<std::size_t>(i)];
        expect_end(out, cause::exited);
        EXPECT_EQ(out.verdict.exit_code, 0);
        const std::string number = std::to_string(i);
        EXPECT_EQ(out.standard_output, made + "\nargument " + number + "\ninput " + number);
        EXPECT_EQ(out.standard_error, "") << "what a successful compiler says is its own";
    }
    EXPECT_EQ(host.artifacts().counters().made, before.made + 1);
    EXPECT_EQ(host.artifacts().counters().found, before.found + 19);
    EXPECT_NE(host.run(request(source + "!")).standard_output.substr(0, made.size()), made) << "another source";
}

TEST_F(compile, sources_are_part_of_it_and_other_files_are_not) {
    auto one = request("cat part.h > out 2>/dev/null; test -e data.txt && echo seen >&2 && exit 1; exit 0");
    one.files = {{"part.h", "cat data.txt; cat deep/er.txt"}, {"data.txt", "data\n"}, {"deep/er.txt", "deeper\n"}};
    const auto before = host.artifacts().counters().made;
    auto out = host.run(one);
    expect_end(out, cause::exited);
    EXPECT_EQ(out.standard_output, "data\ndeeper\n") << out.standard_error;
    one.files[1].bytes = "other\n";
    EXPECT_EQ(host.run(one).standard_output, "other\ndeeper\n");
    EXPECT_EQ(host.artifacts().counters().made, before + 1);
    one.files[0].bytes = "echo new";
    EXPECT_EQ(host.run(one).standard_output, "new\n");
    EXPECT_EQ(host.artifacts().counters().made, before + 2);
}

TEST_F(compile, an_error_keeps_what_the_compiler_said) {
    auto out = run("echo to stdout; echo to stderr >&2; exit 3");
    expect_end(out, cause::compile_error);
    EXPECT_TRUE(out.started);
    EXPECT_EQ(out.standard_output, "");
    EXPECT_NE(out.standard_error.find("to stdout\n"), std::string::npos);
    EXPECT_NE(out.standard_error.find("to stderr\n"), std::string::npos);
    EXPECT_EQ(out.verdict.message, "the compiler exited with code 3");
    EXPECT_FALSE(out.verdict.exit_code);
    EXPECT_GT(out.verdict.usage.wall_us, 0U);
    out = run("kill -SEGV $$");
    expect_end(out, cause::compile_error);
    EXPECT_FALSE(out.verdict.signal);
    out = run("yes a compiler that never stops talking | head -c 3000000; exit 1");
    expect_end(out, cause::compile_error);
    EXPECT_GT(out.standard_error.size(), 4000U);
    EXPECT_LE(out.standard_error.size(), 8192U);
    EXPECT_TRUE(out.verdict.stderr_truncated);
}

TEST_F(compile, its_limits_are_its_own) {
    // How long a busy box takes depends on what else the machine does, so that only one has a short wall limit.
    const auto expect_limit = [this](const std::string& source, const std::string& name) {
        auto what = request(source);
        if (name.starts_with("wall_ms")) what.lang = "compiled-briefly";
        const auto out = host.run(what);
        expect_end(out, cause::compile_limit);
        EXPECT_NE(out.verdict.message.find("the compiler "), std::string::npos) << out.verdict.message;
        EXPECT_NE(out.verdict.message.find(name), std::string::npos) << out.verdict.message;
    };
    expect_limit("sleep 100", "wall_ms: 500");
    expect_limit("while :; do :; done", "cpu_ms: 1000");
    if (host.limits_trees()) {
        expect_limit("tail /dev/zero", "memory_bytes");
        expect_limit("for i in 1 2 3 4 5 6 7 8 9 10 11 12; do sleep 1 & done; wait; exit 1", "processes: 8");
    }
    expect_limit("head -c 20000000 /dev/zero > big || exit 1", "disk_bytes");
    expect_limit("head -c 1048577 /dev/zero > out", "artifact_bytes: 1048576");
}

TEST_F(compile, only_a_regular_file_is_an_artefact) {
    for (const char* source : {"true", "ln -s /etc/passwd out", "mkfifo out", "mkdir out", "ln -s box out",
                               "echo 'echo ok' > real; ln -s real out", "exec 3>out; rm out; sleep 0.01"}) {
        const auto out = run(source);
        expect_end(out, cause::compile_error);
        EXPECT_NE(out.verdict.message.find("left no program called out"), std::string::npos) << out.verdict.message;
        EXPECT_EQ(out.standard_output, "");
    }
    // A hard link is a file like any other, of the box alone.
    auto out = run("echo 'echo hard' > real; ln real out");
    expect_end(out, cause::exited);
    EXPECT_EQ(out.standard_output, "hard\n");
}

TEST_F(compile, nothing_of_it_lives_on) {
    const auto out =
        run("setsid sleep 1000 & (while :; do echo 'echo later' > out; done) & echo 'echo first' > out; "
            "touch /tmp/left /dev/shm/left");
    expect_end(out, cause::exited);
    EXPECT_TRUE(out.standard_output == "first\n" || out.standard_output == "later\n" || out.standard_output.empty())
        << out.standard_output;
    const auto next = run("ls /tmp /dev/shm /box; echo 'ls /tmp /dev/shm; echo $FROM; ls' > out # lives on");
    EXPECT_EQ(next.standard_output, "/dev/shm:\n\n/tmp:\nthe manifest\nout\n") << next.standard_error;
}

TEST_F(compile, can_be_cancelled_and_waiting_for_it_too) {
    std::vector<stages::worker::launch_request> both(2, request("sleep 1.7; echo 'echo made' > out # cancelled"));
    run_options options;
    options.cancel_after_ms = 300;
    auto alone = host.run(both.front(), options);
    expect_end(alone, cause::cancelled);
    EXPECT_FALSE(alone.started);
    EXPECT_LT(alone.after_cancel_ms, 2000);
    // The next one makes it, and a further one is spared.
    const auto before = host.artifacts().counters();
    for (const auto& out : host.run_all(both)) EXPECT_EQ(out.standard_output, "made\n") << out.verdict.message;
    EXPECT_EQ(host.artifacts().counters().made, before.made + 1);
}

TEST_F(compile, identical_programs_that_fail_do_not_queue_behind_each_other) {
    const std::vector<stages::worker::launch_request> many(8, request("sleep 1; exit 1 # queue"));
    const auto begin = runtime::system_clock().steady();
    for (const auto& out : host.run_all(many)) expect_end(out, cause::compile_error);
    const auto took = runtime::system_clock().steady().nanoseconds_since_start - begin.nanoseconds_since_start;
    EXPECT_LT(took, 7'000'000'000) << "eight times a second, one after the other";
}

TEST_F(compile, real_compilers_under_attack) {
    if (!host.has("c")) GTEST_SKIP() << "no gcc";
    auto leak = sandbox_host::request("c", "#include \"/etc/shadow\"\nint main() { return 0; }\n");
    auto out = host.run(leak);
    expect_end(out, cause::compile_error);
    EXPECT_EQ(out.standard_error.find("root:"), std::string::npos);
    out = host.run(sandbox_host::request("c", "#include \"main.c\"\n"));
    expect_end(out, cause::compile_error);
    out = host.run(sandbox_host::request("c", "int x[1 << 28] = {1};\nint main() { return x[0]; }\n"));
    EXPECT_TRUE(out.verdict.ended_by == cause::compile_limit || out.verdict.ended_by == cause::compile_error)
        << out.verdict.message;
    if (!host.has("cpp")) return;
    out = host.run(sandbox_host::request(
        "cpp", "template <class T> struct a { using b = typename a<a<T>>::b; };\nint main() { a<int>::b x; }\n"));
    EXPECT_TRUE(out.verdict.ended_by == cause::compile_limit || out.verdict.ended_by == cause::compile_error)
        << out.verdict.message;
}

}  // namespace
}  // namespace tests
