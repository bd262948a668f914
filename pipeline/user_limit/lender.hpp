// An exact limit on a user's open executions over all shards. The user's own partition lends the right to have one
// open, in blocks, to the shards that accept for the user; each shard then decides alone (borrower.hpp). What is lent
// never exceeds the limit, and nobody accepts beyond what it holds.
//
// The letters: a borrower asks, the lender grants; the lender calls back, the borrower returns what it does not use;
// after a start every borrower declares what it found open. Counts travel as differences, which is right because a
// letter is taken once and in order. Leases end with the life of the process, or when their time has come.
//
// The accounts are not in the log: after a start what counts is which executions are open, and their own records tell
// that. A count beside them would be a second truth.
#pragma once

#include <unordered_map>

#include "pipeline/shard_map.hpp"
#include "pipeline/user_limit/account.hpp"

namespace pipeline::user_limit {

// The user's own slot: the first 16 bits of its id, which is made from SHA-256.
inline runtime::slot slot_of_user(const runtime::uuid& user) {
    return {static_cast<std::uint16_t>(user.bytes[0] << 8 | user.bytes[1])};
}

// Shard: its owner only. Limits: accounts of users that some borrower holds a lease for.
class lender final : public letters::letter_reader {
  public:
    lender(const shard_map& map, account_terms terms) : map_(map), terms_(terms) {}

    [[nodiscard]] std::vector<letters::letter_draft> answer(const letters::arrival& in) const override;
    void fold(const letters::arrival& in, bool live) override;

    // Forgets borrowers that are gone. Now and then.
    void tidy(runtime::utc_time now);

    [[nodiscard]] std::size_t accounts() const { return accounts_.size(); }
    // What all borrowers hold for the user.
    [[nodiscard]] std::size_t lent_to(const runtime::uuid& user) const;

  private:
    [[nodiscard]] letters::letter_draft draft_of(const account::reply& reply, const runtime::uuid& user) const;

    const shard_map& map_;
    account_terms terms_;
    std::unordered_map<runtime::uuid, account> accounts_;
};

}  // namespace pipeline::user_limit
