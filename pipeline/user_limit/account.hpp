// The count of one user's open executions, at the user's own partition: how many each borrower (the first partition of
// a shard) may have. It is decided by letters and the time that was recorded with them, and by nothing else.
#pragma once

#include <deque>
#include <map>
#include <vector>

#include "pipeline/letters/letter.hpp"
#include "pipeline/user_limit/lease_body.hpp"

namespace pipeline::user_limit {

using letters::letter_kind;
using runtime::partition_id;

struct account_terms {
    std::size_t limit = 0;
    runtime::microseconds lease_time{600'000'000};
};

// Shard: the user's. Limits: one lease and one question for each borrower.
class account {
  public:
    struct reply {
        partition_id to;
        letter_kind kind = letter_kind::lease_grant;
        lease_body body;
    };

    // Takes an ask or a return. Leases whose time has come are forgotten first.
    void receive(letter_kind kind, partition_id from, const lease_body& body, runtime::utc_time at,
                 const account_terms& terms);
    // What a start found open: counts even beyond the limit.
    void declare(partition_id from, const lease_body::entry& what, runtime::utc_time at, const account_terms& terms);
    // Answers what can be answered. When a client waits and nothing is left, what others hold unused is called back,
    // and only when all of them have said that they use it the answer is no.
    std::vector<reply> settle(runtime::utc_time at, const account_terms& terms);

    // Leases whose time has come.
    void forget_expired(runtime::utc_time at);

    [[nodiscard]] std::size_t lent() const;
    [[nodiscard]] std::size_t lent_to(partition_id borrower) const;
    [[nodiscard]] bool empty() const { return leases_.empty(); }

  private:
    struct lease {
        std::uint64_t number = 0;
        std::uint32_t held = 0;
        runtime::utc_time until;
        bool recalled = false;  // its answer is due
    };
    struct question {
        partition_id from;
        std::uint32_t want = 0;
        bool urgent = false;
        bool called_back = false;  // the others were asked on its behalf
    };
    void drop_question(partition_id from);
    void grant(const question& to, std::uint32_t count, runtime::utc_time at, const account_terms& terms,
               std::vector<reply>& out);
    void give_what_is_free(runtime::utc_time at, const account_terms& terms, std::vector<reply>& out);
    bool call_back(std::vector<reply>& out);

    std::map<partition_id, lease> leases_;
    std::deque<question> waiting_;
};

}  // namespace pipeline::user_limit
