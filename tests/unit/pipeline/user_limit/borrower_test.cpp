#include "pipeline/user_limit/borrower.hpp"

#include <gtest/gtest.h>

#include <deque>

#include "pipeline/user_limit/lender.hpp"
#include "tests/unit/pipeline/letters/letter_rig.hpp"

namespace tests {
namespace {

using pipeline::user_limit::answer_end;
using pipeline::user_limit::borrower;
using pipeline::user_limit::borrower_options;
using pipeline::user_limit::lender;
using pipeline::user_limit::room;
using runtime::milliseconds;
using runtime::seconds;
using runtime::task;

// Some shards that accept executions for users, without executing anything.
class users_rig {
  public:
    users_rig(std::uint64_t seed, std::size_t shards, borrower_options options) : rig(seed) {
        map_.partition_bits = letter_rig::bits;
        begin_life(shards, options);
    }

    void begin_life(std::size_t shards, borrower_options options) {
        rig.begin_life(shards);
        ++map_.life;
        map_.shards.clear();
        shards_.clear();
        for (std::size_t i = 0; i < shards; ++i) map_.shards.push_back(&rig.journal(i).home());
        for (std::size_t i = 0; i < shards; ++i) {
            auto one = std::make_unique<one_shard>();
            auto& home = rig.journal(i).home();
            one->in = std::make_unique<borrower>(home, rig.office(i), one->table, map_, options);
            one->out =
                std::make_unique<lender>(map_, pipeline::user_limit::account_terms{options.limit, options.lease_time});
            using letters::letter_kind;
            for (const auto kind : {letter_kind::lease_grant, letter_kind::lease_recall})
                rig.office(i).read_by(kind, *one->in);
            for (const auto kind : {letter_kind::lease_ask, letter_kind::lease_return, letter_kind::lease_declare})
                rig.office(i).read_by(kind, *one->out);
            shards_.push_back(std::move(one));
        }
    }

    static runtime::uuid user(int n) { return runtime::named_id("user", "default/" + std::to_string(n)); }

    void open(std::size_t shard, const runtime::uuid& who) {
        auto e = std::make_shared<pipeline::execution>(rig.journal(shard).home());
        e->user = who;
        e->id.bytes[0] = 1;
        e->id.bytes[8] = static_cast<std::uint8_t>(++opened_ >> 8);
        e->id.bytes[9] = static_cast<std::uint8_t>(opened_);
        shards_[shard]->table.insert(e);
        shards_[shard]->open.push_back(e);
    }
    void end_one(std::size_t shard) {
        auto e = shards_[shard]->open.front();
        shards_[shard]->open.pop_front();
        e->status = pipeline::status::completed;
        shards_[shard]->table.ended(*e);
        shards_[shard]->table.erase(e->id);
    }
    // As the engine does it. Gives the first answer too.
    room accept(std::size_t shard, const runtime::uuid& who, room* first = nullptr) {
        room out = room::unknown;
        rig.run(shard, [&]() -> task<void> {
            auto& in = *shards_[shard]->in;
            const auto deadline = runtime::shard::here().time().steady() + seconds(2);
            out = in.room_for(who);
            if (first != nullptr) *first = out;
            while (out == room::unknown) {
                const auto end = co_await in.answer_for(who, deadline);
                // On a bad way an answer may take longer than a client waits.
                EXPECT_TRUE(end == answer_end::came || rig.faults.lost > 0);
                if (end != answer_end::came) co_return;
                out = in.room_for(who);
            }
            if (out == room::yes) open(shard, who);
        });
        return out;
    }
    void declare_all() {
        for (std::size_t i = 0; i < shards_.size(); ++i) {
            rig.run(i, [&, i]() -> task<void> {
                const auto done = co_await shards_[i]->in->declare({});
                EXPECT_TRUE(done);
            });
        }
    }
    void tidy_for(int times_s) {
        for (int s = 0; s < times_s; ++s) {
            rig.pass(seconds(1));
            for (std::size_t i = 0; i < shards_.size(); ++i) {
                rig.run(i, [&, i]() -> task<void> {
                    shards_[i]->in->tidy();
                    shards_[i]->out->tidy(runtime::shard::here().time().utc());
                    co_return;
                });
            }
        }
    }
    borrower& in(std::size_t shard) { return *shards_[shard]->in; }
    std::size_t lent_to(const runtime::uuid& who) {
        std::size_t sum = 0;
        for (auto& one : shards_) sum += one->out->lent_to(who);
        return sum;
    }
    std::size_t open_of(const runtime::uuid& who) {
        std::size_t sum = 0;
        for (auto& one : shards_) sum += one->table.open_of(who);
        return sum;
    }
    std::size_t letters() {
        std::size_t sum = 0;
        for (std::size_t i = 0; i < shards_.size(); ++i)
            sum += rig.journal(i).home().metrics().collect().at("weir_letters_sent_total").series.begin()->second.count;
        return sum;
    }

