#include "tests/checkers/promises.hpp"

#include <gtest/gtest.h>

#include <sstream>

#include "tests/checkers/ledger.hpp"

namespace {

using runtime::execution_id;
using tests::promises;
using tests::sighting;

execution_id some_id(int number) {
    const std::string digit(1, static_cast<char>('0' + number));
    return *execution_id::parse("01932c07-209c-7000-8000-00000000000" + digit);
}

// A whole life: five events and its end.
std::vector<sighting> whole_life() {
    return {{1, 1, "execution_requested", "a"}, {2, 1, "execution_accepted", "b"}, {3, 1, "execution_queued", "c"},
            {4, 1, "execution_scheduled", "d"}, {5, 1, "execution_started", "e"},  {6, 1, "execution_completed", "f"}};
}

void deliver(promises& to, execution_id id, const std::vector<sighting>& events, std::uint32_t after = 0) {
    for (const auto& one : events) to.delivered(id, after++, one);
}

void expect_broken(const promises& seen, std::string_view beginning) {
    ASSERT_EQ(seen.all_broken().size(), 1U) << (seen.all_broken().empty() ? "" : seen.all_broken().back());
    EXPECT_TRUE(seen.all_broken()[0].starts_with(beginning)) << seen.all_broken()[0];
}

TEST(promises, nothing_is_broken_by_a_whole_life) {
    promises seen;
    seen.acknowledged(some_id(1), "key");
    seen.acknowledged(some_id(1), "key");
    deliver(seen, some_id(1), whole_life());
    deliver(seen, some_id(1), whole_life());
    seen.shown(some_id(1), 6, 6);
    seen.ended(some_id(1), "completed");
    seen.not_found(some_id(2), "the list");
    seen.at_rest();
    EXPECT_TRUE(seen.all_broken().empty()) << seen.all_broken()[0];
    EXPECT_EQ(seen.last_seen(some_id(1)), 6U);
}

TEST(promises, a_lost_execution_is_found) {
    promises seen;
    seen.acknowledged(some_id(1), "");
    seen.at_rest();
    expect_broken(seen, "P1, P4");
    promises other;
    other.acknowledged(some_id(1), "");
    other.not_found(some_id(1), "the list");
    expect_broken(other, "P1");
}

TEST(promises, a_key_that_leads_elsewhere_is_found) {
    promises seen;
    seen.acknowledged(some_id(1), "key");
    seen.acknowledged(some_id(2), "key");
    expect_broken(seen, "P2: key");
}

TEST(promises, an_attempt_that_starts_twice_is_found) {
    promises programs;
    programs.program_started(some_id(1), 2);
    programs.program_started(some_id(1), 2);
    expect_broken(programs, "P2: attempt 2");
    promises events;
    auto life = whole_life();
    life.insert(life.begin() + 5, {6, 1, "execution_started", "g"});
    life.back().number = 7;
    deliver(events, some_id(1), life);
    expect_broken(events, "P2: event 6");
}

TEST(promises, a_gap_is_found) {
    promises seen;
    seen.delivered(some_id(1), 3, {5, 1, "execution_started", "e"});
    expect_broken(seen, "P3");
}

TEST(promises, an_event_that_changes_is_found) {
    promises seen;
    seen.delivered(some_id(1), 0, {1, 1, "execution_requested", "a"});
    seen.delivered(some_id(1), 0, {1, 1, "execution_requested", "b"});
    expect_broken(seen, "P3: event 1");
}

TEST(promises, a_wrong_beginning_is_found) {
    promises seen;
    seen.delivered(some_id(1), 1, {2, 1, "execution_queued", "a"});
    expect_broken(seen, "P3: event 2");
}

TEST(promises, an_attempt_out_of_its_order_is_found) {
    promises back;
    back.delivered(some_id(1), 7, {8, 2, "execution_output", "a"});
    back.delivered(some_id(1), 8, {9, 1, "execution_output", "b"});
    expect_broken(back, "P3: event 9");
    promises same;
    same.delivered(some_id(1), 7, {8, 1, "execution_attempt_ended", "a"});
    same.delivered(some_id(1), 8, {9, 1, "execution_queued", "b"});
    expect_broken(same, "P3: event 9");
}

TEST(promises, two_ends_are_found) {
    promises events;
    deliver(events, some_id(1), whole_life());
    events.ended(some_id(1), "failed");
    expect_broken(events, "P2");
    promises behind;
    deliver(behind, some_id(1), whole_life());
    behind.delivered(some_id(1), 6, {7, 1, "execution_output", "a"});
    expect_broken(behind, "P3");
}

TEST(promises, fewer_events_than_were_shown_are_found) {
    promises seen;
    seen.shown(some_id(1), 0, 5);
    seen.shown(some_id(1), seen.most_shown(some_id(1)), 4);
    expect_broken(seen, "P3");
}

TEST(promises, a_lost_cancellation_is_found) {
    promises seen;
    seen.acknowledged(some_id(1), "");
    seen.cancellation_acknowledged(some_id(1));
    deliver(seen, some_id(1), whole_life());
    seen.at_rest();
    expect_broken(seen, "P1: the acknowledged cancellation");
}

TEST(ledger, is_told_line_by_line) {
    const std::string id = some_id(1).to_string();
    std::stringstream in;
    in << R"({"what": "acknowledged", "id": ")" << id << R"(", "key": "k"})" << '\n'
       << R"({"what": "delivered", "id": ")" << id
       << R"(", "after": 2, "number": 4, "attempt": 1, "type": "execution_scheduled", "data": "\u0000"})" << '\n';
    promises seen;
    EXPECT_EQ(tests::read_ledger(in, seen), 2U);
    EXPECT_TRUE(seen.acknowledged().contains(some_id(1)));
    expect_broken(seen, "P3");
}

TEST(ledger, a_line_that_means_nothing_is_broken) {
    for (const auto* line : {"nonsense", "{}", R"({"what": "acknowledged"})", R"({"what": "shown", "id": "x"})",
                             R"({"what": "acknowledged", "id": "nobody"})"}) {
        std::stringstream in(line);
        promises seen;
        tests::read_ledger(in, seen);
        expect_broken(seen, "line 1");
    }
}

}  // namespace
