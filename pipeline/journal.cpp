#include "pipeline/journal.hpp"

#include <algorithm>

#include "runtime/base/assert.hpp"
#include "runtime/base/marks.hpp"
#include "runtime/base/planted_bug.hpp"

namespace pipeline {

using runtime::error_code;
using runtime::partition_id;
using runtime::result;
using runtime::task;
using storage::log_errc;
using storage::offset;

journal::journal(runtime::shard& home, storage::log& log, unsigned partition_bits)
    : home_(home), log_(log), bits_(partition_bits), states_(std::size_t{1} << partition_bits), progress_(home) {}

void journal::opened(const storage::opened_partition& where) {
    auto& s = state(where.partition);
    s.open = true;
    s.next = where.next;
    s.durable = where.next - 1;
    s.keys_from_time = home_.time().steady();
    mine_.push_back(where.partition);
}

result<storage::record_header> journal::append(const storage::record_header& header, std::string_view payload) {
    if (failed_) return failed_;
    if (no_space_) return no_space_;
    auto stored = log_.append(header, payload);
    if (stored) {
        state(header.partition).next = stored->at + 1;
        count_bytes(payload.size());
    }
    return stored;
}

task<result<void>> journal::room() {
    if (!failed_) co_await progress_.wait();
    if (failed_) co_return failed_;
    co_return result<void>();
}

bool journal::is_durable(partition_id partition, offset at) const { return at <= state(partition).durable; }
offset journal::durable_through(partition_id partition) const { return state(partition).durable; }
offset journal::next_offset(partition_id partition) const { return state(partition).next; }

void journal::enlist(partition_state& where, offset at, bool patient, resumption resume) {
    // Nearly always the newest; the few that are not keep the order.
    auto place = where.waiters.end();
    while (place != where.waiters.begin() && std::prev(place)->at > at) --place;
    where.waiters.insert(place, waiter{at, patient, std::move(resume)});
}

void journal::begin_wait(partition_state& where, offset at, bool patient, resumption resume) {
    const bool hopeless = failed_ || (no_space_ && !patient);
    if (at > where.durable && !hopeless) {
        log_.hurry();
        return enlist(where, at, patient, std::move(resume));
    }
    // Not from within the wait, so that no loop around it nests.
    const result<void> known = at <= where.durable ? result<void>() : result<void>(health());
    home_.post([resume = std::move(resume), known]() mutable { resume(known); });
}

task<result<wait_end>> journal::durable_until(partition_id partition, offset at, runtime::steady_time deadline) {
    while (!is_durable(partition, at)) {
        if (const auto why = health()) co_return why;
        log_.hurry();
        const bool moved = co_await progress_.wait_until(deadline);
        if (!moved) co_return wait_end::deadline;
    }
    co_return wait_end::came;
}

void journal::when_durable(partition_id partition, offset at, runtime::unique_function<void()> then) {
    auto& where = state(partition);
    if (at <= where.durable || failed_) return home_.post(std::move(then));
    log_.hurry();
    enlist(where, at, true, [then = std::move(then)](const result<void>&) mutable { then(); });
}

void journal::committed(partition_id partition, offset through) {
    auto& where = state(partition);
    WEIR_ALWAYS(through >= where.durable, "what is durable never shrinks");
    // Pieces of a blob go into the log beside the journal; the record that names them may have been refused.
    where.next = std::max(where.next, through + 1);
    where.durable = through;
    const offset woken = through + (runtime::planted(runtime::planted_bug::woken_early) ? 1 : 0);
    while (!where.waiters.empty() && where.waiters.front().at <= woken) {
        auto resume = std::move(where.waiters.front().resume);
        where.waiters.pop_front();
        home_.post([resume = std::move(resume)]() mutable { resume(result<void>()); });
    }
    if (progress_.waiting() > 0) progress_.notify_all();
}

void journal::fail_waiters(partition_state& where, error_code why, bool patient_too) {
    std::deque<waiter> stay;
    for (auto& w : where.waiters) {
        if (w.patient && !patient_too) {
            WEIR_SOMETIMES(true, "a wait for the disk outlived the time that it was full");
            stay.push_back(std::move(w));
            continue;
        }
        home_.post([resume = std::move(w.resume), why]() mutable { resume(why); });
    }
    where.waiters.swap(stay);
}

void journal::failed(partition_id, error_code why) {
    // Said for each partition; whoever waits for an end is told of it once.
    const bool is_news = !health();
    const bool heals = why == log_errc::no_space;
    if (heals) {
        no_space_ = why;
    } else {
        failed_ = why;
    }
    for (auto& where : states_) fail_waiters(where, why, !heals);
    progress_.notify_all();
    if (is_news && on_failure_) on_failure_();
}

void journal::resumed() {
    no_space_ = {};
    progress_.notify_all();
}

void journal::pin(partition_id partition, offset first) {
    auto& pins = state(partition).pins;
    auto place = pins.end();
    while (place != pins.begin() && std::prev(place)->first > first) --place;
    pins.insert(place, needed{first, false});
}

void journal::unpin(partition_id partition, offset first) {
    auto& pins = state(partition).pins;
    const auto place = std::lower_bound(pins.begin(), pins.end(), first,
                                        [](const needed& n, offset value) { return n.first < value; });
    WEIR_ALWAYS(place != pins.end() && place->first == first && !place->let_go, "what is let go was held, once");
    place->let_go = true;
    while (!pins.empty() && pins.front().let_go) pins.pop_front();
    release_what_nobody_needs(partition);
}

void journal::keys_are_behind(partition_id partition, offset from) {
    auto& where = state(partition);
    where.keys_from = std::max(where.keys_from, from);
    where.keys_from_bytes = appended_bytes_;
    where.keys_from_time = home_.time().steady();
    release_what_nobody_needs(partition);
}

journal::held journal::held_for_keys(partition_id partition) const {
    const auto& where = state(partition);
    const offset oldest = where.pins.empty() ? where.next : where.pins.front().first;
    if (oldest <= where.keys_from) return {};
    return {oldest - where.keys_from, appended_bytes_ - where.keys_from_bytes,
            home_.time().steady() - where.keys_from_time};
}

void journal::release_what_nobody_needs(partition_id partition) {
    auto& where = state(partition);
    const offset oldest = where.pins.empty() ? where.next : where.pins.front().first;
    const offset below = std::min({oldest, where.keys_from, where.durable + 1});
    if (below <= where.released) return;
    where.released = below;
    log_.release(partition, below);
}

}  // namespace pipeline