    letter_rig rig;

  private:
    struct one_shard {
        pipeline::execution_table table;
        std::deque<std::shared_ptr<pipeline::execution>> open;
        std::unique_ptr<borrower> in;
        std::unique_ptr<lender> out;
    };
    pipeline::shard_map map_;
    std::vector<std::unique_ptr<one_shard>> shards_;
    int opened_ = 0;
};

borrower_options limit_of(std::size_t limit) {
    borrower_options out;
    out.limit = limit;
    return out;
}

TEST(borrower, no_limit_needs_no_letter) {
    users_rig rig(1, 2, limit_of(0));
    for (int i = 0; i < 100; ++i) EXPECT_EQ(rig.accept(0, users_rig::user(1)), room::yes);
    EXPECT_EQ(rig.letters(), 0U);
    EXPECT_EQ(rig.in(0).users(), 0U);
}

// Wherever the user's posts arrive and whatever lies unused elsewhere.
TEST(borrower, the_limit_is_exact_over_all_shards) {
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        SCOPED_TRACE(seed);
        runtime::random_source random(seed);
        const std::size_t limit = 1 + random.below(60);
        const std::size_t shards = 1 + random.below(4);
        users_rig rig(seed, shards, limit_of(limit));
        const auto who = users_rig::user(static_cast<int>(seed));
        std::vector<std::size_t> where;
        for (std::size_t i = 0; i < limit; ++i) {
            where.push_back(random.below(shards));
            EXPECT_EQ(rig.accept(where.back(), who), room::yes) << i << " of " << limit;
        }
        for (std::size_t i = 0; i < shards; ++i) EXPECT_EQ(rig.accept(i, who), room::no);
        EXPECT_EQ(rig.open_of(who), limit);
        EXPECT_EQ(rig.lent_to(who), limit);
        // What ends at one shard may be used at any other.
        rig.end_one(where.front());
        rig.rig.pass(milliseconds(200));
        EXPECT_EQ(rig.accept(random.below(shards), who), room::yes);
        rig.rig.pass(milliseconds(200));
        EXPECT_EQ(rig.accept(random.below(shards), who), room::no);
    }
}

TEST(borrower, far_from_the_limit_only_the_first_waits) {
    users_rig rig(2, 2, limit_of(100'000));
    const auto who = users_rig::user(1);
    int waited = 0;
    for (int i = 0; i < 300; ++i) {
        room first = room::no;
        EXPECT_EQ(rig.accept(0, who, &first), room::yes);
        waited += first == room::unknown ? 1 : 0;
        rig.rig.pass(milliseconds(1));
    }
    EXPECT_EQ(waited, 1);
    // One question and one answer for a block of 16.
    EXPECT_LE(rig.letters(), 2U * (300 / 16 + 2));
}

TEST(borrower, one_users_limit_is_nothing_to_another) {
    users_rig rig(3, 2, limit_of(1));
    for (int n = 0; n < 20; ++n) EXPECT_EQ(rig.accept(n % 2, users_rig::user(n)), room::yes);
    for (int n = 0; n < 20; ++n) EXPECT_EQ(rig.accept(n % 2, users_rig::user(n)), room::no);
}

TEST(borrower, what_is_not_used_goes_back) {
    users_rig rig(4, 3, limit_of(1000));
    const auto who = users_rig::user(1);
    for (int i = 0; i < 40; ++i) rig.accept(i % 3, who);
    EXPECT_GT(rig.lent_to(who), 40U);
    for (int i = 0; i < 30; ++i) rig.end_one(i % 3);
    rig.tidy_for(8);
    EXPECT_EQ(rig.open_of(who), 10U);
    EXPECT_EQ(rig.lent_to(who), 10U);
    for (int i = 0; i < 10; ++i) rig.end_one(i % 3);
    rig.tidy_for(8);
    EXPECT_EQ(rig.lent_to(who), 0U);
    for (std::size_t i = 0; i < 3; ++i) EXPECT_EQ(rig.in(i).users(), 0U) << "shard " << i << " remembers the user";
}

// As long as something is open the lease is renewed, however long that is.
TEST(borrower, renews_what_is_used) {
    users_rig rig(5, 2, limit_of(5));
    const auto who = users_rig::user(1);
    for (int i = 0; i < 5; ++i) EXPECT_EQ(rig.accept(0, who), room::yes);
    rig.tidy_for(2000);
    EXPECT_EQ(rig.lent_to(who), 5U);
    EXPECT_EQ(rig.accept(1, who), room::no);
}

// A shard that was not heard of for the time of a lease loses it, and what it has open counts again when it is back.
TEST(borrower, a_lease_that_ran_out_is_begun_anew) {
    users_rig rig(6, 2, limit_of(6));
    const auto who = users_rig::user(1);
    for (int i = 0; i < 4; ++i) EXPECT_EQ(rig.accept(0, who), room::yes);
    rig.rig.faults.lost = 1'000'000;
    rig.tidy_for(700);
    rig.rig.faults.lost = 0;
    EXPECT_EQ(rig.in(0).held_for(who), 4U) << "what is open";
    EXPECT_TRUE(rig.rig.wait_for_rest());
    rig.tidy_for(2);
    EXPECT_EQ(rig.lent_to(who), 4U);
    EXPECT_EQ(rig.accept(1, who), room::yes);
    EXPECT_EQ(rig.accept(1, who), room::yes);
    EXPECT_EQ(rig.accept(1, who), room::no);
}

TEST(borrower, a_start_counts_what_is_open) {
    for (std::uint64_t seed = 1; seed <= 5; ++seed) {
        SCOPED_TRACE(seed);
        users_rig rig(seed, 2, limit_of(20));
        const auto who = users_rig::user(1);
        for (int i = 0; i < 20; ++i) EXPECT_EQ(rig.accept(i % 2, who), room::yes);
        rig.rig.crash();
        // Of the twenty some ended in the meantime; the rest is spread in another way.
        rig.begin_life(3, limit_of(20));
        for (int i = 0; i < 14; ++i) rig.open(i % 3 == 0 ? 2 : 0, who);
        for (int n = 2; n < 600; ++n) rig.open(1, users_rig::user(n));
        rig.declare_all();
        EXPECT_EQ(rig.lent_to(who), 14U);
        EXPECT_EQ(rig.lent_to(users_rig::user(599)), 1U);
        for (int i = 0; i < 6; ++i) EXPECT_EQ(rig.accept(i % 3, who), room::yes) << i;
        for (std::size_t i = 0; i < 3; ++i) EXPECT_EQ(rig.accept(i, who), room::no);
    }
}

TEST(borrower, the_number_of_users_is_bounded) {
    auto options = limit_of(5);
    options.users_max = 3;
    users_rig rig(7, 1, options);
    for (int n = 0; n < 3; ++n) EXPECT_EQ(rig.accept(0, users_rig::user(n)), room::yes);
    EXPECT_EQ(rig.accept(0, users_rig::user(3)), room::too_many_users);
    EXPECT_EQ(rig.accept(0, users_rig::user(1)), room::yes);
}

TEST(borrower, who_waits_is_bounded_in_number_and_time) {
    auto options = limit_of(5);
    options.waiting_max = 2;
    users_rig rig(8, 1, options);
    rig.rig.faults.lost = 1'000'000;
    const auto who = users_rig::user(1);
    std::vector<answer_end> ends;
    const auto wait = [&]() -> task<void> {
        EXPECT_EQ(rig.in(0).room_for(who), room::unknown);
        const auto deadline = runtime::shard::here().time().steady() + milliseconds(500);
        const auto end = co_await rig.in(0).answer_for(who, deadline);
        ends.push_back(end);
    };
    for (int i = 0; i < 3; ++i) rig.rig.start(0, wait);
    rig.rig.pass(seconds(1));
    EXPECT_EQ(ends, (std::vector<answer_end>{answer_end::crowded, answer_end::late, answer_end::late}));
}

TEST(borrower, a_letter_that_cannot_be_written_is_said) {
    users_rig rig(9, 2, limit_of(5));
    const auto who = users_rig::user(1);
    rig.rig.faults.lost = 1'000'000;
    for (int i = 0; i < 20'000; ++i) ASSERT_TRUE(rig.rig.office(0).send({0}, letters::letter_draft{}));
    rig.rig.run(0, [&]() -> task<void> {
        EXPECT_EQ(rig.in(0).room_for(who), room::unknown);
        const auto deadline = runtime::shard::here().time().steady() + seconds(1);
        const auto end = co_await rig.in(0).answer_for(who, deadline);
        EXPECT_EQ(end, answer_end::refused);
    });
}

TEST(borrower, survives_a_bad_way) {
    for (std::uint64_t seed = 1; seed <= 8; ++seed) {
        SCOPED_TRACE(seed);
        runtime::random_source random(seed);
        users_rig rig(seed, 3, limit_of(12));
        rig.rig.faults = {200'000, 200'000, 200'000, 200'000, 200'000, milliseconds(3)};
        const auto who = users_rig::user(1);
        std::vector<std::size_t> open(3, 0);
        for (int i = 0; i < 80; ++i) {
            const auto shard = random.below(3);
            if (random.below(3) == 0 && open[shard] > 0) {
                rig.end_one(shard);
                --open[shard];
            } else if (rig.accept(shard, who) == room::yes) {
                ++open[shard];
            }
            ASSERT_LE(rig.open_of(who), 12U);
            rig.rig.pass(milliseconds(random.below(50)));
        }
        rig.tidy_for(10);
        EXPECT_TRUE(rig.rig.wait_for_rest());
        EXPECT_EQ(rig.lent_to(who), rig.open_of(who));
    }
}

}  // namespace
}  // namespace tests
