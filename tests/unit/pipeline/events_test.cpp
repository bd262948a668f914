#include <gtest/gtest.h>

#include "tests/unit/pipeline/samples.hpp"

namespace pipeline {
namespace {

storage::record_header header(record_type type, std::uint32_t first, std::uint16_t count) {
    storage::record_header out;
    out.type = static_cast<std::uint16_t>(type);
    out.first_event = first;
    out.event_count = count;
    out.attempt = 1;
    out.time = {99};
    return out;
}

TEST(events, an_accepted_record_holds_three_in_order) {
    const auto payload = encode(samples::accepted());
    const auto events = events_of({header(record_type::accepted, 1, 3), payload});
    ASSERT_TRUE(events);
    ASSERT_EQ(events->size(), 3U);
    EXPECT_EQ((*events)[0]->type, event_type::execution_requested);
    EXPECT_EQ((*events)[1]->type, event_type::execution_accepted);
    EXPECT_EQ((*events)[2]->type, event_type::execution_queued);
    EXPECT_EQ((*events)[2]->number, 3U);
    EXPECT_EQ((*events)[0]->lang, "python");
}

TEST(events, after_an_attempt_the_next_one_queues_under_its_own_number) {
    const auto payload = encode(attempt_ended_record{samples::failed(), {0}});
    const auto events = events_of({header(record_type::attempt_ended, 6, 2), payload});
    ASSERT_TRUE(events);
    ASSERT_EQ(events->size(), 2U);
    EXPECT_EQ((*events)[0]->type, event_type::execution_attempt_ended);
    EXPECT_EQ((*events)[0]->attempt, 1U);
    EXPECT_EQ((*events)[1]->type, event_type::execution_queued);
    EXPECT_EQ((*events)[1]->attempt, 2U);
}

TEST(events, each_end_has_its_terminal_event) {
    const std::vector<std::pair<status, event_type>> ends = {{status::completed, event_type::execution_completed},
                                                             {status::failed, event_type::execution_failed},
                                                             {status::timeout, event_type::execution_timeout},
                                                             {status::cancelled, event_type::execution_cancelled}};
    for (const auto& [end, type] : ends) {
        auto verdict = samples::completed();
        verdict.status = end;
        const auto payload = encode(concluded_record{verdict, {}});
        const auto events = events_of({header(record_type::concluded, 6, 1), payload});
        ASSERT_TRUE(events);
        EXPECT_EQ(events->front()->type, type);
        EXPECT_TRUE(is_terminal(events->front()->type));
    }
    auto open = samples::completed();
    open.status = status::running;
    EXPECT_FALSE(events_of({header(record_type::concluded, 6, 1), encode(concluded_record{open, {}})}));
}

TEST(events, every_name_of_the_contract_reads_back) {
    for (int i = 0; i <= static_cast<int>(status::cancelled); ++i)
        EXPECT_EQ(parse_status(to_string(static_cast<status>(i))), static_cast<status>(i));
    for (int i = 0; i <= static_cast<int>(priority::background); ++i)
        EXPECT_EQ(parse_priority(to_string(static_cast<priority>(i))), static_cast<priority>(i));
    for (int i = 1; i <= static_cast<int>(error_type::cancelled); ++i)
        EXPECT_EQ(parse_error_type(to_string(static_cast<error_type>(i))), static_cast<error_type>(i));
    EXPECT_FALSE(parse_error_type(""));
    EXPECT_FALSE(parse_status("Queued"));
}

}  // namespace
}  // namespace pipeline
