// random_programs [--programs N] [--first S] [--seed S]: runs worlds from seed S on until N programs came out as
// predicted, or one world; prints how to repeat one that fails.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "runtime/base/log.hpp"
#include "tests/random_programs/simulated_run.hpp"

namespace {

struct arguments {
    std::uint64_t first = 1;
    std::uint64_t programs = 2000;
    bool only_one = false;
};

arguments parse(int argc, char** argv) {
    arguments out;
    for (int i = 1; i < argc; ++i) {
        const std::string_view flag = argv[i];
        const auto number = [&] { return i + 1 < argc ? std::strtoull(argv[++i], nullptr, 10) : 0; };
        if (flag == "--programs") out.programs = number();
        if (flag == "--first") out.first = number();
        if (flag == "--seed") {
            out.first = number();
            out.only_one = true;
        }
    }
    return out;
}

unsigned long long wide(std::uint64_t value) { return value; }

void add(std::map<std::string, std::uint64_t>& to, const std::map<std::string, std::uint64_t>& from) {
    for (const auto& [what, count] : from) to[what] += count;
}

void print(const char* title, const std::map<std::string, std::uint64_t>& counts) {
    std::printf("%s:", title);
    for (const auto& [what, count] : counts) std::printf(" %s %llu,", what.c_str(), wide(count));
    std::printf("\n");
}

}  // namespace

int main(int argc, char** argv) {
    const auto args = parse(argc, argv);
    random_programs::run_report all;
    std::uint64_t worlds = 0;
    std::uint64_t failed = 0;
    for (std::uint64_t seed = args.first; all.programs < args.programs; ++seed) {
        const runtime::log_capture quiet;
        const auto report = random_programs::run_world(seed);
        ++worlds;
        all.programs += report.programs;
        all.kills += report.kills;
        all.attempts += report.attempts;
        all.lost += report.lost;
        all.steps += report.steps;
        add(all.ends, report.ends);
        add(all.commands, report.commands);
        add(all.sometimes, report.sometimes);
        if (!report.broken.empty()) {
            ++failed;
            for (const auto& what : report.broken) std::printf("  BROKEN %s\n", what.c_str());
            std::printf("  repeat with: %s --seed %llu\n", argv[0], wide(seed));
        }
        if (args.only_one) {
            std::printf("trace %016llx\n", wide(report.trace_hash));
            break;
        }
    }
    std::printf("%llu programs in %llu worlds, %llu worlds failed, %llu kills, %llu attempts, %llu lost, %llu steps\n",
                wide(all.programs), wide(worlds), wide(failed), wide(all.kills), wide(all.attempts), wide(all.lost),
                wide(all.steps));
    print("ends", all.ends);
    print("commands", all.commands);
    print("sometimes", all.sometimes);
    return failed == 0 ? 0 : 1;
}
