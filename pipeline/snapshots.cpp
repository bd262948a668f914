#include "pipeline/snapshots.hpp"

#include <algorithm>

#include "runtime/base/log.hpp"
#include "runtime/base/marks.hpp"
#include "runtime/base/planted_bug.hpp"
#include "runtime/timer.hpp"

namespace pipeline {

using runtime::result;
using runtime::task;
using storage::log_errc;

namespace {

// What is read or written between two looks at the ready list.
constexpr std::size_t round_bytes_max = 1 << 20;
constexpr std::size_t round_executions_max = 256;

constexpr std::string_view record_limit = "log.record_bytes_max";

// The log has no room now, or takes nothing any more: not the execution's fault.
bool may_heal(const runtime::error_code& why) {
    return why == log_errc::busy || why == log_errc::no_space || why == log_errc::write_failed ||
           why == log_errc::closed || why == log_errc::not_open;
}

}  // namespace

snapshots::snapshots(shard_state& state, snapshot_options options)
    : state_(state),
      options_(options),
      credit_bytes_(static_cast<std::int64_t>(options.behind_bytes_max)),
      taken_(state.home.metrics().make_counter("weir_snapshots_total",
                                               "Unfinished executions that were written again at the log's end.")),
      bytes_(state.home.metrics().make_counter("weir_snapshot_bytes_total", "Bytes of records written for that.")) {
    auto& metrics = state_.home.metrics();
    auto& held = metrics.make_gauge("weir_log_held_bytes",
                                    "Bytes of records behind the oldest that an unfinished execution needs.");
    gauge_ = metrics.on_collect([this, &held] { held.set(static_cast<double>(held_bytes())); });
}

std::uint64_t snapshots::held_bytes() const {
    const auto oldest = state_.table.oldest_open();
    return oldest ? state_.journal.appended_bytes() - oldest->kept_from : 0;
}

snapshots::due snapshots::is_due(const execution& e) const {
    const auto now_us = state_.home.time().utc().microseconds_since_epoch;
    if (now_us - e.kept_since.microseconds_since_epoch > options_.age_max.count()) return due::for_age;
    const bool behind = state_.journal.appended_bytes() - e.kept_from > options_.behind_bytes_max;
    return behind && credit_bytes_ > 0 ? due::for_bytes : due::no;
}

void snapshots::earn_credit() {
    const std::uint64_t appended = state_.journal.appended_bytes();
    const std::uint64_t others = appended - seen_bytes_ - std::min(own_bytes_, appended - seen_bytes_);
    credit_bytes_ = std::min(credit_bytes_ + static_cast<std::int64_t>(others / 2),
                             static_cast<std::int64_t>(options_.behind_bytes_max));
    seen_bytes_ = appended;
    own_bytes_ = 0;
}

task<void> snapshots::run(std::stop_token stop) {
    while (co_await runtime::sleep_for(options_.pause, stop)) {
        earn_credit();
        while (!stop.stop_requested()) {
            auto round = co_await write_some(stop);
            if (!round || round->empty()) break;
            bool durable = true;
            for (written& one : *round) {
                const auto committed = co_await state_.journal.durable_patiently(one.e->partition, one.last);
                durable = durable && committed.has_value();
                if (durable) complete(one);
            }
            if (!durable) co_return;
        }
    }
}

task<result<std::vector<snapshots::written>>> snapshots::write_some(std::stop_token stop) {
    std::vector<written> out;
    std::uint64_t bytes = 0;
    while (bytes < round_bytes_max && out.size() < round_executions_max && !stop.stop_requested()) {
        const auto e = state_.table.oldest_open();
        if (!e || is_due(*e) == due::no) break;
        auto one = co_await write(e);
        if (!one) {
            // One that ended meanwhile needs no snapshot.
            WEIR_SOMETIMES(e->is_ended(), "an execution ended while it was written again");
            if (e->is_ended()) continue;
            WEIR_SOMETIMES(may_heal(one.error()), "an execution was not written again for want of room");
            if (may_heal(one.error())) co_return out;
            if (e->concluding) {
                put_off(*e);
                continue;
            }
            // It stays where it is, and is tried again when the others have had their turn.
            if (one.error() == log_errc::record_too_large) state_.home.metrics().limit_reached(record_limit);
            runtime::log(runtime::log_level::warning, "an execution cannot be written again",
                         {{"execution", e->id.to_string()}, {"why", one.error().message()}});
            put_off(*e);
            continue;
        }
        state_.table.renewed(*e);
        e->kept_since = one->kept_since;
        e->kept_from = one->kept_from;
        bytes += one->bytes;
        out.push_back(std::move(*one));
    }
    co_return out;
}

void snapshots::put_off(execution& e) {
    state_.table.renewed(e);
    e.kept_since = state_.home.time().utc();
    e.kept_from = state_.journal.appended_bytes();
}

task<result<snapshots::large_values>> snapshots::read_blobs(std::shared_ptr<execution> e) {
    large_values out;
    for (std::size_t i = 0; i < out.size(); ++i) {
        const auto& payload = *e->spec.payloads()[i];
        if (!payload.is_blob()) continue;
        auto bytes = co_await state_.blobs.get(e->partition, payload.blob);
        if (!bytes) co_return bytes.error();
        out[i] = std::move(*bytes);
    }
    co_return out;
}

result<void> snapshots::put_blobs(written& out, const large_values& values) {
    const auto like = out.e->next_header(record_type::snapshot_part, 0);
    for (std::size_t i = 0; i < values.size(); ++i) {
        if (values[i].empty()) continue;
        const auto blob = state_.blobs.put(like, values[i]);
        if (!blob) return blob.error();
        out.blobs[i] = *blob;
        out.bytes += values[i].size();
        state_.journal.count_bytes(values[i].size());
        if (out.first == 0) out.first = blob->first;
    }
    return {};
}

result<void> snapshots::append_part(written& out, const std::vector<storage::record>& records, bool whole) {
    auto header = out.e->next_header(record_type::snapshot_part, 0);
    header.step = static_cast<std::uint32_t>(out.parts.size());
    header.flags = whole ? snapshot_is_whole : 0;
    header.first_event = records.front().header.first_event;
    const auto& last = records.back().header;
    header.event_count = static_cast<std::uint16_t>(last.first_event + last.event_count - header.first_event);
    const std::string payload = encode_chunk(records);
    const auto stored = state_.journal.append(header, payload);
    if (!stored) return stored.error();
    out.bytes += payload.size();
    out.last = stored->at;
    if (out.first == 0) out.first = stored->at;
    if (out.parts.empty()) out.kept_since = stored->time;
    out.parts.push_back({stored->at, header.first_event, header.event_count, nullptr});
    return {};
}

result<void> snapshots::append_parts(written& out, std::vector<storage::record> records, bool last) {
    std::vector<storage::record> some;
    std::size_t bytes = 0;
    for (std::size_t i = 0; i < records.size(); ++i) {
        auto& record = records[i];
        if (out.parts.empty() && some.empty()) {
            auto moved = with_blobs(record.payload, out.blobs);
            if (!moved) return log_errc::corrupt;
            record.payload = std::move(*moved);
        }
        bytes += record.payload.size() + 64;
        some.push_back(std::move(record));
        const bool end = i + 1 == records.size();
        if (!end && bytes + records[i + 1].payload.size() <= options_.part_bytes_max) continue;
        const auto appended = append_part(out, some, end && last);
        if (!appended) return appended;
        some.clear();
        bytes = 0;
    }
    return {};
}

// Whether everything before the snapshot's own records is in it when the records before this place are.
bool snapshots::covers(const written& out, std::size_t place) const {
    const auto& places = out.e->places;
    return place == places.size() || (out.first != 0 && places[place].at >= out.first);
}

task<result<snapshots::written>> snapshots::write(std::shared_ptr<execution> e) {
    const auto ended = boost::system::errc::make_error_code(boost::system::errc::operation_canceled);
    auto values = co_await read_blobs(e);
    if (!values) co_return values.error();
    auto piece = co_await state_.history.records_from(e, 0, options_.part_bytes_max);
    if (!piece) co_return piece.error();
    if (e->is_ended() || e->concluding) co_return ended;
    if (runtime::planted(runtime::planted_bug::released_before_snapshot)) {
        state_.journal.log().release(e->partition, e->last_offset + 1);
        co_await runtime::sleep_for(runtime::milliseconds(60));
    }
    written out;
    out.e = e;
    out.kept_from = state_.journal.appended_bytes();
    auto done = put_blobs(out, *values);
    // From here to the pin nothing is awaited: nobody can let go of what lies behind `first`.
    if (done) done = append_parts(out, std::move(piece->records), covers(out, piece->next_place));
    if (out.first != 0) state_.journal.pin(e->partition, out.first);
    while (done && !covers(out, piece->next_place)) {
        const auto committed = co_await state_.journal.durable_patiently(e->partition, out.last);
        if (committed && !e->is_ended())
            piece = co_await state_.history.records_from(e, piece->next_place, options_.part_bytes_max);
        if (!committed) done = committed.error();
        if (done && e->is_ended()) done = ended;
        if (done && !piece) done = piece.error();
        if (!done) break;
        // What was appended behind the beginning of the snapshot stays where it is.
        std::erase_if(piece->records, [&](const storage::record& r) { return r.header.at >= out.first; });
        done = append_parts(out, std::move(piece->records), covers(out, piece->next_place));
    }
    own_bytes_ += out.bytes;
    credit_bytes_ -= static_cast<std::int64_t>(out.bytes);
    if (!done) {
        if (out.first != 0) give_up(out);
        co_return done.error();
    }
    co_return out;
}

void snapshots::give_up(const written& unfinished) {
    WEIR_SOMETIMES(true, "a snapshot was given up");
    state_.journal.unpin(unfinished.e->partition, unfinished.first);
}

void snapshots::complete(written& whole) {
    execution& e = *whole.e;
    if (e.is_ended()) return give_up(whole);
    const auto before = e.first_offset;
    WEIR_SOMETIMES(whole.parts.size() > 1, "a snapshot took several parts");
    WEIR_SOMETIMES(e.renewals > 0, "an execution was written again twice");
    e.renew(whole.first, std::move(whole.parts), whole.blobs);
    taken_.add();
    bytes_.add(whole.bytes);
    state_.journal.unpin(e.partition, before);
}

}  // namespace pipeline
