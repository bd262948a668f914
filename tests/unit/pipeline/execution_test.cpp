#include "pipeline/execution.hpp"

#include <gtest/gtest.h>

#include "tests/unit/pipeline/samples.hpp"

namespace pipeline {
namespace {

using samples::feed;

TEST(execution, lives_from_accepted_to_completed) {
    feed f;
    ASSERT_TRUE(f.accept());
    EXPECT_EQ(f.e->status, status::queued);
    EXPECT_EQ(f.e->last_event, 3U);
    ASSERT_TRUE(f.apply(record_type::scheduled, 1));
    EXPECT_EQ(f.e->status, status::scheduled);
    ASSERT_TRUE(f.apply(record_type::started, 1));
    EXPECT_EQ(f.e->status, status::running);
    EXPECT_TRUE(f.e->started_at.has_value());
    ASSERT_TRUE(f.apply(record_type::output, 1, encode(output_record{})));
    ASSERT_TRUE(f.apply(record_type::concluded, 1, encode(concluded_record{samples::completed(), {}})));
    EXPECT_TRUE(f.e->is_ended());
    EXPECT_EQ(f.e->last_event, 7U);
    EXPECT_EQ(f.e->places.size(), 5U);
}

TEST(execution, fits_its_allocation) {
    // With the counts of std::make_shared it is 640 bytes, a size that allocators have; one more costs 128 in a queue
    // of a million.
    EXPECT_LE(sizeof(execution), 640U - 16);
}

TEST(execution, attempt_rises_only_when_one_has_ended) {
    feed f;
    ASSERT_TRUE(f.accept());
    const std::string ended = encode(attempt_ended_record{samples::failed(), {42}});
    EXPECT_FALSE(f.apply(record_type::attempt_ended, 2, ended)) << "nothing was started";
    ASSERT_TRUE(f.apply(record_type::scheduled, 1));
    ASSERT_TRUE(f.apply(record_type::attempt_ended, 2, ended));
    EXPECT_EQ(f.e->attempt, 2U);
    EXPECT_EQ(f.e->status, status::queued);
    EXPECT_EQ(f.e->not_before.microseconds_since_epoch, 42);
    ASSERT_TRUE(f.apply(record_type::scheduled, 1));
    EXPECT_FALSE(f.apply(record_type::scheduled, 1)) << "an attempt is scheduled once";
}

TEST(execution, terminal_is_final) {
    feed f;
    ASSERT_TRUE(f.accept());
    ASSERT_TRUE(f.apply(record_type::cancellation_requested, 1));
    EXPECT_FALSE(f.apply(record_type::cancellation_requested, 1));
    verdict_view cancelled;
    cancelled.status = status::cancelled;
    cancelled.error_type = error_type::cancelled;
    ASSERT_TRUE(f.apply(record_type::concluded, 1, encode(concluded_record{cancelled, {}})));
    for (const auto type : {record_type::scheduled, record_type::started, record_type::output,
                            record_type::cancellation_requested, record_type::concluded})
        EXPECT_FALSE(f.apply(type, 1, encode(concluded_record{samples::completed(), {}})));
    EXPECT_EQ(f.e->status, status::cancelled);
}

TEST(execution, event_numbers_have_no_gap) {
    feed f;
    ASSERT_TRUE(f.accept());
    auto header = f.header(record_type::scheduled, 1);
    ++header.first_event;
    EXPECT_FALSE(f.e->apply({header, {}}, true));
    header.first_event -= 2;
    EXPECT_FALSE(f.e->apply({header, {}}, true));
}

TEST(execution, window_lets_go_of_what_is_durable_only) {
    feed f;
    ASSERT_TRUE(f.accept());
    ASSERT_TRUE(f.apply(record_type::scheduled, 1));
    ASSERT_TRUE(f.apply(record_type::started, 1));
    for (int i = 0; i < 10; ++i)
        ASSERT_TRUE(f.apply(record_type::output, 1,
                            encode(output_record{stream::standard_output, 0, true, std::string(1000, 'x')})));
    f.e->shrink_window(0, 100);
    EXPECT_TRUE(f.e->places.front().kept) << "nothing is durable";
    f.e->shrink_window(f.e->places[6].at, 100);
    EXPECT_FALSE(f.e->places[6].kept);
    EXPECT_TRUE(f.e->places[7].kept);
    f.e->shrink_window(f.e->last_offset, 2500);
    EXPECT_LE(f.e->window_bytes, 2500U);
    EXPECT_TRUE(f.e->places.back().kept);
}

}  // namespace
}  // namespace pipeline
