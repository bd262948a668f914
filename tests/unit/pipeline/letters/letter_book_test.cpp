#include "pipeline/letters/letter_book.hpp"

#include <gtest/gtest.h>

namespace pipeline::letters {
namespace {

letter numbered(std::uint64_t number) {
    letter out;
    out.number = number;
    out.what.body = "letter " + std::to_string(number);
    return out;
}

TEST(letter_book, numbers_are_dense_within_a_lane) {
    letter_book book;
    EXPECT_EQ(book.next_number({1}), 1U);
    EXPECT_TRUE(book.sent({1}, numbered(1), 10));
    EXPECT_EQ(book.next_number({1}), 2U);
    EXPECT_EQ(book.next_number({2}), 1U);
    EXPECT_TRUE(book.sent({2}, numbered(1), 11));
    EXPECT_EQ(book.undelivered().size(), 2U);
}

TEST(letter_book, what_is_delivered_no_longer_waits) {
    letter_book book;
    for (std::uint64_t n = 1; n <= 3; ++n) book.sent({1}, numbered(n), 10 + n);
    EXPECT_EQ(book.oldest_undelivered(), 11U);
    EXPECT_EQ(book.delivered({1}, 2), 2U);
    EXPECT_EQ(book.delivered({1}, 1), 0U) << "numbers only rise";
    EXPECT_EQ(book.delivered_through({1}), 2U);
    EXPECT_EQ(book.oldest_undelivered(), 13U);
    EXPECT_EQ(book.delivered({1}, 3), 1U);
    EXPECT_TRUE(book.undelivered().empty());
    EXPECT_EQ(book.oldest_undelivered(), std::nullopt);
    EXPECT_EQ(book.next_number({1}), 4U);
}

TEST(letter_book, one_number_remembers_all_keys_of_a_sender) {
    letter_book book;
    EXPECT_EQ(book.received_through({5}), 0U);
    book.received({5}, 1, 20);
    book.received({5}, 2, 21);
    book.received({5}, 1, 22);
    EXPECT_EQ(book.received_through({5}), 2U);
    EXPECT_EQ(book.received_at({5}), 21U);
    EXPECT_EQ(book.received_through({6}), 0U);
}

// The fold may begin anywhere before a record of all lanes.
TEST(letter_book, lanes_stand_for_the_records_before_them) {
    letter_book whole;
    for (std::uint64_t n = 1; n <= 5; ++n) whole.sent({1}, numbered(n), n);
    whole.delivered({1}, 3);
    whole.received({2}, 7, 9);
    const auto lanes = whole.lanes();
    for (std::uint64_t begin = 1; begin <= 4; ++begin) {
        letter_book later;
        for (std::uint64_t n = begin; n <= 5; ++n) later.sent({1}, numbered(n), n);
        EXPECT_EQ(later.assume(lanes), 4 - begin) << "what was delivered before";
        EXPECT_EQ(later.next_number({1}), 6U);
        EXPECT_EQ(later.delivered_through({1}), 3U);
        EXPECT_EQ(later.received_through({2}), 7U);
        ASSERT_EQ(later.undelivered().at({1}).size(), 2U);
        EXPECT_EQ(later.undelivered().at({1}).front().what.number, 4U);
    }
}

TEST(letter_records, come_back_as_they_were) {
    letter one = numbered(3);
    one.what.to = {0x1234};
    one.what.kind = letter_kind::lease_grant;
    one.what.entity = runtime::named_id("user", "default/local");
    one.what.step = 7;
    one.what.attempt = 2;
    const auto sent = decode_letter_sent(encode(one));
    ASSERT_TRUE(sent);
    EXPECT_EQ(sent->number, 3U);
    EXPECT_EQ(sent->what.to, one.what.to);
    EXPECT_EQ(sent->what.kind, one.what.kind);
    EXPECT_EQ(sent->what.entity, one.what.entity);
    EXPECT_EQ(sent->what.step, 7U);
    EXPECT_EQ(sent->what.attempt, 2U);
    EXPECT_EQ(sent->what.body, one.what.body);

    const auto received =
        decode_letter_received(encode(letter_received_record{{9}, one, {55}, {numbered(1), numbered(2)}}));
    ASSERT_TRUE(received);
    EXPECT_EQ(received->from, partition_id{9});
    EXPECT_EQ(received->what.what.body, one.what.body);
    EXPECT_EQ(received->at.microseconds_since_epoch, 55);
    ASSERT_EQ(received->answers.size(), 2U);
    EXPECT_EQ(received->answers[1].what.body, "letter 2");

    const auto delivered = decode_letters_delivered(encode(std::vector<delivered_lane>{{{1}, 5}, {{255}, 6}}));
    ASSERT_TRUE(delivered);
    ASSERT_EQ(delivered->size(), 2U);
    EXPECT_EQ((*delivered)[1].to, partition_id{255});
    EXPECT_EQ((*delivered)[1].through, 6U);
}

TEST(letter_records, what_cannot_be_read_is_nothing) {
    EXPECT_FALSE(decode_letter_sent("\xff\xff"));
    EXPECT_FALSE(decode_letter_sent("")) << "no letter has the number 0";
    EXPECT_FALSE(decode_letter_received("\x01"));
    letter bad = numbered(1);
    auto bytes = encode(bad);
    EXPECT_TRUE(decode_letter_sent(bytes));
    bytes.pop_back();
    EXPECT_FALSE(decode_letter_sent(bytes));
}

}  // namespace
}  // namespace pipeline::letters
