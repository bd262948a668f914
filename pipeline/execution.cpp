#include "pipeline/execution.hpp"

namespace pipeline {

std::string_view to_string(pending value) {
    switch (value) {
        case pending::nothing: return "nothing";
        case pending::commit: return "commit";
        case pending::seat: return "seat";
        case pending::timer: return "timer";
        case pending::program: return "program";
        case pending::archive: return "archive";
    }
    return "nothing";
}

std::shared_ptr<execution> execution::make(runtime::shard& home, const storage::record_view& accepted) {
    auto spec = decode_accepted(accepted.payload);
    if (!spec) return nullptr;
    auto out = std::make_shared<execution>(home);
    const auto& header = accepted.header;
    out->id = execution_id(header.entity);
    out->tenant = header.tenant;
    out->user = header.user;
    out->partition = header.partition;
    out->first_offset = header.at;
    out->kept_since = header.time;
    for (const auto* payload : spec->payloads())
        if (payload->is_blob()) out->first_offset = std::min(out->first_offset, payload->blob.first);
    out->spec = std::move(*spec);
    if (const auto& how = out->spec.more().interactive) out->input = std::make_shared<live_input>(home, *how);
    return out;
}

bool execution::transition(const storage::record_view& record) {
    const auto& header = record.header;
    switch (static_cast<record_type>(header.type)) {
        case record_type::accepted: return last_event == 0;
        case record_type::scheduled:
            if (status != status::queued) return false;
            status = status::scheduled;
            return true;
        case record_type::started:
            if (status != status::scheduled) return false;
            status = status::running;
            started_at = header.time;
            return true;
        case record_type::output: return status == status::running;
        case record_type::attempt_ended: {
            const auto ended = decode_attempt_ended(record.payload);
            if (!ended || is_ended() || status == status::queued) return false;
            status = status::queued;
            not_before = ended->next_not_before;
            ++attempt;
            return true;
        }
        case record_type::cancellation_requested:
            if (is_ended() || cancellation_requested) return false;
            cancellation_requested = true;
            return true;
        case record_type::concluded: {
            auto ended = decode_concluded(record.payload);
            if (!ended || is_ended() || !is_terminal(ended->verdict.status)) return false;
            status = ended->verdict.status;
            finished_at = header.time;
            verdict = std::move(ended->verdict);
            artifacts = std::move(ended->artifacts);
            return true;
        }
        case record_type::blob_piece:
        case record_type::key_table:
        case record_type::snapshot_part:
        case record_type::letter_sent:
        case record_type::letter_received:
        case record_type::letters_delivered:
        case record_type::letter_lanes: return false;
    }
    return false;
}

bool execution::fold(const storage::record_view& record) {
    const auto& header = record.header;
    if (header.event_count > 0 && header.first_event != last_event + 1) return false;
    if (header.attempt != attempt) return false;
    if (!transition(record)) return false;
    last_event += header.event_count;
    last_offset = header.at;
    return true;
}

bool execution::apply(const storage::record_view& record, bool keep) {
    if (!fold(record)) return false;
    remember(record, keep);
    return true;
}

bool execution::apply_part(const storage::record_view& part) {
    const auto records = records_of_part(part);
    if (!records || records->empty()) return false;
    for (const auto& record : *records)
        if (!fold({record.header, record.payload})) return false;
    places.push_back({part.header.at, part.header.first_event, part.header.event_count, nullptr});
    return true;
}

std::shared_ptr<execution> execution::make_from_part(runtime::shard& home, const storage::record_view& first_part) {
    const auto records = records_of_part(first_part);
    if (!records || records->empty()) return nullptr;
    const auto& first = records->front();
    if (first.header.type != static_cast<std::uint16_t>(record_type::accepted)) return nullptr;
    auto out = make(home, {first.header, first.payload});
    if (!out || !out->apply_part(first_part)) return nullptr;
    out->kept_since = first_part.header.time;
    return out;
}

void execution::renew(storage::offset first, std::vector<record_place> parts, const payload_places& blobs) {
    window_bytes = 0;
    for (auto& place : places) {
        if (place.at < first) continue;
        if (place.kept) window_bytes += place.kept->record.payload.size();
        parts.push_back(std::move(place));
    }
    places = std::move(parts);
    window_start_ = 0;
    spec.move_blobs(blobs);
    first_offset = first;
    ++renewals;
}

void execution::remember(const storage::record_view& record, bool keep) {
    record_place place{record.header.at, record.header.first_event, record.header.event_count, nullptr};
    if (keep) {
        auto kept = std::make_shared<kept_record>();
        kept->record = {record.header, std::string(record.payload)};
        place.kept = std::move(kept);
        window_bytes += record.payload.size();
    }
    places.push_back(std::move(place));
}

void execution::shrink_window(storage::offset durable, std::size_t bytes_max) {
    while (window_bytes > bytes_max && window_start_ < places.size() && places[window_start_].at <= durable) {
        auto& place = places[window_start_++];
        if (!place.kept) continue;
        window_bytes -= place.kept->record.payload.size();
        place.kept.reset();
    }
}

storage::record_header execution::next_header(record_type type, std::uint16_t event_count) const {
    storage::record_header header;
    header.type = static_cast<std::uint16_t>(type);
    header.format = record_format;
    header.entity_kind = entity_kind_execution;
    header.partition = partition;
    header.entity = id;
    header.tenant = tenant;
    header.user = user;
    header.first_event = event_count > 0 ? last_event + 1 : 0;
    header.event_count = event_count;
    header.attempt = static_cast<std::uint16_t>(attempt);
    return header;
}

execution_view execution::view() const {
    execution_view out;
    out.id = id;
    out.status = status;
    out.lang = spec.lang;
    out.lang_version = spec.lang_version;
    out.priority = spec.priority;
    out.labels = spec.more().labels;
    out.attempt = attempt;
    out.created_at = id.created_at();
    out.started_at = started_at;
    out.finished_at = finished_at;
    out.last_event = last_event;
    return out;
}

bool execution::belongs_to(const principal& who) const {
    return tenant == who.tenant_id && (who.admin || user == who.user_id);
}

}  // namespace pipeline
