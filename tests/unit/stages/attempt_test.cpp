// What an attempt writes down, and what it waits for, on a log that commits when the test says so.
#include "stages/saga/attempt.hpp"

#include <gtest/gtest.h>

#include "runtime/spawn.hpp"
#include "tests/unit/pipeline/memory_shard.hpp"

namespace stages::saga {
namespace {

using pipeline::record_type;
using runtime::task;
using worker::output_stream;

constexpr runtime::partition_id only{0};

// A program that prints these one after the other, each as soon as the one before has been taken.
class printing_worker final : public worker::worker {
  public:
    explicit printing_worker(std::vector<std::string> texts) : texts_(std::move(texts)) {}

    task<stages::worker::verdict> run(stages::worker::launch_request request, stages::worker::observer& watch,
                                      std::stop_token) override {
        unfollowed = request.unfollowed;
        co_await watch.started();
        for (auto& text : texts_) {
            co_await watch.output(output_stream::standard_output, std::move(text));
            ++taken;
        }
        stages::worker::verdict out;
        out.ended_by = stages::worker::cause::exited;
        out.exit_code = 0;
        co_return out;
    }

    int taken = 0;
    bool unfollowed = false;

  private:
    std::vector<std::string> texts_;
};

struct one_attempt : pipeline::memory_shard {
    explicit one_attempt(std::vector<std::string> texts) : memory_shard(0, 100), worker(std::move(texts)) {
        state.journal.opened({only, 0, 1});
        pipeline::script_request request;
        request.lang = "python";
        request.script = "print(1)";
        const auto id = runtime::id_generator(home.time(), home.random()).next({0});
        auto accepted = state.transitions.accept({}, std::move(request), id, {});
        EXPECT_TRUE(accepted.has_value());
        e = *accepted;
        runtime::spawn(gate, home, run(*this));
    }
    ~one_attempt() {
        for (int i = 0; i < 10 && gate.count() > 0; ++i) commit();
        EXPECT_EQ(gate.count(), 0U) << "it waits for something else than the disk";
    }

    void commit() {
        log.commit();
        state.journal.committed(only, log.records(only).size());
        go_on();
    }
    // Its intention is durable.
    void begin() {
        go_on();
        commit();
    }
    void go_on() {
        while (world.step()) {
        }
    }
    [[nodiscard]] std::size_t records_of(record_type type) {
        std::size_t count = 0;
        for (const auto& one : log.records(only)) count += one.header.type == static_cast<std::uint16_t>(type);
        return count;
    }
    static task<void> run(one_attempt& self) {
        self.came = co_await run_attempt(self.state, self.worker, self.e);
        self.over = true;
    }

    printing_worker worker;
    std::shared_ptr<pipeline::execution> e;
    runtime::result<attempt_outcome> came = attempt_outcome();
    bool over = false;
    runtime::gate gate{home};
};

TEST(attempt, nothing_runs_before_its_intention_is_durable) {
    one_attempt attempt({});
    attempt.go_on();
    EXPECT_EQ(attempt.records_of(record_type::scheduled), 1U);
    EXPECT_EQ(attempt.records_of(record_type::started), 0U);
    attempt.commit();
    EXPECT_EQ(attempt.records_of(record_type::started), 1U);
}

// Else its output could be told late to somebody who reads it.
TEST(attempt, a_program_is_unfollowed_where_somebody_waits_for_its_end_alone) {
    const auto wait = [](std::shared_ptr<pipeline::execution> e) -> task<void> { co_await e->changed.wait(); };
    const auto is_unfollowed = [&](bool waits, std::uint32_t followers) {
        one_attempt attempt({});
        attempt.go_on();
        if (waits) runtime::spawn(attempt.gate, attempt.home, wait(attempt.e));
        attempt.e->followers = followers;
        attempt.begin();
        attempt.e->changed.notify_all();
        return attempt.worker.unfollowed;
    };
    EXPECT_TRUE(is_unfollowed(true, 0));
    EXPECT_FALSE(is_unfollowed(true, 1));
    EXPECT_FALSE(is_unfollowed(false, 0)) << "it may be asked for at any moment, by its id";
}

TEST(attempt, the_last_output_is_written_together_with_the_end) {
    one_attempt attempt({"one"});
    attempt.begin();
    EXPECT_TRUE(attempt.over) << "it waited for a disk that nothing else needs yet";
    EXPECT_EQ(attempt.records_of(record_type::output), 1U);
}

// So a program that prints faster than the disk writes makes large pieces, not many.
TEST(attempt, further_output_waits_until_what_was_before_is_durable) {
    one_attempt attempt({"one", "two", "three"});
    attempt.begin();
    EXPECT_EQ(attempt.worker.taken, 1);
    EXPECT_EQ(attempt.records_of(record_type::output), 2U);
    EXPECT_FALSE(attempt.over);
    attempt.commit();
    EXPECT_EQ(attempt.worker.taken, 3);
    EXPECT_EQ(attempt.records_of(record_type::output), 3U);
    EXPECT_TRUE(attempt.over);
}

TEST(attempt, output_waits_through_a_full_disk) {
    one_attempt attempt({"one", "two", "three"});
    attempt.begin();
    attempt.state.journal.failed(only, storage::make_error_code(storage::log_errc::no_space));
    attempt.go_on();
    EXPECT_EQ(attempt.worker.taken, 1);
    attempt.state.journal.resumed();
    attempt.commit();
    EXPECT_TRUE(attempt.over && attempt.came);
    EXPECT_EQ(attempt.records_of(record_type::output), 3U);
}

TEST(attempt, a_log_that_fails_under_output_fails_the_attempt) {
    one_attempt attempt({"one", "two", "three"});
    attempt.begin();
    attempt.state.journal.failed(only, storage::make_error_code(storage::log_errc::write_failed));
    attempt.go_on();
    EXPECT_TRUE(attempt.over);
    EXPECT_FALSE(attempt.came);
    EXPECT_EQ(attempt.records_of(record_type::output), 2U);
}

}  // namespace
}  // namespace stages::saga
