// Every history of up to three records, killed at each moment at which the disk is in another state, with every way in
// which that may leave the pages that were not synced: each subset of them, each cut, late, and not at all. Two records
// by default; WEIR_LOG_HISTORY_RECORDS=3 tries them all.
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <cstdio>
#include <cstdlib>

#include "runtime/base/random.hpp"
#include "tests/support/child_process.hpp"
#include "tests/unit/storage/log_conformance.hpp"
#include "tests/unit/storage/log_rigs.hpp"

namespace tests {
namespace {

using runtime::task;
using storage::partition_id;

// One record of a history: whose it is, whether it fills more than one page, and whether the next one is appended
// before it is durable, so that both are in one batch.
struct step {
    bool second_partition;
    bool large;
    bool with_next;
};
constexpr std::size_t kinds_of_steps = 8;
step step_of(std::size_t number) { return {(number & 1) != 0, (number & 2) != 0, (number & 4) != 0}; }

using history = std::vector<step>;

// All histories of so many records.
std::vector<history> histories(std::size_t records) {
    std::vector<history> all{{}};
    for (std::size_t i = 0; i < records; ++i) {
        std::vector<history> longer;
        for (const auto& shorter : all) {
            for (std::size_t kind = 0; kind < kinds_of_steps; ++kind) {
                longer.push_back(shorter);
                longer.back().push_back(step_of(kind));
            }
        }
        all = std::move(longer);
    }
    return all;
}

// A sequence of choices that a copy of the process makes and this one then counts on, as an odometer does. In shared
// memory: the copy finds out how many there are to make.
class choices {
  public:
    std::uint64_t operator()(std::uint64_t below) {
        // Sectors of pages are not enumerated here but drawn, once for each moment; pages and cuts are.
        if (fate_is_sectors_ || made_ == path_.size()) return drawn_.below(below);
        if (made_ == known_) path_[known_++] = {0, below};
        EXPECT_EQ(path_[made_].below, below) << "the same history twice";
        const std::uint64_t chosen = path_[made_++].chosen;
        fate_is_sectors_ = below == 5 && chosen == 3;
        return chosen;
    }
    // False when all have been seen.
    bool next() {
        while (known_ > 0 && path_[known_ - 1].chosen + 1 == path_[known_ - 1].below) --known_;
        if (known_ == 0) return false;
        ++path_[known_ - 1].chosen;
        made_ = 0;
        fate_is_sectors_ = false;
        return true;
    }

  private:
    struct one {
        std::uint64_t chosen;
        std::uint64_t below;
    };
    std::array<one, 24> path_{};
    std::size_t known_ = 0;
    std::size_t made_ = 0;
    bool fate_is_sectors_ = false;
    runtime::random_source drawn_{1};
};

struct tally {
    std::atomic<std::uint64_t> moments{0};
    std::atomic<std::uint64_t> crashes{0};
};

storage::embedded::directory_options tiny() {
    storage::embedded::directory_options where;
    where.path = "log";
    where.partition_bits = 1;
    where.segment_bytes = 64 << 10;
    where.small_segment_bytes = 48 << 10;
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

task<void> live(storage::log& log, log_ledger& ledger, history what, bool& ended) {
    for (const step& one : what) {
        const partition_id id{static_cast<std::uint16_t>(one.second_partition ? 1 : 0)};
        const std::string payload(one.large ? 5000 : 10, 'a');
        if (!one.with_next) {
            co_await append_and_wait(log, ledger, id, payload);
            continue;
        }
        const auto stored = log.append(header_for(id), payload);
        EXPECT_TRUE(stored.has_value());
        if (stored.has_value()) ledger.appended(*stored, payload);
    }
    log.hurry();
    co_await runtime::sleep_for(runtime::milliseconds(5));
    ended = true;
}

// One life with a history, and what is known of it.
struct one_run {
    one_run() : rig(3, tiny()) {
        // The order of things is the same in each run.
        rig.disk().behaviour().delay_min = rig.disk().behaviour().delay_max = runtime::microseconds(50);
        EXPECT_EQ(rig.begin_life(1), "");
    }
    log_ledger ledger;
    ledger_listener listener{ledger};
    simulated_embedded_rig rig;
};

// In a copy of the process: the crash, and a life that must find what was acknowledged and take more.
bool survives(one_run& run, choices& made) {
    run.rig.crash([&made](std::uint64_t below) { return made(below); });
    EXPECT_EQ(run.rig.begin_life(1), "");
    if (testing::Test::HasFailure()) return false;
    run.rig.run(0, [&] { return open(run.rig.log(0), run.ledger, run.listener); });
    run.rig.run(0, [&] { return append_and_wait(run.rig.log(0), run.ledger, {0}, "on"); });
    run.rig.end_life();
    return !testing::Test::HasFailure();
}

// Also in a copy: all crashes of this moment.
bool every_crash_now(one_run& run, tally& counts) {
    const shared_value<choices> made;
    child_processes copies(1);
    do {
        ++counts.crashes;
        copies.run([&] { return survives(run, *made); });
    } while (copies.wait() == 0 && made->next());
    return copies.failed() == 0;
}

// And this one too: all moments of a history. Those of the opening are the same in all histories: with the empty one.
bool every_moment_of(const history& what, tally& counts) {
    one_run run;
    child_processes copies(1);
    bool ended = false;
    auto whole = [](one_run& in, history steps, bool& flag) -> task<void> {
        co_await open(in.rig.log(0), in.ledger, in.listener);
        co_await live(in.rig.log(0), in.ledger, std::move(steps), flag);
    };
    std::uint64_t seen = run.rig.disk().changes();
    if (what.empty()) {
        run.rig.start(0, [&] { return whole(run, what, ended); });
    } else {
        run.rig.run(0, [&] { return open(run.rig.log(0), run.ledger, run.listener); });
        seen = run.rig.disk().changes();
        run.rig.start(0, [&] { return live(run.rig.log(0), run.ledger, what, ended); });
    }
    while (copies.failed() == 0) {
        run.rig.world()->run_until([&] { return ended || run.rig.disk().changes() != seen; }, runtime::seconds(60));
        if (ended) break;
        seen = run.rig.disk().changes();
        ++counts.moments;
        copies.run([&] { return every_crash_now(run, counts); });
        copies.wait();
    }
    EXPECT_EQ(copies.failed(), 0U);
    return !testing::Test::HasFailure();
}

TEST(embedded_log_histories, every_crash_of_every_short_history) {
    const char* const asked = std::getenv("WEIR_LOG_HISTORY_RECORDS");
    const std::size_t records_max = asked != nullptr ? std::strtoul(asked, nullptr, 10) : 2;
    const shared_value<tally> counts;
    std::size_t total = 0;
    child_processes copies(2, 3600);
    for (std::size_t records = 0; records <= records_max; ++records) {
        for (const history& what : histories(records)) {
            ++total;
            copies.run([&] { return every_moment_of(what, *counts); });
            ASSERT_EQ(copies.failed(), 0U);
        }
    }
    EXPECT_EQ(copies.wait(), 0U);
    std::printf("%zu histories of up to %zu records, %llu moments, %llu crashes\n", total, records_max,
                static_cast<unsigned long long>(counts->moments), static_cast<unsigned long long>(counts->crashes));
    EXPECT_GT(counts->crashes, 1000U);
}

}  // namespace
}  // namespace tests
