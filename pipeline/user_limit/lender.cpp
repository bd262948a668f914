#include "pipeline/user_limit/lender.hpp"

namespace pipeline::user_limit {

letters::letter_draft lender::draft_of(const account::reply& reply, const runtime::uuid& user) const {
    letters::letter_draft out;
    out.to = letters::slot_of(reply.to, map_.partition_bits);
    out.kind = reply.kind;
    out.entity = user;
    lease_body body = reply.body;
    body.life = map_.life;
    out.body = encode(body);
    return out;
}

std::vector<letters::letter_draft> lender::answer(const letters::arrival& in) const {
    const auto body = decode_lease(in.what.what.body);
    if (!body || body->life != map_.life || in.what.what.kind == letter_kind::lease_declare) return {};
    const auto& user = in.what.what.entity;
    const auto known = accounts_.find(user);
    account draft = known == accounts_.end() ? account() : known->second;
    draft.receive(in.what.what.kind, in.from, *body, in.at, terms_);
    std::vector<letters::letter_draft> out;
    for (const auto& reply : draft.settle(in.at, terms_)) out.push_back(draft_of(reply, user));
    return out;
}

void lender::fold(const letters::arrival& in, bool live) {
    if (!live) return;  // of an earlier life
    const auto body = decode_lease(in.what.what.body);
    if (!body || body->life != map_.life) return;
    for (const auto& entry : body->entries) accounts_[entry.user].declare(in.from, entry, in.at, terms_);
    if (in.what.what.kind == letter_kind::lease_declare) return;
    auto& mine = accounts_[in.what.what.entity];
    mine.receive(in.what.what.kind, in.from, *body, in.at, terms_);
    // The same decision as in answer(): it depends on the letter and its time alone.
    static_cast<void>(mine.settle(in.at, terms_));
    if (mine.empty()) accounts_.erase(in.what.what.entity);
}

void lender::tidy(runtime::utc_time now) {
    for (auto it = accounts_.begin(); it != accounts_.end();) {
        it->second.forget_expired(now);
        it = it->second.empty() ? accounts_.erase(it) : std::next(it);
    }
}

std::size_t lender::lent_to(const runtime::uuid& user) const {
    const auto known = accounts_.find(user);
    return known == accounts_.end() ? 0 : known->second.lent();
}

}  // namespace pipeline::user_limit
