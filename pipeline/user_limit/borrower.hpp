// What a shard may accept for its users, borrowed from the users' own partitions; see lender.hpp. As long as a user is
// far from the limit the shard decides alone: it asks for the next block before the last one is used up.
#pragma once

#include <memory>
#include <stop_token>
#include <unordered_map>

#include "pipeline/execution_table.hpp"
#include "pipeline/letters/letter_office.hpp"
#include "pipeline/shard_map.hpp"
#include "pipeline/user_limit/lease_body.hpp"

namespace pipeline::user_limit {

using letters::letter_kind;
using runtime::partition_id;

struct borrower_options {
    std::size_t limit = 0;       // admission.user_open_max, of the node; 0: none, and nothing is borrowed
    std::size_t block_max = 16;  // admission.user_block_max: borrowed at once
    runtime::seconds lease_time{600};
    runtime::seconds idle{5};                                         // what nobody used for so long goes back
    runtime::nanoseconds rest_after_no = runtime::milliseconds(100);  // the lender is not asked again before
    std::size_t users_max = 100'000;                                  // admission.user_leases_max, of this shard
    std::size_t waiting_max = 4096;                                   // admission.user_waiting_max: requests, likewise
};

// Whether a user may have one more execution open. `unknown`: the lender must be asked.
enum class room : std::uint8_t { yes, no, unknown, too_many_users };
enum class answer_end : std::uint8_t { came, late, crowded, refused };

// Shard: its owner only. Lifetime: outlives its waits.
class borrower final : public letters::letter_reader {
  public:
    borrower(runtime::shard& home, letters::letter_office& office, const execution_table& table, const shard_map& map,
             borrower_options options);

    // Decides for an accept that follows before the next suspension point.
    [[nodiscard]] room room_for(const runtime::uuid& user);
    // After `unknown`: asks if need be and waits for news; then room_for() again. `refused`: no letter can be written
    // now.
    runtime::task<answer_end> answer_for(runtime::uuid user, runtime::steady_time deadline);

    // After a start, before anything is accepted anywhere: tells each user's partition what this shard has open, and
    // returns when all of them know. Error: the shard stops.
    runtime::task<runtime::result<void>> declare(std::stop_token stop);
    // Gives back what is not used, and renews what is. About once in a second.
    void tidy();

    [[nodiscard]] std::vector<letters::letter_draft> answer(const letters::arrival& in) const override;
    void fold(const letters::arrival& in, bool live) override;

    [[nodiscard]] std::size_t users() const { return held_.size(); }
    [[nodiscard]] std::size_t held_for(const runtime::uuid& user) const;

  private:
    struct holding {
        explicit holding(runtime::shard& home) : changed(home) {}
        std::uint64_t lease = 0;  // 0: none
        std::uint32_t held = 0;
        runtime::utc_time until;
        bool asking = false;
        runtime::steady_time asked_at;
        runtime::steady_time last_use;
        runtime::steady_time no_until;     // a client's question was answered with no
        runtime::steady_time quiet_until;  // the question for the next block was
        std::size_t waiting = 0;
        runtime::event changed;
    };
    [[nodiscard]] std::uint32_t open_of(const runtime::uuid& user) const;
    [[nodiscard]] std::uint32_t surplus(const holding& mine, const runtime::uuid& user) const;
    [[nodiscard]] std::uint32_t block() const;
    void lapse_if_due(holding& mine) const;
    void begin_lease(holding& mine, std::uint32_t held);
    bool ask(holding& mine, const runtime::uuid& user, std::uint32_t want, bool urgent);
    bool give_back(holding& mine, const runtime::uuid& user, std::uint32_t count, bool ends);
    bool send(const runtime::uuid& user, letter_kind kind, lease_body body);
    runtime::task<runtime::result<std::uint64_t>> send_patiently(letters::letter_draft what, std::stop_token stop);
    void granted(const runtime::uuid& user, const lease_body& body);
    bool tidy_one(const runtime::uuid& user, holding& mine);

    runtime::shard& home_;
    letters::letter_office& office_;
    const execution_table& table_;
    const shard_map& map_;
    borrower_options options_;
    partition_id self_;  // the first partition of this shard speaks for it
    std::uint64_t last_lease_ = 0;
    std::size_t waiting_ = 0;
    std::unordered_map<runtime::uuid, std::shared_ptr<holding>> held_;
};

}  // namespace pipeline::user_limit
