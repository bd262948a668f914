#include "pipeline/engine_service.hpp"

#include <algorithm>

#include "runtime/base/assert.hpp"
#include "runtime/base/marks.hpp"
#include "runtime/base/planted_bug.hpp"
#include "runtime/spawn.hpp"

namespace pipeline {

using runtime::result;
using storage::log_errc;

namespace {

constexpr std::string_view execute_route = "POST /api/v1/execute";
// How long concurrent posts under one key wait for the first one's commit.
constexpr runtime::seconds idempotency_wait{5};
// How long a request waits for the count of its user's open executions.
constexpr runtime::milliseconds user_answer_max{2000};

failure make_failure(failure_code code, std::string detail) {
    failure out;
    out.code = code;
    out.detail = std::move(detail);
    return out;
}

failure no_such_execution() { return make_failure(failure_code::not_found, "there is no such execution"); }

}  // namespace

failure storage_failure(runtime::error_code why) {
    if (why == log_errc::no_space) {
        auto out = make_failure(failure_code::no_space, "the disk of the log is full");
        out.retry_after_s = 5;
        return out;
    }
    if (why == log_errc::busy) {
        auto out = make_failure(failure_code::overloaded, "too many bytes wait for the disk");
        out.limit = "log.append_bytes_max";
        out.retry_after_s = 1;
        return out;
    }
    auto out = make_failure(failure_code::storage_failed, "the log takes no writes: " + why.message());
    out.retry_after_s = 5;
    return out;
}

failure archive_failure(runtime::error_code why) {
    if (why == storage::archive_errc::corrupt)
        return make_failure(
            failure_code::archive_damaged,
            "this part of the archive is damaged; the server's log says where, and `weir archive verify` "
            "and `weir archive repair` are for the operator");
    auto out = make_failure(failure_code::overloaded, "the archive does not answer: " + why.message());
    out.retry_after_s = 1;
    return out;
}

engine_service::engine_service(shard_state& state, saga& saga, const shard_map& map, engine_options options)
    : state_(state),
      saga_(saga),
      map_(map),
      options_(std::move(options)),
      snapshots_(state, options_.snapshots),
      key_upkeep_(state, options_.snapshots),
      carrier_(map),
      ids_(state.home.time(), state.home.random().split()),
      partitions_(map.partitions_of(state.home.id())),
      borrower_(state.home, state.letters, state.table, map, options_.users),
      lender_(map, {options_.users.limit, options_.users.lease_time}),
      opened_(state.home),
      accepted_(state.home.metrics().make_counter("weir_executions_accepted_total",
                                                  "Executions accepted; a replayed key counts not again.")),
      gate_(state.home) {
    WEIR_ASSERT(!partitions_.empty());
    auto& metrics = state_.home.metrics();
    for (const auto* limit :
         {"admission.queued_max", "admission.user_open_max", "idempotency.keys_max", "log.stalled_ms"})
        metrics.declare_limit(limit);
    using letters::letter_kind;
    for (const auto kind : {letter_kind::lease_grant, letter_kind::lease_recall})
        state_.letters.read_by(kind, borrower_);
    for (const auto kind : {letter_kind::lease_ask, letter_kind::lease_return, letter_kind::lease_declare})
        state_.letters.read_by(kind, lender_);
    // Who waits for an end is told: it may not come any more.
    state_.journal.on_failure([this] {
        for (const auto& e : state_.table.all()) e->changed.notify_all();
    });
    auto& queued = metrics.make_gauge("weir_executions_queued", "Executions that wait for a seat.");
    auto& held = metrics.make_gauge("weir_executions_held",
                                    "Executions in memory: unfinished, or not yet taken by the archive.");
    auto& keys = metrics.make_gauge("weir_idempotency_keys", "Idempotency keys that are remembered.");
    gauges_ = metrics.on_collect([this, &queued, &held, &keys] {
        queued.set(static_cast<double>(saga_.queued()));
        held.set(static_cast<double>(state_.table.size()));
        keys.set(static_cast<double>(state_.keys.size()));
    });
}

task<result<void>> engine_service::start() {
    auto fold = [this](const storage::record_view& record) { return recover(state_, record); };
    const auto opened = co_await state_.journal.log().open(partitions_, std::move(fold), state_.journal);
    if (!opened) co_return opened.error();
    for (const auto& where : *opened) state_.journal.opened(where);
    // Whose last part is missing: the records that they were to replace are still there.
    WEIR_SOMETIMES(!state_.snapshots.empty(), "a snapshot without its end was left out at a start");
    state_.snapshots.clear();
    for (auto& e : state_.table.all()) {
        WEIR_SOMETIMES(e->is_ended(), "what had ended was handed over again after a start");
        WEIR_SOMETIMES(!e->is_ended(), "what was open was taken up again after a start");
        state_.journal.pin(e->partition, e->first_offset);
        if (e->is_ended()) {
            saga_.hand_over(e);
        } else if (!runtime::planted(runtime::planted_bug::left_at_recovery)) {
            saga_.begin(e);
        }
    }
    state_.letters.start(options_.carrier != nullptr ? *options_.carrier : carrier_);
    runtime::spawn(gate_, state_.home, maintain());
    runtime::spawn(gate_, state_.home, take_snapshots());
    if (options_.users.limit == 0) {
        open_ = true;
    } else {
        runtime::spawn(gate_, state_.home, count_users());
    }
    co_return result<void>();
}

// What is open here counts before anything more is accepted anywhere.
task<void> engine_service::count_users() {
    const auto counted = co_await borrower_.declare(stop_.get_token());
    if (!counted) co_return;
    for (std::size_t i = 0; i < map_.shards.size(); ++i) {
        const auto tell = [there = map_.engines[i]] { there->shard_has_counted(); };
        co_await runtime::submit(*map_.shards[i], tell);
    }
}

void engine_service::shard_has_counted() {
    if (++shards_counted_ < map_.shards.size()) return;
    if (shards_counted_ > map_.shards.size()) WEIR_UNREACHABLE("a shard counted its users twice in a life");
    open_ = true;
    opened_.notify_all();
}

task<result<void>> engine_service::wait_until_open() {
    while (!open_) {
        if (const auto why = state_.journal.health()) co_return why;
        co_await opened_.wait_until(state_.home.time().steady() + runtime::milliseconds(100));
    }
    co_return result<void>();
}

task<void> engine_service::stop() {
    draining_ = true;
    stop_.request_stop();
    // First, because count_users() may wait for a letter.
    co_await state_.letters.stop();
    co_await gate_.close();
}

runtime::shard& engine_service::home_of(execution_id id) { return *map_.shards[owner_of(id)]; }
engine& engine_service::on(runtime::shard& home) { return *map_.engines[home.id()]; }
bool engine_service::ready() const { return open_ && !draining_ && !state_.journal.room_for_new_work(); }
std::string engine_service::describe() const {
    return "log: " + state_.journal.log().describe() + "; executor: " + options_.executor;
}

runtime::slot engine_service::own_slot() {
    const auto partition = partitions_[state_.home.random().below(partitions_.size())];
    const unsigned low_bits = 16 - map_.partition_bits;
    const auto low = state_.home.random().below(std::uint64_t{1} << low_bits);
    return {static_cast<std::uint16_t>(partition.value << low_bits | low)};
}

engine_service::post_place engine_service::place_of(const principal& who, const std::optional<idempotency>& key) {
    post_place out;
    if (!key) {
        out.home = own_slot();
        return out;
    }
    const auto digest = digest_of(who, execute_route, key->key);
    out.home = digest.home;
    out.binding.emplace();
    out.binding->key = digest.key;
    out.binding->body_sha256 = key->body_sha256;
    return out;
}

task<outcome<accepted>> engine_service::execute(principal who, script_request request, std::optional<idempotency> key) {
    const auto place = place_of(who, key);
    return at_home(map_.owner_of(place.home), &engine_service::execute_here, std::move(who), std::move(request), place,
                   std::nullopt);
}

task<outcome<accepted>> engine_service::execute_and_wait(principal who, script_request request,
                                                         std::optional<idempotency> key,
                                                         runtime::steady_time deadline) {
    const auto place = place_of(who, key);
    return at_home(map_.owner_of(place.home), &engine_service::execute_here, std::move(who), std::move(request), place,
                   deadline);
}

failure engine_service::limited(failure_code code, std::string_view limit, std::uint64_t value, std::string detail) {
    state_.home.metrics().limit_reached(limit);
    WEIR_SOMETIMES(limit == "log.stalled_ms", "a post was refused by a disk that stalls");
    WEIR_SOMETIMES(limit == "admission.queued_max", "a post was refused by a full queue");
    WEIR_SOMETIMES(limit == "admission.user_open_max", "a post was refused by its user's limit");
    failure out = make_failure(code, std::move(detail));
    out.limit = limit;
    out.limit_value = value;
    out.retry_after_s = 1;
    return out;
}

std::optional<failure> engine_service::refusal(bool with_key) {
    if (draining_ || !open_) {
        auto out = make_failure(failure_code::draining, "the server takes no new work now");
        out.retry_after_s = 1;
        return out;
    }
    if (const auto why = state_.journal.room_for_new_work()) {
        WEIR_SOMETIMES(why == log_errc::no_space, "a post was refused by a full disk");
        return storage_failure(why);
    }
    if (state_.journal.log().stalled_for() >= options_.log_stalled_max)
        return limited(failure_code::overloaded, "log.stalled_ms",
                       static_cast<std::uint64_t>(options_.log_stalled_max.count()), "the disk of the log stalls");
    if (saga_.queued() >= options_.queued_max)
        return limited(failure_code::overloaded, "admission.queued_max", options_.queued_max_node,
                       "too many executions are queued");
    if (with_key && state_.keys.full())
        return limited(failure_code::overloaded, "idempotency.keys_max", state_.keys.keys_max(),
                       "too many idempotency keys are alive");
    return std::nullopt;
}

failure engine_service::no_room(user_limit::room why) {
    if (why == user_limit::room::yes || why == user_limit::room::unknown)
        WEIR_UNREACHABLE("a post was refused although its user has room");
    if (why == user_limit::room::too_many_users)
        return limited(failure_code::overloaded, "admission.user_leases_max", options_.users.users_max,
                       "too many users have open executions");
    return limited(failure_code::limited, "admission.user_open_max", options_.users.limit,
                   "the user has too many open executions");
}

failure engine_service::no_answer(user_limit::answer_end why) {
    if (why == user_limit::answer_end::came) WEIR_UNREACHABLE("a post was refused although the answer came");
    if (why == user_limit::answer_end::crowded)
        return limited(failure_code::overloaded, "admission.user_waiting_max", options_.users.waiting_max,
                       "too many requests wait for the count of their user");
    if (why == user_limit::answer_end::refused) {
        if (const auto failed = state_.journal.health()) return storage_failure(failed);
        return limited(failure_code::overloaded, "letters.outbox_max", state_.letters.limits().outbox_max,
                       "too many letters are under way");
    }
    return limited(failure_code::overloaded, "admission.user_answer_ms_max", user_answer_max.count(),
                   "the count of the user's open executions is not known in time");
}

task<outcome<accepted>> engine_service::execute_here(principal who, script_request request, post_place place,
                                                     std::optional<runtime::steady_time> wait_until) {
    auto& binding = place.binding;
    if (binding) {
        const auto ttl_us = std::chrono::duration_cast<runtime::microseconds>(options_.key_ttl).count();
        binding->expires = {state_.home.time().utc().microseconds_since_epoch + ttl_us};
    }
    // While the user's count is asked for, everything else may change: it is looked at again.
    const auto deadline = state_.home.time().steady() + user_answer_max;
    while (true) {
        if (binding) {
            if (const auto* bound = state_.keys.find(binding->key)) {
                key_table::entry entry = *bound;
                co_return co_await replay_here(std::move(who), entry, binding->body_sha256);
            }
        }
        if (auto refused = refusal(binding.has_value())) co_return std::move(*refused);
        const auto room = borrower_.room_for(who.user_id);
        if (room == user_limit::room::yes) break;
        if (room != user_limit::room::unknown) co_return no_room(room);
        const auto answer = co_await borrower_.answer_for(who.user_id, deadline);
        WEIR_SOMETIMES(answer == user_limit::answer_end::came, "a post waited for the count of its user");
        if (answer != user_limit::answer_end::came) co_return no_answer(answer);
    }

    const execution_id id = ids_.next(place.home);
    auto made = state_.transitions.accept(who, std::move(request), id, binding);
    if (!made) {
        WEIR_SOMETIMES(made.error() == log_errc::busy, "a post was refused since too many bytes wait for the disk");
        co_return storage_failure(made.error());
    }
    const auto e = *made;
    const auto at = e->last_offset;
    if (binding) {
        binding->execution = id;
        state_.keys.insert(*binding, at);
    }
    saga_.begin(e);
    if (runtime::planted(runtime::planted_bug::answer_before_commit)) co_return accepted{id};
    if (wait_until) {
        // A durable end has a durable beginning. What has not ended in time is looked after below as any other post, at
        // most a second late.
        auto ended = co_await result_in_time_here(std::move(who), id, *wait_until);
        if (ended && *ended) {
            accepted_.add();
            co_return accepted{id, status::queued, false, std::move(*ended)};
        }
    }
    const auto committed = co_await state_.journal.durable(e->partition, at);
    if (!committed) co_return storage_failure(committed.error());
    // Who waits in the queue is seldom read; the log has its record.
    if (e->place_in_queue && e->followers == 0) e->shrink_window(state_.journal.durable_through(e->partition), 0);
    accepted_.add();
    co_return accepted{id, status::queued, false};
}

task<outcome<accepted>> engine_service::replay_here(principal who, key_table::entry bound,
                                                    runtime::sha256_digest body) {
    if (bound.body_sha256 != body)
        co_return make_failure(failure_code::idempotency_key_reused, "the key was used with another body");
    const auto partition = runtime::partition_of(bound.execution.home(), map_.partition_bits);
    const auto deadline = state_.home.time().steady() + idempotency_wait;
    WEIR_SOMETIMES(!state_.journal.is_durable(partition, bound.at), "a key met its first post before the commit");
    const auto decided = co_await state_.journal.durable_until(partition, bound.at, deadline);
    if (!decided) co_return storage_failure(decided.error());
    if (*decided == wait_end::deadline) {
        WEIR_SOMETIMES(true, "a key stayed undecided for too long");
        auto out = make_failure(failure_code::idempotency_in_progress, "the first request under this key is undecided");
        out.retry_after_s = 1;
        co_return out;
    }
    auto view = co_await find_here(std::move(who), bound.execution);
    if (!view && view.error().code == failure_code::not_found)
        co_return make_failure(failure_code::not_found, "the key was used for execution " +
                                                            bound.execution.to_string() +
                                                            ", which has ended and is no longer kept");
    if (!view) co_return view.error();
    co_return accepted{bound.execution, view->status, true};
}

bool engine_service::is_committed(const execution& e) const {
    return runtime::planted(runtime::planted_bug::read_before_commit) ||
           state_.journal.is_durable(e.partition, e.last_offset);
}

task<outcome<void>> engine_service::after_commit(std::shared_ptr<execution> e) {
    if (is_committed(*e)) co_return outcome<void>();
    const auto committed = co_await state_.journal.durable(e->partition, e->last_offset);
    if (!committed) co_return storage_failure(committed.error());
    co_return outcome<void>();
}

std::shared_ptr<execution> engine_service::open_one(const principal& who, execution_id id) const {
    auto e = state_.table.find(id);
    return e && e->belongs_to(who) ? e : nullptr;
}

task<outcome<summary>> engine_service::archived(principal who, execution_id id) {
    const auto found = co_await state_.archive.find(id);
    if (!found) {
        co_return archive_failure(found.error());
    }
    const bool mine = *found && (*found)->tenant == who.tenant_id && (who.admin || (*found)->user == who.user_id);
    if (!mine) co_return no_such_execution();
    auto decoded = decode_summary((*found)->summary);
    if (!decoded) co_return archive_failure(storage::archive_errc::corrupt);
    co_return std::move(*decoded);
}

task<outcome<void>> engine_service::cancel(principal who, execution_id id) {
    return at_home(owner_of(id), &engine_service::cancel_here, std::move(who), id);
}

task<outcome<void>> engine_service::cancel_here(principal who, execution_id id) {
    const auto e = open_one(who, id);
    if (!e) {
        const auto gone = co_await archived(std::move(who), id);
        if (!gone) co_return gone.error();
    }
    if (!e || e->is_ended()) co_return make_failure(failure_code::already_finished, "the execution has ended");
    const auto asked = state_.transitions.request_cancellation(e);
    if (!asked) co_return storage_failure(asked.error());
    e->cancel_program.request_stop();
    saga_.cancelled(e);
    co_return co_await after_commit(e);
}

task<std::vector<stuck_execution>> engine_service::stuck() {
    std::vector<stuck_execution> out;
    for (std::size_t i = 0; i < map_.shards.size(); ++i) {
        auto there = [home = map_.engines[i]] { return home->stuck_here(); };
        auto some = co_await runtime::submit(*map_.shards[i], std::move(there));
        std::move(some.begin(), some.end(), std::back_inserter(out));
    }
    co_return out;
}

task<std::vector<stuck_execution>> engine_service::stuck_here() {
    std::vector<stuck_execution> out;
    for (const auto& e : state_.table.all())
        if (e->waits_for == pending::nothing) out.push_back({e->id, e->status, "nobody waits for anything"});
    co_return out;
}

task<void> engine_service::maintain() {
    while (co_await runtime::sleep_for(runtime::seconds(1), stop_.get_token())) {
        co_await key_upkeep_.run(partitions_);
        co_await state_.letters.tidy();
        if (open_) borrower_.tidy();
        lender_.tidy(state_.home.time().utc());
    }
}

task<void> engine_service::take_snapshots() { co_await snapshots_.run(stop_.get_token()); }

}  // namespace pipeline
