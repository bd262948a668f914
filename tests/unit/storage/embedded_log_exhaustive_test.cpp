// Every crash of a short history: the node dies at each moment at which the disk is in another state, and every way in
// which that may leave the disk is tried, down to each subset of the sectors of a write that was in flight.
#include <gtest/gtest.h>

#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>

#include "runtime/base/assert.hpp"
#include "runtime/base/random.hpp"
#include "tests/support/child_process.hpp"
#include "tests/unit/storage/log_conformance.hpp"
#include "tests/unit/storage/log_rigs.hpp"

namespace tests {
namespace {

using runtime::task;
using storage::partition_id;

// Goes through all sequences of choices, as an odometer does. Behind the subset of sectors of one write the rest of the
// choices is drawn, each time anew: their product would have no end.
class all_choices {
  public:
    std::uint64_t operator()(std::uint64_t below) {
        if (at_ >= enumerated_max || below > 9) return drawn_.below(below);
        if (at_ == path_.size()) path_.push_back({0, below});
        EXPECT_EQ(path_[at_].second, below) << "the same history twice";
        return path_[at_++].first;
    }
    // False when all have been seen.
    bool next() {
        at_ = 0;
        while (!path_.empty() && path_.back().first + 1 == path_.back().second) path_.pop_back();
        if (path_.empty()) return false;
        ++path_.back().first;
        return true;
    }

