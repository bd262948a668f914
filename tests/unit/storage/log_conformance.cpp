#include "tests/unit/storage/log_conformance.hpp"

#include "runtime/timer.hpp"

namespace tests {

using runtime::task;
using storage::log_errc;
using storage::offset;
using storage::partition_id;

GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(log_conformance);

namespace {

task<void> open_now(storage::log& log, std::vector<partition_id> partitions, log_ledger& ledger,
                    ledger_listener& listener, boost::system::error_code& error) {
    for (const partition_id id : partitions) ledger.opening(id);
    auto replay = [&ledger](const storage::record_view& view) { return ledger.replayed(view); };
    const auto opened = co_await log.open(partitions, replay, listener);
    if (opened.has_error()) {
        error = opened.error();
        co_return;
    }
    EXPECT_EQ(opened->size(), partitions.size());
    for (const auto& where : *opened) ledger.opened(where);
}

}  // namespace

task<bool> wait_committed(storage::log& log, log_ledger& ledger, partition_id id, runtime::nanoseconds give_up) {
    const auto end = runtime::shard::here().time().steady() + give_up;
    while (ledger[id].committed < ledger[id].records.size()) {
        if (runtime::shard::here().time().steady() > end) co_return false;
        log.hurry();
        co_await runtime::sleep_for(runtime::microseconds(200));
    }
    co_return true;
}

task<void> append_and_wait(storage::log& log, log_ledger& ledger, partition_id id, std::string payload) {
    const auto stored = log.append(header_for(id), payload);
    EXPECT_TRUE(stored.has_value()) << stored.error().message();
    if (stored.has_error()) co_return;
    ledger.appended(*stored, payload);
    const bool durable = co_await wait_committed(log, ledger, id);
    EXPECT_TRUE(durable);
}

task<void> read_back(storage::log& log, log_ledger& ledger, partition_id id, offset from) {
    while (from <= ledger[id].committed) {
        const auto some = co_await log.read(id, from, 64 * 1024, 50);
        EXPECT_TRUE(some.has_value()) << some.error().message();
        if (some.has_error() || some->empty()) co_return;
        EXPECT_LE(some->size(), 50U);
        for (const storage::record& r : *some) {
            EXPECT_EQ(r.header.at, from++);
            ledger.check(r.header, r.payload);
        }
    }
    const auto none = co_await log.read(id, ledger[id].records.size() + 1, 1000, 10);
    EXPECT_TRUE(none.has_value() && none->empty());
}

ledger_listener& log_conformance::listener(std::size_t shard) {
    while (listeners_.size() <= shard) listeners_.push_back(std::make_unique<ledger_listener>(ledger_));
    return *listeners_[shard];
}

void log_conformance::begin(std::size_t shards) {
    listeners_.clear();
    for (std::size_t i = 0; i < shards; ++i) listener(i);
    ASSERT_EQ(rig_->begin_life(shards), "");
}

void log_conformance::end() {
    rig_->end_life();
    for (std::uint16_t p = 0; p < rig_->partitions(); ++p) ledger_[{p}].released_sure = ledger_[{p}].released;
}

bool log_conformance::open(std::size_t shard, std::vector<partition_id> partitions) {
    last_error_ = {};
    rig_->run(shard, [&] { return open_now(rig_->log(shard), partitions, ledger_, listener(shard), last_error_); });
    return !last_error_;
}

void log_conformance::open_all() {
    for (std::size_t s = 0; s < rig_->shards(); ++s) {
        std::vector<partition_id> mine;
        for (std::uint16_t p = 0; p < rig_->partitions(); ++p)
            if (owner({p}) == s) mine.push_back({p});
        ASSERT_TRUE(open(s, mine)) << last_error_.message();
    }
}

namespace {

task<void> write_many(storage::log& log, log_ledger& ledger, std::vector<partition_id> partitions, int count,
                      std::size_t bytes_max) {
    runtime::random_source& random = runtime::shard::here().random();
    for (int i = 0; i < count; ++i) {
        const partition_id id = partitions[random.below(partitions.size())];
        const std::string payload(random.below(bytes_max), static_cast<char>('a' + i % 26));
        auto stored = log.append(header_for(id), payload);
        while (stored.has_error() && stored.error() == log_errc::busy) {
            co_await runtime::sleep_for(runtime::milliseconds(1));
            stored = log.append(header_for(id), payload);
        }
        EXPECT_TRUE(stored.has_value()) << stored.error().message();
        if (stored.has_error()) co_return;
        ledger.appended(*stored, payload);
        if (random.below(5) == 0) log.hurry();
        if (random.below(5) == 0) co_await runtime::sleep_for(runtime::microseconds(random.below(500)));
    }
    for (const partition_id id : partitions) {
        const bool durable = co_await wait_committed(log, ledger, id);
        EXPECT_TRUE(durable);
    }
}

}  // namespace

TEST_P(log_conformance, appended_records_are_committed_read_back_and_replayed_in_order) {
    begin(1);
    open_all();
    std::vector<partition_id> some{{0}, {3}, {7}};
    rig_->run(0, [&] { return write_many(rig_->log(0), ledger_, some, 300, 6000); });
    for (const partition_id id : some) rig_->run(0, [&] { return read_back(rig_->log(0), ledger_, id, 1); });
    end();
    for (int life = 0; life < 2; ++life) {
        begin(1);
        open_all();
        for (const partition_id id : some) rig_->run(0, [&] { return read_back(rig_->log(0), ledger_, id, 1); });
        rig_->run(0, [&] { return write_many(rig_->log(0), ledger_, some, 20, 100); });
        end();
    }
}

TEST_P(log_conformance, an_empty_place_opens_empty_and_offsets_begin_at_one) {
    begin(1);
    ASSERT_TRUE(open(0, {{2}}));
    rig_->run(0, [&] { return append_and_wait(rig_->log(0), ledger_, {2}, ""); });
    EXPECT_EQ(ledger_[{2}].records.size(), 1U);
    rig_->run(0, [&] { return read_back(rig_->log(0), ledger_, {2}, 1); });
    end();
}

TEST_P(log_conformance, nothing_is_taken_for_a_partition_that_is_not_open) {
    begin(1);
    ASSERT_TRUE(open(0, {{1}}));
    auto body = [](auto& t) -> task<void> {
        const auto refused = t.rig_->log(0).append(header_for({2}), "x");
        EXPECT_TRUE(refused.has_error() && refused.error() == log_errc::not_open);
        const auto read = co_await t.rig_->log(0).read({2}, 1, 10, 10);
        EXPECT_TRUE(read.has_error() && read.error() == log_errc::not_open);
        const auto closed = co_await t.rig_->log(0).close({{1}});
        EXPECT_TRUE(closed.has_value());
        const auto after = t.rig_->log(0).append(header_for({1}), "x");
        EXPECT_TRUE(after.has_error() && after.error() == log_errc::not_open);
    };
    rig_->run(0, [&] { return body(*this); });
    end();
}

TEST_P(log_conformance, records_have_a_limit_and_the_largest_one_fits) {
    begin(1);
    ASSERT_TRUE(open(0, {{1}}));
    auto body = [](auto& t) -> task<void> {
        const std::string too_large(storage::record_bytes_max, 'x');
        const auto refused = t.rig_->log(0).append(header_for({1}), too_large);
        EXPECT_TRUE(refused.has_error() && refused.error() == log_errc::record_too_large);
        co_await append_and_wait(t.rig_->log(0), t.ledger_, {1}, "before");
        co_await append_and_wait(t.rig_->log(0), t.ledger_, {1}, std::string(storage::record_bytes_max - 104, 'y'));
        co_await append_and_wait(t.rig_->log(0), t.ledger_, {1}, "after");
        co_await read_back(t.rig_->log(0), t.ledger_, {1}, 1);
    };
    rig_->run(0, [&] { return body(*this); });
    end();
    begin(1);
    ASSERT_TRUE(open(0, {{1}}));
    rig_->run(0, [&] { return read_back(rig_->log(0), ledger_, {1}, 1); });
    end();
}

TEST_P(log_conformance, what_waits_in_memory_is_bounded) {
    begin(1);
    ASSERT_TRUE(open(0, {{1}}));
    auto body = [](auto& t) -> task<void> {
        const std::string payload(256 * 1024, 'x');
        bool busy = false;
        for (int i = 0; i < 100'000 && !busy; ++i) {
            const auto stored = t.rig_->log(0).append(header_for({1}), payload);
            if (stored.has_value()) {
                t.ledger_.appended(*stored, payload);
            } else {
                EXPECT_EQ(stored.error(), make_error_code(log_errc::busy));
                busy = true;
            }
        }
        EXPECT_TRUE(busy);
        const bool durable = co_await wait_committed(t.rig_->log(0), t.ledger_, {1});
        EXPECT_TRUE(durable);
        co_await append_and_wait(t.rig_->log(0), t.ledger_, {1}, "again");
    };
    rig_->run(0, [&] { return body(*this); });
    end();
}

TEST_P(log_conformance, a_batch_waits_a_millisecond_unless_somebody_hurries) {
    begin(1);
    ASSERT_TRUE(open(0, {{1}}));
    auto body = [](auto& t) -> task<void> {
        co_await append_and_wait(t.rig_->log(0), t.ledger_, {1}, "first");
        const runtime::clock& clock = runtime::shard::here().time();
        const auto begun = clock.steady();
        const auto stored = t.rig_->log(0).append(header_for({1}), "nobody waits");
        t.ledger_.appended(*stored, "nobody waits");
        while (t.ledger_[{1}].committed < 2) co_await runtime::sleep_for(runtime::microseconds(50));
        EXPECT_GE(clock.steady() - begun, runtime::milliseconds(1));
        if (t.rig_->world() == nullptr) co_return;  // nothing is said about how long a machine takes
        const auto hurried = clock.steady();
        const auto second = t.rig_->log(0).append(header_for({1}), "somebody waits");
        t.ledger_.appended(*second, "somebody waits");
        t.rig_->log(0).hurry();
        while (t.ledger_[{1}].committed < 3) co_await runtime::sleep_for(runtime::microseconds(5));
        EXPECT_LT(clock.steady() - hurried, runtime::milliseconds(1));
    };
    rig_->run(0, [&] { return body(*this); });
    end();
}

TEST_P(log_conformance, many_partitions_on_several_shards) {
    begin(3);
    open_all();
    for (std::size_t s = 0; s < 3; ++s) {
        std::vector<partition_id> mine;
        for (std::uint16_t p = 0; p < rig_->partitions(); ++p)
            if (owner({p}) == s) mine.push_back({p});
        rig_->run(s, [&] { return write_many(rig_->log(s), ledger_, mine, 200, 2000); });
    }
    end();
    begin(3);
    open_all();
    end();
}

TEST_P(log_conformance, every_start_may_have_another_number_of_shards) {
    for (const std::size_t shards : {2, 1, 3, 2, 4, 1}) {
        begin(shards);
        open_all();
        for (std::uint16_t p = 0; p < rig_->partitions(); ++p) {
            rig_->run(owner({p}), [&] { return write_many(rig_->log(owner({p})), ledger_, {{p}}, 3, 3000); });
            rig_->run(owner({p}), [&] { return read_back(rig_->log(owner({p})), ledger_, {p}, 1); });
        }
        end();
    }
}

TEST_P(log_conformance, a_partition_moves_by_closing_and_opening) {
    begin(2);
    const auto move = [this](std::uint16_t p, std::size_t from, std::size_t to) {
        if (from != to) {
            auto body = [](auto& t, std::size_t from, std::uint16_t p) -> task<void> {
                const auto closed = co_await t.rig_->log(from).close({{p}});
                EXPECT_TRUE(closed.has_value());
            };
            rig_->run(from, [&] { return body(*this, from, p); });
            ASSERT_TRUE(open(to, {{p}})) << last_error_.message();
        }
        rig_->run(to, [&] { return write_many(rig_->log(to), ledger_, {{p}}, 10, 5000); });
        rig_->run(to, [&] { return read_back(rig_->log(to), ledger_, {p}, 1); });
    };
    ASSERT_TRUE(open(0, {{1}}));
    ASSERT_TRUE(open(1, {{2}}));
    std::size_t one = 0;
    std::size_t two = 1;
    move(1, 0, 0);
    move(2, 1, 1);
    // They pass each other, so that no order of the logs' files suits both.
    for (int i = 0; i < 4; ++i) {
        move(1, one, 1 - one);
        one = 1 - one;
        move(2, two, 1 - two);
        two = 1 - two;
    }
    end();
    begin(1);
    ASSERT_TRUE(open(0, {{1}, {2}})) << last_error_.message();
    rig_->run(0, [&] { return read_back(rig_->log(0), ledger_, {1}, 1); });
    rig_->run(0, [&] { return read_back(rig_->log(0), ledger_, {2}, 1); });
    end();
}

TEST_P(log_conformance, released_records_are_gone_and_never_come_back) {
    begin(1);
    ASSERT_TRUE(open(0, {{1}, {2}}));
    rig_->run(0, [&] { return write_many(rig_->log(0), ledger_, {{1}, {2}}, 100, 3000); });
    auto body = [](auto& t) -> task<void> {
        auto& log = t.rig_->log(0);
        t.ledger_[{1}].released = t.ledger_[{1}].records.size() / 2;
        log.release({1}, t.ledger_[{1}].released);
        log.release({1}, 2);  // nothing new
        // All of it, so that a later life learns from elsewhere where the offsets go on.
        t.ledger_[{2}].released = t.ledger_[{2}].records.size() + 1;
        log.release({2}, t.ledger_[{2}].released);
        const auto gone = co_await log.read({1}, t.ledger_[{1}].released - 1, 1000, 1);
        EXPECT_TRUE(gone.has_error() && gone.error() == log_errc::not_found);
        co_await read_back(log, t.ledger_, {1}, t.ledger_[{1}].released);
    };
    rig_->run(0, [&] { return body(*this); });
    end();
    for (int life = 0; life < 3; ++life) {
        begin(1 + life % 2);
        open_all();
        for (const std::uint16_t p : {1, 2}) {
            const std::size_t s = owner({p});
            rig_->run(s, [&] { return read_back(rig_->log(s), ledger_, {p}, ledger_[{p}].released); });
            rig_->run(s, [&] { return append_and_wait(rig_->log(s), ledger_, {p}, "more"); });
        }
        end();
    }
}

TEST_P(log_conformance, releasing_bounds_what_is_stored) {
    begin(1);
    ASSERT_TRUE(open(0, {{1}}));
    std::uint64_t most = 0;
    for (int round = 0; round < 60; ++round) {
        rig_->run(0, [&] { return write_many(rig_->log(0), ledger_, {{1}}, 10, 60'000); });
        auto body = [](auto& t) -> task<void> {
            t.ledger_[{1}].released = t.ledger_[{1}].committed;
            t.rig_->log(0).release({1}, t.ledger_[{1}].committed);
            co_await runtime::sleep_for(runtime::milliseconds(20));
        };
        rig_->run(0, [&] { return body(*this); });
        most = std::max(most, rig_->stored_bytes());
    }
    // About 18 MiB were written; segments of 1 or 2 MiB come and go.
    EXPECT_LT(most, 12U << 20);
    end();
    begin(1);
    ASSERT_TRUE(open(0, {{1}}));
    rig_->run(0, [&] { return read_back(rig_->log(0), ledger_, {1}, ledger_[{1}].released); });
    end();
}

TEST_P(log_conformance, a_partition_that_nobody_opens_for_a_while_goes_on_where_it_stood) {
    begin(1);
    ASSERT_TRUE(open(0, {{1}, {2}, {3}}));
    rig_->run(0, [&] { return write_many(rig_->log(0), ledger_, {{1}, {2}, {3}}, 60, 3000); });
    // Nothing of partition 2 is left but where it stands; of partition 3 some.
    auto body = [](auto& t) -> task<void> {
        t.ledger_[{2}].released = t.ledger_[{2}].records.size() + 1;
        t.rig_->log(0).release({2}, t.ledger_[{2}].released);
        t.ledger_[{3}].released = t.ledger_[{3}].records.size() / 2;
        t.rig_->log(0).release({3}, t.ledger_[{3}].released);
        co_return;
    };
    rig_->run(0, [&] { return body(*this); });
    end();
    for (int life = 0; life < 3; ++life) {
        begin(1);
        ASSERT_TRUE(open(0, {{1}}));
        for (int round = 0; round < 10; ++round) {
            rig_->run(0, [&] { return write_many(rig_->log(0), ledger_, {{1}}, 10, 60'000); });
            auto more = [](auto& t) -> task<void> {
                t.ledger_[{1}].released = t.ledger_[{1}].committed;
                t.rig_->log(0).release({1}, t.ledger_[{1}].committed);
                co_await runtime::sleep_for(runtime::milliseconds(20));
            };
            rig_->run(0, [&] { return more(*this); });
        }
        end();
    }
    begin(2);
    ASSERT_TRUE(open(1, {{2}, {3}})) << last_error_.message();
    rig_->run(1, [&] { return append_and_wait(rig_->log(1), ledger_, {2}, "at last"); });
    rig_->run(1, [&] { return read_back(rig_->log(1), ledger_, {3}, ledger_[{3}].released); });
    end();
}

TEST_P(log_conformance, a_record_of_a_later_version_stops_the_opening) {
    begin(1);
    ASSERT_TRUE(open(0, {{1}}));
    rig_->run(0, [&] { return write_many(rig_->log(0), ledger_, {{1}}, 5, 100); });
    end();
    begin(1);
    auto body = [](auto& t) -> task<void> {
        int seen = 0;
        auto replay = [&seen](const storage::record_view&) { return ++seen < 3; };
        const auto refused = co_await t.rig_->log(0).open({{1}}, replay, t.listener(0));
        EXPECT_TRUE(refused.has_error() && refused.error() == log_errc::newer_format);
        EXPECT_EQ(seen, 3);
    };
    rig_->run(0, [&] { return body(*this); });
    // A reader that knows it may try again.
    ASSERT_TRUE(open(0, {{1}})) << last_error_.message();
    rig_->run(0, [&] { return append_and_wait(rig_->log(0), ledger_, {1}, "more"); });
    end();
}

TEST_P(log_conformance, a_failed_write_ends_all_acknowledgement_until_a_restart) {
    if (!rig_->has_disk_faults()) GTEST_SKIP() << "no disk to fail";
    begin(1);
    ASSERT_TRUE(open(0, {{1}, {2}}));
    rig_->run(0, [&] { return write_many(rig_->log(0), ledger_, {{1}, {2}}, 50, 3000); });
    auto body = [](auto& t) -> task<void> {
        auto& log = t.rig_->log(0);
        const offset committed = t.ledger_[{1}].committed;
        t.rig_->fail_writes(true);
        const auto stored = log.append(header_for({1}), "lost or not");
        t.ledger_.appended(*stored, "lost or not");
        log.hurry();
        while (t.listener(0).failures.size() < 2) co_await runtime::sleep_for(runtime::milliseconds(1));
        t.rig_->fail_writes(false);
        EXPECT_EQ(t.listener(0).failures[0].second, make_error_code(log_errc::write_failed));
        co_await runtime::sleep_for(runtime::seconds(1));
        EXPECT_EQ(t.ledger_[{1}].committed, committed);
        const auto refused = log.append(header_for({2}), "x");
        EXPECT_TRUE(refused.has_error() && refused.error() == log_errc::write_failed);
        co_await read_back(log, t.ledger_, {2}, 1);
    };
    rig_->run(0, [&] { return body(*this); });
    end();
    begin(2);
    open_all();
    rig_->run(1, [&] { return append_and_wait(rig_->log(1), ledger_, {1}, "goes on"); });
    end();
}

TEST_P(log_conformance, a_full_disk_heals_by_itself) {
    if (!rig_->has_disk_faults()) GTEST_SKIP() << "no disk to fill";
    begin(1);
    ASSERT_TRUE(open(0, {{1}}));
    auto body = [](auto& t) -> task<void> {
        auto& log = t.rig_->log(0);
        for (int round = 0; round < 3; ++round) {
            const auto failures = t.listener(0).failures.size();
            t.rig_->set_full(true);
            const std::string payload(100'000, 'f');
            while (t.listener(0).failures.size() == failures) {
                const auto stored = log.append(header_for({1}), payload);
                EXPECT_TRUE(stored.has_value() || stored.error() == log_errc::busy);
                if (stored.has_value()) t.ledger_.appended(*stored, payload);
                log.hurry();
                co_await runtime::sleep_for(runtime::milliseconds(1));
            }
            EXPECT_EQ(t.listener(0).failures.back().second, make_error_code(log_errc::no_space));
            const auto refused = log.append(header_for({1}), "x");
            EXPECT_TRUE(refused.has_error() && refused.error() == log_errc::no_space);
            co_await read_back(log, t.ledger_, {1}, 1);
            const auto resumed = t.listener(0).resumes;
            t.rig_->set_full(false);
            const bool durable = co_await wait_committed(log, t.ledger_, {1}, runtime::seconds(5));
            EXPECT_TRUE(durable) << "what had been taken is written when there is room";
            EXPECT_EQ(t.listener(0).resumes, resumed + 1);
            co_await append_and_wait(log, t.ledger_, {1}, "on");
        }
    };
    rig_->run(0, [&] { return body(*this); });
    end();
    begin(1);
    open_all();
    end();
}

}  // namespace tests
