// simulation [--first S] [--seeds N] [--jobs J] [--seed S]: runs seeds, prints how to repeat one that fails.
// simulation --until MARK [--first S] [--seeds N]: stops at the first seed that reaches this mark.
// simulation_planted --bug B --expect-failure …: with that planted bug, which some seed must find.
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <span>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/log.hpp"
#include "runtime/base/planted_bug.hpp"
#include "tests/simulation/kept_seeds.hpp"
#include "tests/simulation/scenario.hpp"
#include "tests/simulation/tally.hpp"

namespace {

constexpr std::uint64_t seeds_that_reach_all = 500;
constexpr std::size_t batch_seeds = 50;

struct arguments {
    std::uint64_t first = 1;
    std::uint64_t seeds = 500;
    bool verbose = false;
    // For builds with a planted bug: the run passes if some seed fails.
    bool expect_failure = false;
    int bug = 0;
    std::string until;  // the name of a mark
    std::size_t jobs = 1;
    const char* program = "simulation";
};

arguments parse(int argc, char** argv) {
    arguments out;
    out.program = argv[0];
    for (int i = 1; i < argc; ++i) {
        const std::string_view flag = argv[i];
        const auto number = [&] { return i + 1 < argc ? std::strtoull(argv[++i], nullptr, 10) : 0; };
        if (flag == "--first") out.first = number();
        if (flag == "--seeds") out.seeds = number();
        if (flag == "--bug") out.bug = static_cast<int>(number());
        if (flag == "--jobs") out.jobs = std::max<std::size_t>(1, number());
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

// Runs the seeds of one batch; failures are printed at once.
simulation_tests::tally run_seeds(const arguments& args, std::span<const std::uint64_t> seeds) {
    simulation_tests::tally out;
    for (const std::uint64_t seed : seeds) {
        const runtime::log_capture quiet;
        tests::mark_table::begin_run();
        const auto report = simulation_tests::run_scenario(seed);
        out.marks.end_run();
        out.add(report);
        if (!report.broken.empty() || args.verbose) {
            print(seed, report);
            const std::string bug = args.bug == 0 ? "" : " --bug " + std::to_string(args.bug);
            std::printf("  repeat with: %s%s --seed %llu\n", args.program, bug.c_str(),
                        static_cast<unsigned long long>(seed));
        }
        if (args.expect_failure && out.failed > 0) break;
        if (args.until.empty() || out.marks.runs_that_reached(args.until) == 0) continue;
        std::printf("seed %llu reaches it\n", static_cast<unsigned long long>(seed));
        break;
    }
    return out;
}

// A batch in a process of its own: it may end by one of our own assertions, and its memory goes with it.
class batch {
  public:
    batch(const arguments& args, std::vector<std::uint64_t> seeds) : seeds_(std::move(seeds)) {
        std::fflush(stdout);
        int ends[2] = {};
        if (pipe(ends) != 0) std::abort();
        child_ = fork();
        if (child_ == 0) {
            close(ends[0]);
            std::ostringstream out;
            run_seeds(args, seeds_).write(out);
            std::fflush(stdout);
            const std::string text = out.str();
            _exit(write(ends[1], text.data(), text.size()) == static_cast<ssize_t>(text.size()) ? 0 : 1);
        }
        close(ends[1]);
        from_ = ends[0];
    }
    // Waits for its end.
    void add_to(simulation_tests::tally& all) {
        std::string text;
        char some[4096];
        for (ssize_t got = 0; (got = read(from_, some, sizeof some)) > 0;) text.append(some, static_cast<size_t>(got));
        close(from_);
        int status = 0;
        waitpid(child_, &status, 0);
        std::istringstream in(text);
        if (status == 0 && all.add_written(in)) return;
        ++all.failed;
        std::printf("BROKEN one of the seeds %llu to %llu ends the process (signal %d)\n",
                    static_cast<unsigned long long>(seeds_.front()), static_cast<unsigned long long>(seeds_.back()),
                    WIFSIGNALED(status) ? WTERMSIG(status) : 0);
    }

  private:
    std::vector<std::uint64_t> seeds_;
    pid_t child_ = 0;
    int from_ = -1;
};

std::vector<std::vector<std::uint64_t>> batches_of(const arguments& args) {
    std::vector<std::uint64_t> seeds;
    if (args.until.empty()) seeds.assign(simulation_tests::kept_seeds.begin(), simulation_tests::kept_seeds.end());
    for (std::uint64_t seed = args.first; seed < args.first + args.seeds; ++seed) seeds.push_back(seed);
    std::vector<std::vector<std::uint64_t>> out;
    for (std::size_t i = 0; i < seeds.size(); i += batch_seeds) {
        const auto begin = seeds.begin() + static_cast<std::ptrdiff_t>(i);
        out.emplace_back(begin, begin + static_cast<std::ptrdiff_t>(std::min(batch_seeds, seeds.size() - i)));
    }
    return out;
}

simulation_tests::tally run_batches(const arguments& args) {
    simulation_tests::tally all;
    std::deque<batch> running;
    const auto enough = [&] {
        return (args.expect_failure && all.failed > 0) || all.marks.runs_that_reached(args.until) > 0;
    };
    for (auto& seeds : batches_of(args)) {
        if (running.size() == args.jobs) {
            running.front().add_to(all);
            running.pop_front();
        }
        if (enough()) break;
        running.emplace_back(args, std::move(seeds));
    }
    for (auto& one : running) one.add_to(all);
    return all;
}

}  // namespace

int main(int argc, char** argv) {
    const auto args = parse(argc, argv);
#ifdef WEIR_PLANTED_BUGS
    runtime::chosen_planted_bug = static_cast<runtime::planted_bug>(args.bug);
#endif
    if (args.verbose) {
        const std::uint64_t seed = args.first;
        return run_seeds(args, {&seed, 1}).failed == 0 ? 0 : 1;
    }
    auto all = run_batches(args);
    all.print();
    if (args.expect_failure) return all.failed > 0 ? 0 : 1;
    if (!args.until.empty()) return all.marks.runs_that_reached(args.until) > 0 ? 0 : 1;
    // So many runs have to come everywhere.
    const auto never = args.seeds >= seeds_that_reach_all ? all.marks.never_reached() : std::vector<std::string>();
    for (const auto& mark : never) std::printf("BROKEN never reached: %s\n", mark.c_str());
    return all.failed == 0 && never.empty() ? 0 : 1;
}