  private:
    static constexpr std::size_t enumerated_max = 10;  // loss of power or not, a fate, eight sectors
    std::vector<std::pair<std::uint64_t, std::uint64_t>> path_;
    std::size_t at_ = 0;
    runtime::random_source drawn_{1};
};

constexpr runtime::milliseconds run_time_of_late_writes{100};

storage::embedded::directory_options tiny() {
    storage::embedded::directory_options where;
    where.path = "log";
    where.partition_bits = 1;
    where.segment_bytes = 64 << 10;
    where.small_segment_bytes = 36 << 10;
    return where;
}

task<void> open(storage::log& log, log_ledger& ledger, ledger_listener& listener) {
    const std::vector<partition_id> partitions{{0}, {1}};
    for (const partition_id id : partitions) ledger.opening(id);
    auto replay = [&ledger](const storage::record_view& view) { return ledger.replayed(view); };
    const auto opened = co_await log.open(partitions, replay, listener);
    EXPECT_TRUE(opened.has_value()) << opened.error().message();
    if (opened.has_value())
        for (const auto& where : *opened) ledger.opened(where);
}

// A few records, each in a batch of its own, a release, and the change to the next segment.
task<void> history(storage::log& log, log_ledger& ledger, ledger_listener& listener) {
    co_await open(log, ledger, listener);
    for (int i = 0; i < 3; ++i) co_await append_and_wait(log, ledger, {static_cast<std::uint16_t>(i % 2)}, "a record");
    ledger[{0}].released = 2;
    log.release({0}, 2);
    for (int i = 0; i < 5; ++i) co_await append_and_wait(log, ledger, {0}, std::string(3000, 'z'));
}

struct one_run {
    explicit one_run(std::uint64_t seed) : rig(seed, tiny()) {
        // The order of things is the same in each run; only the crash differs.
        rig.disk().behaviour().delay_min = rig.disk().behaviour().delay_max = runtime::microseconds(50);
    }
    log_ledger ledger;
    ledger_listener listener{ledger};
    simulated_embedded_rig rig;
};

// Runs the history until the disk has been active so many times; false if it ended before.
bool run_until(one_run& run, std::uint64_t moment) {
    bool ended = false;
    EXPECT_EQ(run.rig.begin_life(1), "");
    const std::uint64_t activity = run.rig.disk().activity() + moment;
    const auto whole = [](one_run& in, bool& flag) -> task<void> {
        co_await history(in.rig.log(0), in.ledger, in.listener);
        flag = true;
    };
    run.rig.start(0, [&run, &ended, whole] { return whole(run, ended); });
    run.rig.world()->run_until([&] { return ended || run.rig.disk().activity() >= activity; }, runtime::seconds(60));
    return !ended;
}

// How many ways there were; 0 when the history had ended before.
std::uint64_t every_crash_at(std::uint64_t moment) {
    all_choices choices;
    std::uint64_t runs = 0;
    do {
        one_run run(3);
        const bool going = run_until(run, moment);
        run.rig.crash([&choices](std::uint64_t below) { return choices(below); });
        if (!going) return 0;
        EXPECT_EQ(run.rig.begin_life(1), "") << "moment " << moment;
        if (testing::Test::HasFailure()) return runs;
        run.rig.run(0, [&] { return open(run.rig.log(0), run.ledger, run.listener); });
        run.rig.run(0, [&] { return append_and_wait(run.rig.log(0), run.ledger, {0}, "on"); });
        run.rig.end_life();
        ++runs;
        EXPECT_FALSE(testing::Test::HasFailure()) << "moment " << moment << ", run " << runs;
    } while (!testing::Test::HasFailure() && choices.next());
    return runs;
}

// What a killed node owned is never freed, so each moment has a process of its own.
std::uint64_t in_own_process(std::uint64_t moment) {
    int ends[2];
    WEIR_ASSERT(::pipe(ends) == 0);
    std::fflush(nullptr);
    const pid_t child = ::fork();
    if (child == 0) {
        const std::uint64_t runs = every_crash_at(moment);
        static_cast<void>(!::write(ends[1], &runs, sizeof runs));
        std::fflush(nullptr);
        ::_exit(testing::Test::HasFailure() ? 1 : 0);
    }
    std::uint64_t runs = 0;
    EXPECT_EQ(::read(ends[0], &runs, sizeof runs), static_cast<ssize_t>(sizeof runs));
    int status = 0;
    ::waitpid(child, &status, 0);
    EXPECT_EQ(status, 0);
    ::close(ends[0]);
    ::close(ends[1]);
    return runs;
}

TEST(embedded_log_exhaustive, every_crash_of_a_short_history) {
    std::uint64_t total = 0;
    std::uint64_t moments = 0;
    while (!HasFailure()) {
        const std::uint64_t runs = in_own_process(moments + 1);
        if (runs == 0) break;
        total += runs;
        ++moments;
    }
    std::printf("%llu crashes at %llu moments\n", static_cast<unsigned long long>(total),
                static_cast<unsigned long long>(moments));
    EXPECT_GT(total, 1000U);
}

// A node dies while it makes a segment of a spare, and its write of the header comes to the disk when the next life may
// have made one of the same spare: that life's file is not touched. False if the segment was there before the moment.
bool late_header_at(std::uint64_t moment) {
    one_run run(moment);
    run.rig.disk().set_content("log/1.spare", std::vector<std::byte>(tiny().segment_bytes));
    const bool going = run_until(run, moment);
    // Killed, no power lost, and all that was in flight comes later.
    run.rig.crash([](std::uint64_t below) { return below - 1; });
    if (!going) return false;
    EXPECT_EQ(run.rig.begin_life(1), "");
    run.rig.run(0, [&] { return open(run.rig.log(0), run.ledger, run.listener); });
    run.rig.run(0, [&] { return append_and_wait(run.rig.log(0), run.ledger, {0}, "on"); });
    run.rig.run(0, [] { return runtime::sleep_for(run_time_of_late_writes); });
    run.rig.end_life();
    EXPECT_EQ(run.rig.begin_life(1), "") << "moment " << moment;
    return true;
}

TEST(embedded_log_exhaustive, a_late_write_into_a_spare_harms_nobody) {
    std::uint64_t moments = 0;
    bool going = true;
    while (going && !HasFailure()) {
        child_processes copies(1);
        const shared_value<bool> was_going;
        copies.run([&] {
            *was_going = late_header_at(moments + 1);
            return !testing::Test::HasFailure();
        });
        EXPECT_EQ(copies.wait(), 0U);
        going = *was_going;
        if (going) ++moments;
    }
    EXPECT_GT(moments, 20U);
}

}  // namespace
}  // namespace tests
