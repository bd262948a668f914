#include "pipeline/user_limit/account.hpp"

#include <gtest/gtest.h>

namespace pipeline::user_limit {
namespace {

constexpr partition_id a{0};
constexpr partition_id b{1};
constexpr partition_id c{2};
constexpr runtime::utc_time noon{1'800'000'000'000'000};

runtime::utc_time later(std::int64_t s) { return {noon.microseconds_since_epoch + s * 1'000'000}; }

// An account of ten, with letters of 600 s.
struct fixture {
    account_terms terms{10, runtime::seconds(600)};
    account mine;

    std::vector<account::reply> ask(partition_id from, std::uint32_t want, bool urgent = true, std::uint64_t lease = 1,
                                    std::uint32_t holds = 0, runtime::utc_time at = noon) {
        lease_body body;
        body.lease = lease;
        body.count = holds;
        body.want = want;
        body.urgent = urgent;
        mine.receive(letter_kind::lease_ask, from, body, at, terms);
        return mine.settle(at, terms);
    }
    std::vector<account::reply> give_back(partition_id from, std::uint32_t count, bool answers_recall,
                                          std::uint64_t lease = 1, bool ends = false) {
        lease_body body;
        body.lease = lease;
        body.count = count;
        body.answers_recall = answers_recall;
        body.ends = ends;
        mine.receive(letter_kind::lease_return, from, body, noon, terms);
        return mine.settle(noon, terms);
    }
};

void expect_grant(const std::vector<account::reply>& replies, partition_id to, std::uint32_t count) {
    ASSERT_EQ(replies.size(), 1U);
    EXPECT_EQ(replies[0].to, to);
    EXPECT_EQ(replies[0].kind, letter_kind::lease_grant);
    EXPECT_EQ(replies[0].body.count, count);
    EXPECT_EQ(replies[0].body.denied, count == 0);
}

TEST(account, lends_up_to_the_limit) {
    fixture f;
    expect_grant(f.ask(a, 4), a, 4);
    expect_grant(f.ask(b, 4), b, 4);
    expect_grant(f.ask(c, 4), c, 2);
    EXPECT_EQ(f.mine.lent(), 10U);
    EXPECT_EQ(f.mine.lent_to(c), 2U);
    EXPECT_EQ(f.mine.lent_to({9}), 0U);
}

TEST(account, whoever_can_wait_gets_an_answer_now) {
    fixture f;
    f.ask(a, 10);
    expect_grant(f.ask(b, 3, false), b, 0);
    EXPECT_EQ(f.mine.lent(), 10U);
}

TEST(account, calls_back_what_others_do_not_use) {
    fixture f;
    f.ask(a, 6);
    f.ask(b, 4);
    const auto asked = f.ask(c, 2);
    ASSERT_EQ(asked.size(), 2U);
    for (const auto& one : asked) EXPECT_EQ(one.kind, letter_kind::lease_recall);
    EXPECT_EQ(asked[0].to, a);
    EXPECT_EQ(asked[1].to, b);
    expect_grant(f.give_back(a, 1, true), c, 1);
    EXPECT_TRUE(f.give_back(b, 4, true).empty());
    EXPECT_EQ(f.mine.lent(), 6U);
}

TEST(account, says_no_only_when_all_use_what_they_hold) {
    fixture f;
    f.ask(a, 6);
    f.ask(b, 4);
    EXPECT_EQ(f.ask(c, 2).size(), 2U);
    EXPECT_TRUE(f.give_back(a, 0, true).empty()) << "b may still have some";
    expect_grant(f.give_back(b, 0, true), c, 0);
    EXPECT_EQ(f.mine.lent(), 10U);
}

TEST(account, whoever_asks_meanwhile_gets_a_round_of_its_own) {
    fixture f;
    f.ask(a, 10);
    EXPECT_EQ(f.ask(b, 1).size(), 1U);
    EXPECT_TRUE(f.ask(c, 1).empty()) << "the answer of a is due";
    const auto next = f.give_back(a, 0, true);
    ASSERT_EQ(next.size(), 2U);
    EXPECT_EQ(next[0].to, b);
    EXPECT_TRUE(next[0].body.denied);
    EXPECT_EQ(next[1].kind, letter_kind::lease_recall);
    expect_grant(f.give_back(a, 3, true), c, 1);
}

TEST(account, alone_at_the_limit_is_told_at_once) {
    fixture f;
    f.ask(a, 10);
    expect_grant(f.ask(a, 1, true, 1, 10), a, 0);
}

TEST(account, a_renewal_asks_for_nothing) {
    fixture f;
    f.ask(a, 3);
    const auto renewed = f.ask(a, 0, false, 1, 3, later(500));
    ASSERT_EQ(renewed.size(), 1U);
    EXPECT_FALSE(renewed[0].body.denied);
    EXPECT_EQ(renewed[0].body.until, later(1100));
    f.ask(b, 1, true, 1, 0, later(1000));
    EXPECT_EQ(f.mine.lent_to(a), 3U);
}

TEST(account, what_is_not_heard_of_comes_back) {
    fixture f;
    f.ask(a, 10);
    EXPECT_EQ(f.ask(b, 4, true, 1, 0, later(599)).size(), 1U) << "only a recall";
    expect_grant(f.ask(b, 4, true, 1, 0, later(600)), b, 4);
    EXPECT_EQ(f.mine.lent_to(a), 0U);
    f.mine.forget_expired(later(1200));
    EXPECT_TRUE(f.mine.empty());
}

// A borrower whose time ran out although it has something open begins again, and tells how much that is.
TEST(account, a_new_lease_begins_with_what_is_open) {
    fixture f;
    f.ask(a, 6);
    f.ask(b, 4);
    f.ask(a, 0, false, 2, 5);
    EXPECT_EQ(f.mine.lent_to(a), 5U);
    EXPECT_TRUE(f.give_back(a, 5, false, 1).empty());
    EXPECT_EQ(f.mine.lent_to(a), 5U) << "it was the old lease that was given back";
    f.ask(c, 0, false, 1, 7);
    EXPECT_EQ(f.mine.lent(), 16U) << "what is open counts, also beyond the limit";
    f.give_back(b, 4, false);
    EXPECT_EQ(f.ask(b, 1).size(), 2U) << "nothing is free yet";
}

TEST(account, what_a_start_found_open_counts) {
    fixture f;
    f.mine.declare(a, {{}, 3, 8}, noon, f.terms);
    f.mine.declare(b, {{}, 4, 8}, noon, f.terms);
    EXPECT_EQ(f.mine.lent(), 16U);
    EXPECT_TRUE(f.give_back(a, 5, false, 3).empty());
    EXPECT_EQ(f.ask(c, 1).size(), 2U);
    expect_grant(f.give_back(b, 2, true, 4), c, 1);
    EXPECT_EQ(f.mine.lent(), 10U);
}

TEST(account, an_end_forgets_the_borrower) {
    fixture f;
    f.ask(a, 3);
    f.give_back(a, 3, false, 1, true);
    EXPECT_TRUE(f.mine.empty());
}

TEST(lease_body, comes_back_as_it_was) {
    lease_body body;
    body.life = 3;
    body.lease = 4;
    body.count = 5;
    body.want = 6;
    body.urgent = body.denied = body.answers_recall = body.ends = true;
    body.until = noon;
    body.entries.push_back({runtime::named_id("user", "x/y"), 8, 9});
    const auto back = decode_lease(encode(body));
    ASSERT_TRUE(back);
    EXPECT_EQ(back->life, 3U);
    EXPECT_EQ(back->lease, 4U);
    EXPECT_EQ(back->count, 5U);
    EXPECT_EQ(back->want, 6U);
    EXPECT_TRUE(back->urgent && back->denied && back->answers_recall && back->ends);
    EXPECT_EQ(back->until, noon);
    ASSERT_EQ(back->entries.size(), 1U);
    EXPECT_EQ(back->entries[0].user, body.entries[0].user);
    EXPECT_EQ(back->entries[0].held, 9U);
    EXPECT_FALSE(decode_lease("\xff\xff"));
}

}  // namespace
}  // namespace pipeline::user_limit
