// From records to the numbered events that clients see.
#include <iterator>

#include "pipeline/records.hpp"

namespace pipeline {
namespace {

using events = std::vector<std::shared_ptr<const event>>;

// The event number `i` of the record, with what its header says.
std::shared_ptr<event> make(const storage::record_header& header, std::uint32_t i, event_type type) {
    auto out = std::make_shared<event>();
    out->number = header.first_event + i;
    out->type = type;
    out->attempt = header.attempt;
    out->time = header.time;
    return out;
}

std::optional<events> of_accepted(const storage::record_view& record) {
    const auto accepted = decode_accepted(record.payload);
    if (!accepted) return std::nullopt;
    events out;
    std::uint32_t i = 0;
    for (const auto type :
         {event_type::execution_requested, event_type::execution_accepted, event_type::execution_queued}) {
        auto one = make(record.header, i++, type);
        one->lang = accepted->lang;
        one->lang_version = accepted->lang_version;
        one->priority = accepted->priority;
        out.push_back(std::move(one));
    }
    return out;
}

std::optional<events> of_output(const storage::record_view& record) {
    auto output = decode_output(record.payload);
    if (!output) return std::nullopt;
    auto one = make(record.header, 0, event_type::execution_output);
    one->stream = output->stream;
    one->offset = output->offset;
    one->is_text = output->is_text;
    one->bytes = std::move(output->bytes);
    return events{std::move(one)};
}

std::optional<events> of_attempt_ended(const storage::record_view& record) {
    auto ended = decode_attempt_ended(record.payload);
    if (!ended) return std::nullopt;
    auto first = make(record.header, 0, event_type::execution_attempt_ended);
    first->verdict = std::move(ended->verdict);
    auto second = make(record.header, 1, event_type::execution_queued);
    second->attempt = record.header.attempt + 1U;
    return events{std::move(first), std::move(second)};
}

std::optional<events> of_part(const storage::record_view& part) {
    const auto records = records_of_part(part);
    if (!records) return std::nullopt;
    events out;
    for (const auto& record : *records) {
        // A part holds no parts.
        if (record.header.type == part.header.type) return std::nullopt;
        auto some = events_of({record.header, record.payload});
        if (!some) return std::nullopt;
        std::move(some->begin(), some->end(), std::back_inserter(out));
    }
    return out;
}

std::optional<events> of_concluded(const storage::record_view& record) {
    auto concluded = decode_concluded(record.payload);
    if (!concluded) return std::nullopt;
    auto* const verdict = &concluded->verdict;
    event_type type = event_type::execution_completed;
    switch (verdict->status) {
        case status::completed: break;
        case status::failed: type = event_type::execution_failed; break;
        case status::timeout: type = event_type::execution_timeout; break;
        case status::cancelled: type = event_type::execution_cancelled; break;
        default: return std::nullopt;
    }
    auto one = make(record.header, 0, type);
    one->verdict = std::move(*verdict);
    return events{std::move(one)};
}

}  // namespace

std::optional<events> events_of(const storage::record_view& record) {
    switch (static_cast<record_type>(record.header.type)) {
        case record_type::blob_piece:
        case record_type::key_table:
        case record_type::letter_sent:
        case record_type::letter_received:
        case record_type::letters_delivered:
        case record_type::letter_lanes: return events{};
        case record_type::accepted: return of_accepted(record);
        case record_type::scheduled: return events{make(record.header, 0, event_type::execution_scheduled)};
        case record_type::started: return events{make(record.header, 0, event_type::execution_started)};
        case record_type::output: return of_output(record);
        case record_type::attempt_ended: return of_attempt_ended(record);
        case record_type::cancellation_requested:
            return events{make(record.header, 0, event_type::execution_cancellation_requested)};
        case record_type::concluded: return of_concluded(record);
        case record_type::snapshot_part: return of_part(record);
    }
    return std::nullopt;
}

}  // namespace pipeline
