// The part of the conformance suite that kills: at random moments, also during recovery, and on another number of
// shards each time. What a log said is committed is there afterwards; what it shows was appended there.
#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "runtime/timer.hpp"
#include "tests/unit/storage/log_conformance.hpp"

namespace tests {

using runtime::task;
using storage::log_errc;
using storage::offset;
using storage::partition_id;

GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(log_crash_conformance);

namespace {

// One shard's workload in one life.
struct workload {
    log_rig& rig;
    log_ledger& ledger;
    ledger_listener& listener;
    std::size_t shard;
    std::vector<partition_id> partitions;
    std::size_t bytes_max;
    int life;
    bool& opened;
    bool& refused;
    std::uint64_t& appended;

    storage::log& log() { return rig.log(shard); }
};

std::string payload_of(runtime::random_source& random, const workload& w, offset at) {
    // Says where it belongs, so that a record from elsewhere is seen.
    std::string out = "life " + std::to_string(w.life) + " offset " + std::to_string(at) + " ";
    out.append(random.below(w.bytes_max), static_cast<char>('a' + at % 26));
    return out;
}

task<void> open_mine(workload& w) {
    for (const partition_id id : w.partitions) w.ledger.opening(id);
    auto replay = [&w](const storage::record_view& view) { return w.ledger.replayed(view); };
    while (true) {
        const auto opened = co_await w.log().open(w.partitions, replay, w.listener);
        if (opened.has_value()) {
            for (const auto& where : *opened) w.ledger.opened(where);
            w.opened = true;
            co_return;
        }
        if (!w.rig.may_close_by_itself()) {
            ADD_FAILURE() << "open: " << opened.error().message();
            w.refused = true;
            co_return;
        }
        for (const partition_id id : w.partitions) w.ledger.opening(id);
        co_await runtime::sleep_for(runtime::milliseconds(5));
    }
}

// A partition that closed under us is opened again; what was in flight is there or not.
task<void> reopen(workload& w, partition_id id) {
    auto replay = [&w](const storage::record_view& view) { return w.ledger.replayed(view); };
    while (true) {
        w.ledger.opening(id);
        const auto opened = co_await w.log().open({id}, replay, w.listener);
        if (opened.has_value()) {
            for (const auto& where : *opened) w.ledger.opened(where);
            co_return;
        }
        co_await runtime::sleep_for(runtime::milliseconds(5));
    }
}

task<void> act(workload& w, runtime::random_source& random) {
    const partition_id id = w.partitions[random.below(w.partitions.size())];
    auto& p = w.ledger[id];
    const auto dice = random.below(100);
    if (dice < 80) {
        for (std::uint64_t i = 0, n = 1 + random.below(4); i < n; ++i) {
            const std::string payload = payload_of(random, w, p.records.size() + 1);
            const auto stored = w.log().append(header_for(id), payload);
            if (stored.has_error()) break;
            w.ledger.appended(*stored, payload);
            ++w.appended;
        }
        if (random.below(2) == 0) w.log().hurry();
    } else if (dice < 90 && p.committed >= p.released) {
        const offset from = p.released + random.below(p.committed - p.released + 1);
        const auto some = co_await w.log().read(id, from, 10'000, 5);
        // Its partition may have closed, or been released, while it was on its way.
        if (some.has_value()) {
            for (const auto& r : *some) w.ledger.check(r.header, r.payload);
        } else if (!w.rig.may_close_by_itself()) {
            EXPECT_EQ(some.error(), make_error_code(log_errc::not_found));
        }
    } else if (p.committed >= p.released && dice < 97) {
        p.released += random.below(p.committed - p.released + 2);
        w.log().release(id, p.released);
    } else if (p.committed == p.records.size()) {
        const auto closed = co_await w.log().close({id});
        if (closed.has_error()) EXPECT_TRUE(w.rig.may_close_by_itself()) << closed.error().message();
        if (closed.has_value()) p.released_sure = p.released;
        co_await reopen(w, id);
    }
    if (random.below(3) == 0) co_await runtime::sleep_for(runtime::microseconds(random.below(1500)));
    // Failures are found here, not in the listener: it must not wait.
    auto failures = std::exchange(w.listener.failures, {});
    for (const auto& [which, why] : failures) {
        EXPECT_TRUE(w.rig.may_close_by_itself()) << why.message();
        co_await reopen(w, which);
    }
}

task<void> work(workload w) {
    co_await open_mine(w);
    if (!w.opened) co_return;
    runtime::random_source random = runtime::shard::here().random().split();
    while (true) {
        co_await act(w, random);
        co_await runtime::sleep_for(runtime::microseconds(random.below(300)));
    }
}

}  // namespace

TEST_P(log_crash_conformance, what_was_committed_survives_every_crash) {
    ASSERT_NE(rig_->world(), nullptr);
    runtime::simulation::world& world = *rig_->world();
    runtime::random_source random = world.random().split();
    std::uint64_t appended = 0;
    const int lives = 3 + static_cast<int>(random.below(10));
    const std::size_t bytes_max = random.below(2) == 0 ? 300 : 30'000;
    for (int life = 1; life <= lives && !HasFailure(); ++life) {
        rig_->vary(random);
        begin(1 + random.below(3));
        if (HasFatalFailure()) return;
        bool refused = false;
        std::deque<bool> flags(rig_->shards(), false);
        for (std::size_t s = 0; s < rig_->shards(); ++s) {
            std::vector<partition_id> mine;
            for (std::uint16_t p = 0; p < rig_->partitions(); ++p)
                if (owner({p}) == s) mine.push_back({p});
            auto w = std::make_shared<workload>(
                workload{*rig_, ledger_, listener(s), s, mine, bytes_max, life, flags[s], refused, appended});
            rig_->start(s, [w] { return work(*w); });
        }
        const bool in_recovery = random.below(5) == 0;
        const auto all_open = [&] { return std::count(flags.begin(), flags.end(), true) == std::ssize(flags); };
        if (!in_recovery) ASSERT_TRUE(world.run_until([&] { return all_open() || refused; }, runtime::seconds(600)));
        bool over = false;
        world.after(runtime::nanoseconds(random.below(in_recovery ? 10'000'000 : 100'000'000)),
                    [&over] { over = true; });
        world.run_until([&] { return over; }, runtime::seconds(10));
        if (random.below(4) > 0) world.run_until([&] { return rig_->undecided(); }, runtime::milliseconds(20));
        rig_->crash();
    }
    // A last look, and an orderly end.
    begin(1);
    if (HasFatalFailure()) return;
    std::vector<partition_id> every;
    for (std::uint16_t p = 0; p < rig_->partitions(); ++p) every.push_back({p});
    while (!open(0, every)) ASSERT_TRUE(rig_->may_close_by_itself()) << last_error_.message();
    for (std::uint16_t p = 0; p < rig_->partitions(); ++p)
        rig_->run(0, [&] { return read_back(rig_->log(0), ledger_, {p}, ledger_[{p}].released); });
    rig_->end_life();
    EXPECT_GT(appended, 0U);
    if (HasFailure())
        std::printf("repeat with %s, seed %llu\n", GetParam().name.c_str(),
                    static_cast<unsigned long long>(GetParam().seed));
}

}  // namespace tests
