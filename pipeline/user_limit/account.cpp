#include "pipeline/user_limit/account.hpp"

#include <algorithm>

namespace pipeline::user_limit {

namespace {

runtime::utc_time after(runtime::utc_time at, const account_terms& terms) {
    return {at.microseconds_since_epoch + terms.lease_time.count()};
}

}  // namespace

std::size_t account::lent() const {
    std::size_t sum = 0;
    for (const auto& [borrower, lease] : leases_) sum += lease.held;
    return sum;
}

std::size_t account::lent_to(partition_id borrower) const {
    const auto it = leases_.find(borrower);
    return it == leases_.end() ? 0 : it->second.held;
}

void account::drop_question(partition_id from) {
    std::erase_if(waiting_, [from](const question& q) { return q.from == from; });
}

void account::forget_expired(runtime::utc_time at) {
    for (auto it = leases_.begin(); it != leases_.end();) {
        if (it->second.until > at) {
            ++it;
            continue;
        }
        drop_question(it->first);
        it = leases_.erase(it);
    }
}

void account::declare(partition_id from, const lease_body::entry& what, runtime::utc_time at,
                      const account_terms& terms) {
    leases_[from] = lease{what.lease, what.held, after(at, terms), false};
}

void account::receive(letter_kind kind, partition_id from, const lease_body& body, runtime::utc_time at,
                      const account_terms& terms) {
    forget_expired(at);
    const auto known = leases_.find(from);
    const bool same = known != leases_.end() && known->second.number == body.lease;
    if (kind == letter_kind::lease_ask) {
        // A lease that is new here begins with what its borrower has open already.
        if (!same) leases_[from] = lease{body.lease, body.count, {}, false};
        leases_[from].until = after(at, terms);
        drop_question(from);
        waiting_.push_back({from, body.want, body.urgent, false});
        return;
    }
    if (kind != letter_kind::lease_return || !same) return;
    auto& mine = known->second;
    mine.held -= std::min(mine.held, body.count);
    mine.until = after(at, terms);
    if (body.answers_recall) mine.recalled = false;
    if (!body.ends) return;
    drop_question(from);
    leases_.erase(known);
}

void account::grant(const question& to, std::uint32_t count, runtime::utc_time at, const account_terms& terms,
                    std::vector<reply>& out) {
    auto& mine = leases_[to.from];
    mine.held += count;
    reply answer;
    answer.to = to.from;
    answer.body.lease = mine.number;
    answer.body.count = count;
    answer.body.urgent = to.urgent;
    answer.body.denied = count == 0 && to.want > 0;
    answer.body.until = after(at, terms);
    out.push_back(std::move(answer));
}

// Whoever is not urgent gets an answer now in any case.
void account::give_what_is_free(runtime::utc_time at, const account_terms& terms, std::vector<reply>& out) {
    std::deque<question> left;
    for (const auto& one : waiting_) {
        const std::size_t used = lent();
        const std::size_t free = terms.limit > used ? terms.limit - used : 0;
        const auto give = static_cast<std::uint32_t>(std::min<std::size_t>(free, one.want));
        if (give > 0 || one.want == 0 || !one.urgent) {
            grant(one, give, at, terms, out);
        } else {
            left.push_back(one);
        }
    }
    waiting_.swap(left);
}

// False if nobody holds anything that could come back.
bool account::call_back(std::vector<reply>& out) {
    bool any = false;
    for (auto& [borrower, lease] : leases_) {
        // Who waits has nothing to spare.
        const auto waits = [who = borrower](const question& q) { return q.from == who; };
        if (lease.held == 0 || std::any_of(waiting_.begin(), waiting_.end(), waits)) continue;
        lease.recalled = true;
        any = true;
        reply recall;
        recall.to = borrower;
        recall.kind = letter_kind::lease_recall;
        recall.body.lease = lease.number;
        out.push_back(std::move(recall));
    }
    return any;
}

std::vector<account::reply> account::settle(runtime::utc_time at, const account_terms& terms) {
    std::vector<reply> out;
    give_what_is_free(at, terms, out);
    const bool answers_are_due =
        std::any_of(leases_.begin(), leases_.end(), [](const auto& l) { return l.second.recalled; });
    if (waiting_.empty() || answers_are_due) return out;
    const auto deny = [&](const question& q) {
        if (q.called_back) grant(q, 0, at, terms, out);
        return q.called_back;
    };
    std::erase_if(waiting_, deny);
    if (waiting_.empty()) return out;
    const bool asked = call_back(out);
    for (auto& one : waiting_) one.called_back = true;
    if (!asked) std::erase_if(waiting_, deny);
    return out;
}

}  // namespace pipeline::user_limit
