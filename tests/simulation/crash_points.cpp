// crash_points [--every [--kinds N] [--share N] [--operations N] [--from M] [--moments N]] [--images N] [--seed S]
//              [--jobs N] [--lying-disk] [--expect-failure] [--only POINT KIND [THEN KIND]]
//
// --every: a scripted run of the whole engine is killed at each write, sync, create, rename and remove of the simulated
// disk, when it begins and when it takes effect, in four ways each; and at each moment the recovery from one of them is
// killed again at each such moment of its own, whereupon the next recovery must succeed. With --kinds N only
// so many of the four ways are tried at each moment, in turn; with --share N the second level is tried at every Nth;
// with --from and --moments only N moments from the Mth on, so that the whole can be done in parts.
// --images: so many losses of power at random moments of runs with further seeds.
#include <malloc.h>

#include <atomic>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <optional>
#include <string_view>

#include "runtime/base/log.hpp"
#include "tests/simulation/crash_history.hpp"
#include "tests/support/child_process.hpp"

namespace {

using simulation_tests::crash_history;
using simulation_tests::crash_history_options;
using simulation_tests::crash_kind;
using simulation_tests::crash_kinds;

constexpr std::uint64_t nowhere = UINT64_MAX;

struct arguments {
    bool every = false;
    std::uint64_t kinds = crash_kinds;
    std::uint64_t share = 1;
    std::uint64_t from = 0;
    std::uint64_t moments = nowhere;
    std::uint64_t images = 0;
    std::uint64_t jobs = 2;
    bool expect_failure = false;
    crash_history_options history;
    // One crash alone, to look at it.
    std::uint64_t point = nowhere, kind = nowhere, then = nowhere, then_kind = nowhere;

    [[nodiscard]] bool wants(std::uint64_t number, std::uint64_t how) const {
        if (number < from || number - from >= moments) return false;
        return point == nowhere || (point == number && kind == how);
    }
    [[nodiscard]] bool wants_then(std::uint64_t number, std::uint64_t how) const {
        return then == nowhere || (then == number && then_kind == how);
    }
};

struct tally {
    std::atomic<std::uint64_t> changes{0};
    std::atomic<std::uint64_t> first{0};
    std::atomic<std::uint64_t> second{0};
    std::atomic<std::uint64_t> shown{0};
};

arguments parse(int argc, char** argv) {
    arguments out;
    for (int i = 1; i < argc; ++i) {
        const std::string_view flag = argv[i];
        const auto number = [&] { return i + 1 < argc ? std::strtoull(argv[++i], nullptr, 10) : 0; };
        if (flag == "--every") out.every = true;
        if (flag == "--kinds") out.kinds = number();
        if (flag == "--share") out.share = std::max<std::uint64_t>(1, number());
        if (flag == "--from") out.from = number();
        if (flag == "--moments") out.moments = number();
        if (flag == "--operations") out.history.operations = number();
        if (flag == "--images") out.images = number();
        if (flag == "--seed") out.history.seed = number();
        if (flag == "--jobs") out.jobs = number();
        if (flag == "--lying-disk") out.history.lying_disk = true;
        if (flag == "--expect-failure") out.expect_failure = true;
        if (flag != "--only") continue;
        out.point = number();
        out.kind = number();
        if (i + 1 < argc && argv[i + 1][0] != '-') {
            out.then = number();
            out.then_kind = number();
        }
    }
    return out;
}

// Says what is wrong and how to see it again; true when nothing is.
bool judge(const crash_history& seen, const std::string& where, tally& counts) {
    if (seen.broken().empty()) return true;
    if (counts.shown.fetch_add(1) >= 10) return false;
    std::printf("BROKEN %s\n", where.c_str());
    for (const auto& what : seen.broken()) std::printf("  %s\n", what.c_str());
    return false;
}

std::string words(std::uint64_t point, std::size_t kind) { return std::to_string(point) + " " + std::to_string(kind); }

// A recovery from a crash, killed again at each call of the disk; and what comes of it when it is left alone.
bool recover(crash_history& after, const std::string& where, std::optional<std::uint64_t> turn_of_second,
             const arguments& args, tally& counts) {
    tests::child_processes children(1);
    std::uint64_t call = 0;
    const std::uint64_t turn = turn_of_second.value_or(0);
    while (turn_of_second && after.advance_recovery()) {
        // The four kinds in turn.
        const std::size_t kind = (turn + call) % crash_kinds;
        if (args.wants_then(call, kind)) {
            ++counts.second;
            children.run([&] {
                after.crash(static_cast<crash_kind>(kind), call + 1);
                after.check();
                return judge(after, where + " " + words(call, kind), counts);
            });
        }
        ++call;
    }
    const std::size_t failed = children.wait();
    after.check();
    return judge(after, where, counts) && failed == 0;
}

// A line now and then, for whoever waits an hour.
class progress {
  public:
    void tell(std::uint64_t moment, const tally& counts) {
        const auto now = ::time(nullptr);
        if (now < next_) return;
        next_ = now + 30;
        std::fprintf(stderr, "at moment %llu: %llu crashes, %llu in recoveries\n",
                     static_cast<unsigned long long>(moment), static_cast<unsigned long long>(counts.first),
                     static_cast<unsigned long long>(counts.second));
    }

