#include "pipeline/user_limit/borrower.hpp"

#include <algorithm>
#include <map>

#include "pipeline/user_limit/lender.hpp"
#include "runtime/base/marks.hpp"
#include "runtime/base/planted_bug.hpp"

namespace pipeline::user_limit {

using runtime::planted;
using runtime::planted_bug;
using runtime::result;
using runtime::task;

namespace {

constexpr std::size_t entries_per_letter = 200;
constexpr runtime::seconds ask_again{10};
constexpr std::size_t letters_per_tidy_max = 1000;

std::int64_t micros(runtime::nanoseconds time) {
    return std::chrono::duration_cast<runtime::microseconds>(time).count();
}

}  // namespace

borrower::borrower(runtime::shard& home, letters::letter_office& office, const execution_table& table,
                   const shard_map& map, borrower_options options)
    : home_(home),
      office_(office),
      table_(table),
      map_(map),
      options_(options),
      self_(map.partitions_of(home.id()).front()) {
    auto& metrics = home.metrics();
    for (const auto* limit :
         {"admission.user_leases_max", "admission.user_waiting_max", "admission.user_answer_ms_max"})
        metrics.declare_limit(limit);
}

std::uint32_t borrower::open_of(const runtime::uuid& user) const {
    return static_cast<std::uint32_t>(table_.open_of(user));
}

std::uint32_t borrower::surplus(const holding& mine, const runtime::uuid& user) const {
    const auto open = open_of(user);
    return mine.held > open ? mine.held - open : 0;
}

// Small beside the limit, so that what lies unused at one shard matters little to the others.
std::uint32_t borrower::block() const {
    const std::size_t fair = options_.limit / (4 * map_.shards.size());
    return static_cast<std::uint32_t>(std::max<std::size_t>(1, std::min(fair, options_.block_max)));
}

std::size_t borrower::held_for(const runtime::uuid& user) const {
    const auto it = held_.find(user);
    return it == held_.end() ? 0 : it->second->held;
}

// A lease ends here a little earlier than at its lender.
void borrower::lapse_if_due(holding& mine) const {
    const auto margin = micros(options_.lease_time) / 8;
    if (mine.lease == 0 || home_.time().utc().microseconds_since_epoch < mine.until.microseconds_since_epoch - margin)
        return;
    WEIR_SOMETIMES(true, "a lease ran out at its borrower");
    mine.lease = 0;
    mine.held = 0;
    mine.asking = false;
}

void borrower::begin_lease(holding& mine, std::uint32_t held) {
    mine.lease = ++last_lease_;
    mine.held = held;
    mine.until = {home_.time().utc().microseconds_since_epoch + micros(options_.lease_time)};
}

room borrower::room_for(const runtime::uuid& user) {
    if (options_.limit == 0) return room::yes;
    auto known = held_.find(user);
    if (known == held_.end()) {
        if (held_.size() >= options_.users_max) return room::too_many_users;
        known = held_.emplace(user, std::make_shared<holding>(home_)).first;
    }
    auto& mine = *known->second;
    const auto now = home_.time().steady();
    mine.last_use = now;
    lapse_if_due(mine);
    const auto spare = surplus(mine, user);
    if (spare == 0) return now < mine.no_until ? room::no : room::unknown;
    // The next block is asked for while this one lasts.
    if (spare <= block() / 2 && !mine.asking && now >= mine.quiet_until) ask(mine, user, block(), false);
    return room::yes;
}

task<answer_end> borrower::answer_for(runtime::uuid user, runtime::steady_time deadline) {
    const auto known = held_.find(user);
    if (known == held_.end()) co_return answer_end::came;
    const std::shared_ptr<holding> mine = known->second;
    if (waiting_ >= options_.waiting_max) co_return answer_end::crowded;
    const auto now = home_.time().steady();
    if (mine->asking && now - mine->asked_at >= ask_again) mine->asking = false;
    if (!mine->asking && !ask(*mine, user, block(), true)) co_return answer_end::refused;
    ++waiting_;
    ++mine->waiting;
    const bool moved = co_await mine->changed.wait_until(deadline);
    --mine->waiting;
    --waiting_;
    co_return moved ? answer_end::came : answer_end::late;
}

bool borrower::send(const runtime::uuid& user, letter_kind kind, lease_body body) {
    body.life = map_.life;
    letters::letter_draft draft;
    draft.to = slot_of_user(user);
    draft.kind = kind;
    draft.entity = user;
    draft.body = encode(body);
    return office_.send(self_, std::move(draft)).has_value();
}

bool borrower::ask(holding& mine, const runtime::uuid& user, std::uint32_t want, bool urgent) {
    if (mine.lease == 0) begin_lease(mine, open_of(user));
    lease_body body;
    body.lease = mine.lease;
    body.count = mine.held;
    body.want = want;
    body.urgent = urgent;
    mine.asking = send(user, letter_kind::lease_ask, std::move(body));
    mine.asked_at = home_.time().steady();
    return mine.asking;
}

bool borrower::give_back(holding& mine, const runtime::uuid& user, std::uint32_t count, bool ends) {
    lease_body body;
    body.lease = mine.lease;
    body.count = count;
    body.ends = ends;
    if (!send(user, letter_kind::lease_return, std::move(body))) return false;
    mine.held -= count;
    return true;
}

// What the lender says.

std::vector<letters::letter_draft> borrower::answer(const letters::arrival& in) const {
    const auto body = decode_lease(in.what.what.body);
    if (!body || body->life != map_.life || in.what.what.kind != letter_kind::lease_recall) return {};
    const auto& user = in.what.what.entity;
    const auto known = held_.find(user);
    lease_body out;
    out.life = map_.life;
    out.lease = body->lease;
    out.answers_recall = true;
    const bool same = known != held_.end() && known->second->lease == body->lease;
    if (same) {
        out.count = surplus(*known->second, user);
    } else {
        out.ends = true;  // it lapsed
    }
    letters::letter_draft draft;
    draft.to = slot_of_user(user);
    draft.kind = letter_kind::lease_return;
    draft.entity = user;
    draft.body = encode(out);
    return {draft};
}

void borrower::granted(const runtime::uuid& user, const lease_body& body) {
    const auto known = held_.find(user);
    if (known == held_.end() || known->second->lease != body.lease) return;
    auto& mine = *known->second;
    const auto now = home_.time().steady();
    mine.held += body.count;
    mine.until = std::max(mine.until, body.until);
    mine.asking = false;
    WEIR_SOMETIMES(body.denied && body.urgent, "a lender had nothing left to lend");
    WEIR_SOMETIMES(body.count > 0, "a lender lent more");
    if (body.denied && body.urgent) mine.no_until = now + options_.rest_after_no;
    if (body.denied) mine.quiet_until = now + runtime::seconds(1);
    mine.changed.notify_all();
}

void borrower::fold(const letters::arrival& in, bool live) {
    if (!live) return;  // of an earlier life
    const auto body = decode_lease(in.what.what.body);
    if (!body || body->life != map_.life) return;
    const auto& user = in.what.what.entity;
    if (in.what.what.kind == letter_kind::lease_grant) return granted(user, *body);
    if (in.what.what.kind != letter_kind::lease_recall) return;
    const auto known = held_.find(user);
    if (known == held_.end() || known->second->lease != body->lease) return;
    if (planted(planted_bug::lease_used_twice)) return;
    WEIR_SOMETIMES(surplus(*known->second, user) > 0, "a recalled lease had something to give back");
    // The same count as in answer(): nothing ran in between.
    known->second->held -= surplus(*known->second, user);
}

// Beginning and upkeep.

task<result<std::uint64_t>> borrower::send_patiently(letters::letter_draft what, std::stop_token stop) {
    while (true) {
        auto sent = office_.send(self_, what);
        if (sent) co_return sent;
        const bool slept = co_await runtime::sleep_for(runtime::milliseconds(5), stop);
        if (!slept) co_return sent;
    }
}

task<result<void>> borrower::declare(std::stop_token stop) {
    if (planted(planted_bug::recovered_not_counted)) co_return result<void>();
    std::map<partition_id, std::vector<lease_body::entry>> by_lender;
    for (const auto& [user, open] : table_.users()) {
        auto& mine = *held_.emplace(user, std::make_shared<holding>(home_)).first->second;
        begin_lease(mine, static_cast<std::uint32_t>(open));
        const auto lender = runtime::partition_of(slot_of_user(user), map_.partition_bits);
        by_lender[lender].push_back({user, mine.lease, mine.held});
    }
    std::map<partition_id, std::uint64_t> last;
    for (const auto& [lender, entries] : by_lender) {
        for (std::size_t i = 0; i < entries.size(); i += entries_per_letter) {
            const auto begin = entries.begin() + static_cast<std::ptrdiff_t>(i);
            const auto end =
                entries.begin() + static_cast<std::ptrdiff_t>(std::min(entries.size(), i + entries_per_letter));
            lease_body body;
            body.life = map_.life;
            body.entries.assign(begin, end);
            letters::letter_draft draft;
            draft.to = letters::slot_of(lender, map_.partition_bits);
            draft.kind = letter_kind::lease_declare;
            draft.body = encode(body);
            const auto sent = co_await send_patiently(std::move(draft), stop);
            if (!sent) co_return sent.error();
            last[lender] = *sent;
        }
    }
    for (const auto& [lender, number] : last) {
        const auto known = co_await office_.delivered(self_, lender, number);
        if (!known) co_return known;
    }
    co_return result<void>();
}

// False when no letter can be written now.
bool borrower::tidy_one(const runtime::uuid& user, holding& mine) {
    lapse_if_due(mine);
    const auto now = home_.time().steady();
    const bool waits = mine.asking && now - mine.asked_at < ask_again;
    if (waits || mine.waiting > 0) return true;
    const auto left_us = mine.until.microseconds_since_epoch - home_.time().utc().microseconds_since_epoch;
    const bool idle = now - mine.last_use >= options_.idle;
    const auto spare = surplus(mine, user);
    // Its time may have run out although there is something open.
    if (mine.lease == 0) return open_of(user) == 0 || ask(mine, user, 0, false);
    const bool over = open_of(user) == 0;
    if (idle && (spare > 0 || over)) {
        if (!give_back(mine, user, spare, over)) return false;
        if (over) mine.lease = 0;
        return true;
    }
    if (left_us < micros(options_.lease_time) * 2 / 3) return ask(mine, user, 0, false);
    return true;
}

void borrower::tidy() {
    const auto now = home_.time().steady();
    const auto enough = office_.waiting() + letters_per_tidy_max;
    for (auto it = held_.begin(); it != held_.end();) {
        auto& mine = *it->second;
        if (!tidy_one(it->first, mine) || office_.waiting() > enough) return;
        const bool used = mine.lease != 0 || mine.waiting > 0 || now - mine.last_use < options_.idle;
        it = used ? std::next(it) : held_.erase(it);
    }
}

}  // namespace pipeline::user_limit
