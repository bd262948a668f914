// What the archive gets is read from the log where it is no longer in memory: side by side, within a bound.
#include "stages/result/hand_over.hpp"

#include <gtest/gtest.h>

#include "runtime/spawn.hpp"
#include "tests/unit/pipeline/memory_shard.hpp"
#include "tests/unit/pipeline/samples.hpp"

namespace stages::result {
namespace {

using pipeline::execution;
using runtime::task;

constexpr runtime::partition_id only{0};

// Executions that have ended, nothing of which is in memory, as after a start.
struct ended_executions : pipeline::memory_shard {
    ended_executions() : memory_shard(0, 100) { state.journal.opened({only, 0, 1}); }

    void add(std::size_t outputs, const std::string& text, std::vector<std::string> artifacts = {}) {
        pipeline::script_request request;
        request.lang = "python";
        request.script = "print(1)";
        auto accepted = state.transitions.accept({}, std::move(request), ids.next({0}), {});
        ASSERT_TRUE(accepted.has_value());
        runtime::spawn(gate, home, run(*this, *accepted, outputs, text, std::move(artifacts)));
        while (gate.count() > 0) {
            go_on();
            log.commit();
            state.journal.committed(only, log.records(only).size());
        }
        (*accepted)->shrink_window(log.records(only).size(), 0);
        all.push_back(*accepted);
    }
    // All of them. How many were read at the same time, at most.
    std::size_t most_read_at_once() {
        hand_over handing(state, limits);
        for (const auto& e : all) handing.add(e);
        handing.start();
        go_on();
        runtime::spawn(gate, home, handing.stop());
        go_on();
        EXPECT_EQ(gate.count(), 0U);
        EXPECT_EQ(documents.documents(), all.size());
        return log.most_reads_at_once;
    }

    // From the start of it until the archive has them all; `and_stop`: if nothing more is to come.
    runtime::nanoseconds time_to_hand_over(bool and_stop = false) {
        hand_over handing(state, limits);
        handing.start();
        for (const auto& e : all) handing.add(e);
        const auto began = home.time().steady();
        if (and_stop) runtime::spawn(gate, home, stop_soon(handing));
        EXPECT_TRUE(world.run_until([this] { return documents.documents() == all.size(); }, runtime::seconds(10)));
        const auto took = home.time().steady() - began;
        if (!and_stop) runtime::spawn(gate, home, handing.stop());
        go_on();
        return took;
    }
    std::uint64_t reached(const char* limit) { return home.metrics().declare_limit(limit).value(); }

    hand_over_limits limits;

  private:
    static task<void> stop_soon(hand_over& handing) {
        co_await runtime::sleep_for(runtime::milliseconds(1), {});
        co_await handing.stop();
    }
    static task<void> run(ended_executions& self, std::shared_ptr<execution> e, std::size_t outputs, std::string text,
                          std::vector<std::string> artifacts) {
        auto& to = self.state.transitions;
        EXPECT_TRUE(co_await to.schedule(e));
        EXPECT_TRUE(co_await to.start(e));
        for (std::size_t i = 0; i < outputs; ++i)
            EXPECT_TRUE(co_await to.output(e, {pipeline::stream::standard_output, i * text.size(), true, text}));
        auto verdict = pipeline::samples::completed();
        for (std::size_t i = 0; i < artifacts.size(); ++i)
            verdict.artifacts.emplace_back().path = "out" + std::to_string(i);
        EXPECT_TRUE(co_await to.conclude(e, std::move(verdict), std::move(artifacts)));
    }
    void go_on() {
        while (world.step()) {
        }
    }

    runtime::id_generator ids{home.time(), home.random()};
    std::vector<std::shared_ptr<execution>> all;
    runtime::gate gate{home};
};

TEST(hand_over, small_documents_are_read_side_by_side) {
    ended_executions ended;
    for (int i = 0; i < 100; ++i) ended.add(1, "text");
    EXPECT_EQ(ended.most_read_at_once(), ended.limits.reads_at_once);
}

// Together they would be many times what one call may carry.
TEST(hand_over, large_documents_are_read_one_at_a_time) {
    ended_executions ended;
    for (int i = 0; i < 3; ++i) ended.add(200, std::string(50'000, 'x'));
    EXPECT_EQ(ended.most_read_at_once(), 1U);
}

// Nobody knows how small its records are before they have been read.
TEST(hand_over, one_of_many_records_makes_others_wait_only_while_it_is_read) {
    ended_executions ended;
    ended.add(200, "text");
    for (int i = 0; i < 99; ++i) ended.add(1, "text");
    EXPECT_EQ(ended.most_read_at_once(), ended.limits.reads_at_once);
}

TEST(hand_over, large_artefacts_are_read_one_at_a_time) {
    ended_executions ended;
    for (int i = 0; i < 3; ++i) ended.add(0, "", {std::string(10'000'000, 'x')});
    EXPECT_EQ(ended.most_read_at_once(), 1U);
}

TEST(hand_over, as_many_are_read_as_one_call_carries) {
    ended_executions ended;
    for (int i = 0; i < 10; ++i) ended.add(0, "", {std::string(3'000'000, 'x')});
    EXPECT_EQ(ended.most_read_at_once(), 3U);
}

// A call costs more than a document, and nobody waits for it.
TEST(hand_over, few_are_gathered_for_a_time) {
    ended_executions ended;
    for (int i = 0; i < 5; ++i) ended.add(1, "text");
    const auto took = ended.time_to_hand_over();
    EXPECT_GE(took, ended.limits.gather_max);
    EXPECT_LE(took, ended.limits.gather_max + runtime::milliseconds(5));
    EXPECT_EQ(ended.reached("archive.gather_documents_max"), 0U);
}

TEST(hand_over, many_do_not_wait) {
    ended_executions ended;
    for (std::size_t i = 0; i < ended.limits.gather_documents_max; ++i) ended.add(1, "text");
    EXPECT_LT(ended.time_to_hand_over(), ended.limits.gather_max / 2);
    EXPECT_EQ(ended.reached("archive.gather_documents_max"), 1U);
}

TEST(hand_over, nothing_is_gathered_any_more_at_the_end) {
    ended_executions ended;
    ended.add(1, "text");
    EXPECT_LT(ended.time_to_hand_over(true), ended.limits.gather_max / 2);
}

}  // namespace
}  // namespace stages::result