  private:
    time_t next_ = ::time(nullptr) + 30;
};

bool every_point(const arguments& args) {
    const tests::shared_value<tally> counts;
    tests::child_processes children(args.jobs, 3600);
    crash_history run(args.history);
    std::uint64_t point = 0;
    progress shown;
    while (run.broken().empty() && run.advance()) {
        ++counts->changes;
        shown.tell(point, *counts);
        for (std::size_t kind = 0; kind < crash_kinds && children.failed() < 10; ++kind) {
            // With fewer than all ways at each moment, they come in turn.
            const bool its_turn = (kind + crash_kinds - point % crash_kinds) % crash_kinds < args.kinds;
            if (!args.wants(point, kind) || (args.point == nowhere && !its_turn)) continue;
            // Recoveries are killed after one of the four ways at each moment, in turn.
            std::optional<std::uint64_t> second;
            const bool again = kind == point % crash_kinds && point % args.share == 0;
            if (again || args.then != nowhere) second = point / crash_kinds;
            ++counts->first;
            children.run([&] {
                run.crash(static_cast<crash_kind>(kind), point + 1);
                const auto where = "--seed " + std::to_string(args.history.seed) + " --operations " +
                                   std::to_string(args.history.operations) + " --every --only " + words(point, kind);
                return recover(run, where, second, args, *counts);
            });
        }
        ++point;
    }
    const bool good = children.wait() == 0 && judge(run, "the run itself", *counts);
    std::printf(
        "%zu operations, %zu executions acknowledged: %llu moments of the disk, %llu crashes at them, "
        "%llu crashes in recoveries\n",
        args.history.operations, run.acknowledged(), static_cast<unsigned long long>(counts->changes),
        static_cast<unsigned long long>(counts->first), static_cast<unsigned long long>(counts->second));
    const auto log = run.log_counters();
    std::printf(
        "the run itself: %llu segments freed, %llu written again, %llu there in the end; %llu posts under a "
        "known key\n",
        static_cast<unsigned long long>(log.freed_total), static_cast<unsigned long long>(log.recycled_total),
        static_cast<unsigned long long>(log.segments),
        static_cast<unsigned long long>(run.times("a key was used again")));
    return good;
}

bool random_images(const arguments& args) {
    const tests::shared_value<tally> counts;
    tests::child_processes children(args.jobs);
    runtime::random_source random(args.history.seed);
    std::uint64_t seed = args.history.seed;
    while (counts->first < args.images && children.failed() < 10) {
        crash_history_options options = args.history;
        options.seed = ++seed;
        options.operations = 20 + random.below(100);
        crash_history run(options);
        // Moments between two calls of the disk leave the same as the call before.
        while (run.broken().empty() && run.advance() && counts->first < args.images && children.failed() < 10) {
            if (random.below(4) > 0) continue;
            ++counts->first;
            const auto how = random.next();
            const auto again = random.below(4) == 0 ? random.below(60) : 0;
            children.run([&] {
                run.crash(crash_kind::torn, how);
                for (std::uint64_t i = 0; i < again && run.advance_recovery(); ++i) {
                }
                if (again > 0) {
                    ++counts->second;
                    run.crash(crash_kind::torn, how + 1);
                }
                run.check();
                return judge(run, "image " + std::to_string(how) + " of seed " + std::to_string(seed), *counts);
            });
        }
        if (!judge(run, "the run of seed " + std::to_string(seed), *counts)) return false;
    }
    const bool good = children.wait() == 0;
    std::printf("%llu images after a loss of power, %llu of them lost power again while they recovered, %llu runs\n",
                static_cast<unsigned long long>(counts->first), static_cast<unsigned long long>(counts->second),
                static_cast<unsigned long long>(seed - args.history.seed));
    return good;
}

}  // namespace

int main(int argc, char** argv) {
    const auto args = parse(argc, argv);
    const runtime::log_capture quiet;
    // What was freed is used again instead of being asked of the kernel anew: half of a copy's time otherwise.
    ::mallopt(M_MMAP_THRESHOLD, 64 << 20);
    ::mallopt(M_TRIM_THRESHOLD, 1 << 30);
    bool good = true;
    if (args.every) good = every_point(args);
    if (args.images > 0) good = random_images(args) && good;
    if (args.expect_failure) return good ? 1 : 0;
    return good ? 0 : 1;
}
