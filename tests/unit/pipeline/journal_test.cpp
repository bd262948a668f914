// How a task waits for the commit of a record, on a log that commits when the test says so.
#include "pipeline/journal.hpp"

#include <gtest/gtest.h>

#include <string>

#include "runtime/spawn.hpp"
#include "tests/support/two_shards.hpp"
#include "tests/unit/storage/memory_log.hpp"

namespace pipeline {
namespace {

using runtime::task;
using storage::log_errc;

constexpr runtime::partition_id here{0};

struct open_journal {
    explicit open_journal(runtime::shard& home) : journal(home, log, 0), waits(home) {
        journal.opened({here, 0, 1});
        for (int i = 0; i < 3; ++i) EXPECT_TRUE(journal.append(storage::record_header(), "x").has_value());
    }
    void wait_for(storage::offset at, bool patient, std::string& answer) {
        runtime::spawn(waits, runtime::shard::here(), wait(this, at, patient, &answer));
    }

    tests::memory_log log;
    pipeline::journal journal;
    runtime::gate waits;

  private:
    static task<void> wait(open_journal* self, storage::offset at, bool patient, std::string* answer) {
        runtime::result<void> came;
        if (patient) {
            came = co_await self->journal.durable_patiently(here, at);
        } else {
            came = co_await self->journal.durable(here, at);
        }
        *answer = came ? "durable" : came.error().message();
    }
};

std::string text_of(log_errc why) { return storage::make_error_code(why).message(); }

task<void> some_turns() {
    for (int i = 0; i < 10; ++i) co_await runtime::yield();
}

task<void> waits_end_with_the_commit() {
    open_journal j(runtime::shard::here());
    std::string first;
    std::string second;
    j.wait_for(2, false, second);
    j.wait_for(1, true, first);
    co_await some_turns();
    EXPECT_EQ(first + second, "");
    j.journal.committed(here, 1);
    EXPECT_EQ(first, "") << "nobody is resumed from inside";
    co_await some_turns();
    EXPECT_EQ(first, "durable");
    EXPECT_EQ(second, "");
    j.journal.committed(here, 3);
    co_await j.waits.close();
    EXPECT_EQ(second, "durable");
}

// A loop around waits that are over before they begin does not nest.
task<void> what_is_durable_is_not_waited_for() {
    open_journal j(runtime::shard::here());
    j.journal.committed(here, 1);
    for (int i = 0; i < 100'000; ++i) {
        const auto came = co_await j.journal.durable(here, 1);
        if (!came) ADD_FAILURE() << came.error().message();
    }
}

// The log says it for each partition.
task<void> a_failure_is_told_once() {
    open_journal j(runtime::shard::here());
    int told = 0;
    j.journal.on_failure([&told] { ++told; });
    for (std::uint16_t i = 0; i < 3; ++i) j.journal.failed({i}, log_errc::no_space);
    EXPECT_EQ(told, 1);
    j.journal.resumed();
    for (std::uint16_t i = 0; i < 3; ++i) j.journal.failed({i}, log_errc::write_failed);
    EXPECT_EQ(told, 2);
    co_return;
}

task<void> a_full_disk_ends_what_is_not_patient() {
    open_journal j(runtime::shard::here());
    std::string earlier;
    std::string later;
    std::string patient;
    std::string patient_later;
    j.wait_for(2, false, earlier);
    j.wait_for(2, true, patient);
    co_await some_turns();
    j.journal.failed(here, log_errc::no_space);
    j.wait_for(3, false, later);
    j.wait_for(3, true, patient_later);
    co_await some_turns();
    EXPECT_EQ(earlier, text_of(log_errc::no_space));
    EXPECT_EQ(later, text_of(log_errc::no_space));
    EXPECT_EQ(patient + patient_later, "");
    j.journal.resumed();
    j.journal.committed(here, 3);
    co_await j.waits.close();
    EXPECT_EQ(patient, "durable");
    EXPECT_EQ(patient_later, "durable");
}

task<void> a_failed_log_ends_all() {
    open_journal j(runtime::shard::here());
    j.journal.committed(here, 1);
    std::string earlier;
    std::string later;
    std::string known;
    j.wait_for(2, true, earlier);
    co_await some_turns();
    j.journal.failed(here, log_errc::write_failed);
    j.wait_for(2, true, later);
    j.wait_for(1, false, known);
    co_await j.waits.close();
    EXPECT_EQ(earlier, text_of(log_errc::write_failed));
    EXPECT_EQ(later, text_of(log_errc::write_failed));
    EXPECT_EQ(known, "durable") << "what is durable stays so";
}

TEST(journal, waits_end_with_the_commit) {
    tests::simulated_shards(1).run(0, [] { return waits_end_with_the_commit(); });
}
TEST(journal, what_is_durable_is_not_waited_for) {
    tests::machine_shards().run(0, [] { return what_is_durable_is_not_waited_for(); });
}
TEST(journal, a_full_disk_ends_what_is_not_patient) {
    tests::simulated_shards(1).run(0, [] { return a_full_disk_ends_what_is_not_patient(); });
}
TEST(journal, a_failure_is_told_once) {
    tests::simulated_shards(1).run(0, [] { return a_failure_is_told_once(); });
}
TEST(journal, a_failed_log_ends_all) {
    tests::simulated_shards(1).run(0, [] { return a_failed_log_ends_all(); });
}

}  // namespace
}  // namespace pipeline
