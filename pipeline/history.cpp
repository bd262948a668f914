#include "pipeline/history.hpp"

#include <algorithm>
#include <iterator>

#include "runtime/base/marks.hpp"
#include "runtime/base/planted_bug.hpp"

namespace pipeline {

using runtime::result;
using runtime::task;

namespace {

// How many records of a partition one read may bring, and how many of other executions it passes over in a row.
constexpr std::size_t records_per_read = 256;
constexpr storage::offset passed_over_max = 16;

// How many records to read from a place on, so that the read ends with one of this execution's.
std::size_t run_from(const execution& e, std::size_t place) {
    const storage::offset first = e.places[place].at;
    storage::offset last = first;
    for (++place; place < e.places.size(); ++place) {
        const storage::offset at = e.places[place].at;
        if (at - last > passed_over_max || at - first >= records_per_read) break;
        last = at;
    }
    return static_cast<std::size_t>(last - first) + 1;
}

// Appends what lies above `after`; true when `bytes_max` is reached.
bool take(history::events& out, const std::vector<std::shared_ptr<const event>>& from, std::uint32_t after,
          std::size_t& bytes, std::size_t bytes_max) {
    for (const auto& one : from) {
        if (one->number <= after) continue;
        out.push_back(one);
        bytes += one->bytes.size() + 64;
        if (bytes >= bytes_max) return true;
    }
    return false;
}

// The first place whose events reach above `after`.
std::size_t place_after(const execution& e, std::uint32_t after) {
    const auto it = std::partition_point(e.places.begin(), e.places.end(), [&](const record_place& p) {
        return p.first_event + p.event_count <= after + 1;
    });
    return static_cast<std::size_t>(it - e.places.begin());
}

const std::vector<std::shared_ptr<const event>>* cached_events(const kept_record& kept) {
    if (kept.events.empty()) {
        auto made = events_of({kept.record.header, kept.record.payload});
        if (!made) return nullptr;
        kept.events = std::move(*made);
    }
    return &kept.events;
}

}  // namespace

task<result<std::vector<storage::record>>> history::load(std::shared_ptr<execution> e, std::size_t place,
                                                         std::size_t bytes_max) {
    const std::uint32_t renewals = e->renewals;
    const auto from = e->places[place].at;
    auto records = co_await journal_.log().read(e->partition, from, bytes_max, run_from(*e, place));
    if (!records) co_return records.error();
    std::vector<storage::record> out;
    // Its records may have been written again while we read: the places that we came with are no more.
    if (e->renewals != renewals) co_return out;
    for (auto& record : *records) {
        if (place == e->places.size()) break;
        if (record.header.at != e->places[place].at) continue;
        out.push_back(std::move(record));
        ++place;
    }
    co_return out;
}

std::uint32_t history::before_next_output(const execution& e, std::uint32_t after) const {
    for (std::size_t place = place_after(e, after); place < e.places.size(); ++place) {
        const auto& here = e.places[place];
        const bool other =
            here.kept && here.kept->record.header.type != static_cast<std::uint16_t>(record_type::output);
        if (!other) return after;
        after = here.first_event + here.event_count - 1;
    }
    return after;
}

task<result<history::events>> history::read(std::shared_ptr<execution> e, std::uint32_t after, std::size_t bytes_max) {
    events out;
    std::size_t bytes = 0;
    bool full = false;
    while (!full) {
        // Looked for anew each time: while a record was read, places may have changed.
        const std::size_t place = place_after(*e, out.empty() ? after : out.back()->number);
        const bool early = runtime::planted(runtime::planted_bug::events_before_commit);
        if (place == e->places.size() || !(early || journal_.is_durable(e->partition, e->places[place].at))) break;
        if (const auto kept = e->places[place].kept) {
            const auto* made = cached_events(*kept);
            if (made == nullptr) co_return storage::make_error_code(storage::log_errc::corrupt);
            full = take(out, *made, after, bytes, bytes_max);
            continue;
        }
        if (e->in_archive) {
            // The log may have let its records go.
            if (!out.empty()) break;
            WEIR_SOMETIMES(true, "a subscriber changed from memory to the archive");
            co_return co_await read_archived(e->id, after, bytes_max);
        }
        const std::uint32_t renewals = e->renewals;
        const auto records = co_await load(e, place, bytes_max);
        WEIR_SOMETIMES(records && !records->empty(), "a subscriber read from the log");
        WEIR_SOMETIMES(e->renewals != renewals, "an execution was written again while it was read");
        if (e->renewals != renewals) continue;
        if (!records) {
            if (e->in_archive) continue;
            co_return records.error();
        }
        if (records->empty()) break;
        for (const auto& record : *records) {
            const auto made = events_of({record.header, record.payload});
            if (!made) co_return storage::make_error_code(storage::log_errc::corrupt);
            full = full || take(out, *made, after, bytes, bytes_max);
            if (full) break;
        }
    }
    co_return out;
}

task<result<history::events>> history::read_archived(execution_id id, std::uint32_t after, std::size_t bytes_max) {
    events out;
    std::size_t bytes = 0;
    const auto damaged = storage::make_error_code(storage::archive_errc::corrupt);
    const auto chunks = co_await archive_.events(id, after + 1, bytes_max);
    if (!chunks) co_return chunks.error();
    WEIR_SOMETIMES(after > 0, "a subscriber resumed from the archive");
    if (runtime::planted(runtime::planted_bug::event_skipped)) ++after;
    for (const auto& chunk : *chunks) {
        const auto records = decode_chunk(chunk.bytes);
        if (!records) co_return damaged;
        for (const auto& record : *records) {
            const auto made = events_of({record.header, record.payload});
            if (!made) co_return damaged;
            const bool full = take(out, *made, after, bytes, bytes_max);
            // A chunk that is missing in between must not look like events that never were.
            if (!out.empty() && out.back()->number != after + out.size()) co_return damaged;
            if (full) co_return out;
        }
    }
    co_return out;
}

task<result<std::vector<storage::record>>> history::records(std::shared_ptr<execution> e) {
    std::vector<storage::record> out;
    const accepted_record& spec = e->spec;
    for (const auto* payload : spec.payloads()) {
        const auto blob = payload->blob;
        for (storage::offset at = blob.first; blob.first != 0 && at < blob.first + blob.pieces;) {
            auto pieces = co_await journal_.log().read(e->partition, at, storage::blob_piece_bytes_max, 1);
            if (!pieces) co_return pieces.error();
            at += pieces->size();
            for (auto& piece : *pieces) out.push_back(std::move(piece));
        }
    }
    for (std::size_t place = 0; place < e->places.size();) {
        auto more = co_await records_from(e, place, 1 << 20);
        if (!more) co_return more.error();
        place = more->next_place;
        for (auto& record : more->records) out.push_back(std::move(record));
    }
    co_return out;
}

task<result<history::piece>> history::records_from(std::shared_ptr<execution> e, std::size_t place,
                                                   std::size_t bytes_max) {
    piece out;
    std::size_t bytes = 0;
    while (place < e->places.size() && bytes < bytes_max) {
        std::vector<storage::record> some;
        if (const auto kept = e->places[place].kept) {
            some.push_back(kept->record);
        } else {
            auto loaded = co_await load(e, place, bytes_max - bytes);
            if (!loaded) co_return loaded.error();
            if (loaded->empty()) co_return storage::make_error_code(storage::log_errc::corrupt);
            some = std::move(*loaded);
        }
        place += some.size();
        for (auto& record : some) {
            bytes += record.payload.size() + 64;
            if (record.header.type != static_cast<std::uint16_t>(record_type::snapshot_part)) {
                out.records.push_back(std::move(record));
                continue;
            }
            auto carried = records_of_part({record.header, record.payload});
            if (!carried) co_return storage::make_error_code(storage::log_errc::corrupt);
            std::move(carried->begin(), carried->end(), std::back_inserter(out.records));
        }
    }
    out.next_place = place;
    co_return out;
}

task<result<std::string>> history::artifact(std::shared_ptr<execution> e, std::size_t index) {
    std::string out;
    const artifact_pieces pieces = e->artifacts.at(index);
    for (const auto& piece : pieces) {
        if (!piece.is_blob()) {
            out += piece.inline_bytes;
            continue;
        }
        auto bytes = co_await blobs_.get(e->partition, piece.blob);
        if (!bytes) co_return bytes.error();
        out += *bytes;
    }
    co_return out;
}

task<result<std::string>> history::archived_artifact(execution_id id, std::size_t index, std::uint64_t bytes) {
    std::string out;
    const auto damaged = storage::make_error_code(storage::archive_errc::corrupt);
    for (std::size_t piece = 0; out.size() < bytes || piece == 0;) {
        const auto wanted = artifact_chunk(index, piece);
        const auto chunks = co_await archive_.events(id, wanted, bytes - out.size());
        if (!chunks) co_return chunks.error();
        if (chunks->empty() || chunks->front().first_event != wanted) co_return damaged;
        for (const auto& chunk : *chunks) {
            if (chunk.first_event != artifact_chunk(index, piece)) break;
            const auto some = decode_artifact_piece(chunk.bytes);
            if (!some) co_return damaged;
            out += *some;
            ++piece;
        }
    }
    if (out.size() != bytes) co_return damaged;
    co_return out;
}

}  // namespace pipeline
