// simulation [--first S] [--seeds N] [--seed S]: runs seeds, prints how to repeat one that fails.
// simulation --until MARK [--first S] [--seeds N]: stops at the first seed that reaches this mark.
// simulation_planted --bug B --expect-failure …: with that planted bug, which some seed must find.
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/log.hpp"
#include "runtime/base/planted_bug.hpp"
#include "tests/simulation/kept_seeds.hpp"
#include "tests/simulation/scenario.hpp"
#include "tests/support/mark_table.hpp"

namespace {

constexpr std::uint64_t seeds_that_reach_all = 500;

struct arguments {
    std::uint64_t first = 1;
    std::uint64_t seeds = 500;
    bool verbose = false;
    // For builds with a planted bug: the run passes if some seed fails.
    bool expect_failure = false;
    int bug = 0;
    std::string until;  // the name of a mark
};

arguments parse(int argc, char** argv) {
    arguments out;
    for (int i = 1; i < argc; ++i) {
        const std::string_view flag = argv[i];
        const auto number = [&] { return i + 1 < argc ? std::strtoull(argv[++i], nullptr, 10) : 0; };
        if (flag == "--first") out.first = number();
        if (flag == "--seeds") out.seeds = number();
        if (flag == "--bug") out.bug = static_cast<int>(number());
        if (flag == "--until" && i + 1 < argc) out.until = argv[++i];
        if (flag == "--expect-failure") out.expect_failure = true;
        if (flag == "--seed") {
            out.first = number();
            out.seeds = 1;
            out.verbose = true;
        }
    }
    return out;
}

void print(std::uint64_t seed, const simulation_tests::report& report) {
    std::printf("seed %llu: %llu lives, %llu acknowledged, %llu steps, trace %016llx\n  %s\n",
                static_cast<unsigned long long>(seed), static_cast<unsigned long long>(report.lives),
                static_cast<unsigned long long>(report.acknowledged), static_cast<unsigned long long>(report.steps),
                static_cast<unsigned long long>(report.trace_hash), report.options.c_str());
    for (const auto& what : report.broken) std::printf("  BROKEN %s\n", what.c_str());
}

// A planted bug may also be found by one of our own assertions, which ends the process: the seeds run in a child.
int run_in_child(int (*run)(const arguments&, const char*), const arguments& args, const char* program) {
    const pid_t child = fork();
    if (child == 0) _exit(run(args, program));
    int status = 0;
    waitpid(child, &status, 0);
    if (WIFEXITED(status)) return WEXITSTATUS(status);
    std::printf("an assertion found it (signal %d)\n", WTERMSIG(status));
    return WTERMSIG(status) == SIGABRT ? 0 : 1;
}

int run(const arguments& args, const char* program) {
#ifdef WEIR_PLANTED_BUGS
    runtime::chosen_planted_bug = static_cast<runtime::planted_bug>(args.bug);
#endif
    std::map<std::string, std::uint64_t> sometimes;
    tests::mark_table marks;
    std::uint64_t failed = 0;
    std::uint64_t steps = 0;
    std::uint64_t acknowledged = 0;
    std::vector<std::uint64_t> seeds;
    if (!args.verbose && args.until.empty())
        seeds.assign(simulation_tests::kept_seeds.begin(), simulation_tests::kept_seeds.end());
    for (std::uint64_t seed = args.first; seed < args.first + args.seeds; ++seed) seeds.push_back(seed);
    for (const std::uint64_t seed : seeds) {
        const runtime::log_capture quiet;
        tests::mark_table::begin_run();
        const auto report = simulation_tests::run_scenario(seed);
        marks.end_run();
        if (!args.until.empty() && marks.runs_that_reached(args.until) > 0) {
            std::printf("seed %llu reaches it\n", static_cast<unsigned long long>(seed));
            return 0;
        }
        steps += report.steps;
        acknowledged += report.acknowledged;
        for (const auto& [what, count] : report.sometimes) sometimes[what] += count;
        if (!report.broken.empty()) ++failed;
        if (!report.broken.empty() || args.verbose) {
            print(seed, report);
            const std::string bug = args.bug == 0 ? "" : " --bug " + std::to_string(args.bug);
            std::printf("  repeat with: %s%s --seed %llu\n", program, bug.c_str(),
                        static_cast<unsigned long long>(seed));
        }
        if (args.expect_failure && failed > 0) break;
    }
    std::printf("%llu seeds, %llu failed, %llu executions acknowledged, %llu steps\n",
                static_cast<unsigned long long>(seeds.size()), static_cast<unsigned long long>(failed),
                static_cast<unsigned long long>(acknowledged), static_cast<unsigned long long>(steps));
    for (const auto& [what, count] : sometimes)
        std::printf("  %s: %llu times\n", what.c_str(), static_cast<unsigned long long>(count));
    marks.print();
    // So many runs have to come everywhere.
    if (args.seeds >= seeds_that_reach_all && !args.expect_failure) {
        for (const auto& never : marks.never_reached()) {
            std::printf("BROKEN never reached: %s\n", never.c_str());
            ++failed;
        }
    }
    std::fflush(stdout);
    if (args.expect_failure) return failed > 0 ? 0 : 1;
    return failed == 0 ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
    const auto args = parse(argc, argv);
    return args.expect_failure ? run_in_child(run, args, argv[0]) : run(args, argv[0]);
}
