#include "app/cli/log_records.hpp"

#include "app/cli/terminal.hpp"
#include "http/api/render.hpp"
#include "http/json_writer.hpp"
#include "pipeline/letters/letter_records.hpp"
#include "pipeline/records.hpp"
#include "runtime/shard_thread.hpp"
#include "storage/embedded/disk/real_disk.hpp"

namespace app::cli {
namespace {

using pipeline::record_type;
using storage::record_view;

std::string type_name(std::uint16_t type) {
    switch (static_cast<record_type>(type)) {
        case record_type::blob_piece: return "blob_piece";
        case record_type::accepted: return "accepted";
        case record_type::scheduled: return "scheduled";
        case record_type::started: return "started";
        case record_type::output: return "output";
        case record_type::attempt_ended: return "attempt_ended";
        case record_type::cancellation_requested: return "cancellation_requested";
        case record_type::concluded: return "concluded";
        case record_type::key_table: return "key_table";
        case record_type::letter_sent: return "letter_sent";
        case record_type::letter_received: return "letter_received";
        case record_type::letters_delivered: return "letters_delivered";
        case record_type::letter_lanes: return "letter_lanes";
        case record_type::snapshot_part: return "snapshot_part";
        default: return "type_" + std::to_string(type);
    }
}

void write_payload(http::json_writer& json, std::string_view name, const pipeline::payload_bytes& what) {
    json.key(name).begin_object();
    if (what.is_blob()) {
        json.member("blob_first", std::uint64_t{what.blob.first}).member("blob_pieces", what.blob.pieces);
        json.member("bytes", what.blob.bytes);
    } else {
        json.member("bytes", std::uint64_t{what.inline_bytes.size()});
        if (http::api::is_text(what.inline_bytes)) json.member("text", std::string_view(what.inline_bytes));
    }
    json.end_object();
}

void write_accepted(http::json_writer& json, const record_view& record) {
    const auto what = pipeline::decode_accepted(record.payload);
    if (!what) return;
    json.key("accepted").begin_object();
    json.member("tenant", std::string_view(printable(what->tenant)));
    json.member("user", std::string_view(printable(what->user)));
    json.member("lang", std::string_view(printable(what->lang)));
    json.member("lang_version", std::string_view(printable(what->lang_version)));
    json.member("priority", pipeline::to_string(what->priority)).member("labels", what->more().labels);
    json.member("arguments", std::uint64_t{what->more().args.size()}).member("attempts_max", what->retry.attempts_max);
    json.member("with_key", what->key.has_value());
    write_payload(json, "script", what->script);
    write_payload(json, "stdin", what->more().standard_input);
    json.end_object();
}

// The records inside, by type and events.
void write_part(http::json_writer& json, const record_view& record) {
    const auto inside = pipeline::records_of_part(record);
    if (!inside) return;
    json.key("snapshot").begin_object();
    json.member("part", record.header.step);
    json.member("whole", (record.header.flags & pipeline::snapshot_is_whole) != 0);
    json.key("records").begin_array();
    for (const auto& one : *inside) {
        json.begin_object().member("type", std::string_view(type_name(one.header.type)));
        json.member("time", one.header.time).member("attempt", std::uint32_t{one.header.attempt});
        json.member("first_event", one.header.first_event);
        json.member("event_count", std::uint32_t{one.header.event_count}).end_object();
    }
    json.end_array().end_object();
}

// The events that clients see, as they see them.
void append_events(std::string& out, const record_view& record) {
    const auto events = pipeline::events_of(record);
    if (!events || events->empty()) return;
    out += ",\"events\":[";
    const runtime::execution_id id(record.header.entity);
    for (std::size_t i = 0; i < events->size(); ++i) {
        if (i > 0) out.push_back(',');
        http::api::append_event_json(out, id, *(*events)[i]);
    }
    out.push_back(']');
}

// "letter 7 of kind 2 from 12".
std::string short_letter(std::string_view where, const pipeline::letters::letter& one,
                         std::optional<std::uint16_t> place = {}) {
    return "letter " + std::to_string(one.number) + " of kind " +
           std::to_string(static_cast<std::uint16_t>(one.what.kind)) + " " + std::string(where) + " " +
           std::to_string(place.value_or(one.what.to.value));
}

std::string short_payload(const record_view& record) {
    switch (static_cast<record_type>(record.header.type)) {
        case record_type::accepted:
            if (const auto what = pipeline::decode_accepted(record.payload))
                return "  " + printable(what->lang) + " " + printable(what->lang_version) + " for " +
                       printable(what->user);
            break;
        case record_type::output:
            if (const auto what = pipeline::decode_output(record.payload))
                return "  " + std::string(pipeline::to_string(what->stream)) + " " + std::to_string(what->offset) +
                       "+" + std::to_string(what->bytes.size());
            break;
        case record_type::concluded:
            if (const auto what = pipeline::decode_concluded(record.payload))
                return "  " + std::string(pipeline::to_string(what->verdict.status));
            break;
        case record_type::key_table:
            if (const auto keys = pipeline::decode_keys(record.payload))
                return "  " + std::to_string(keys->size()) + " keys";
            break;
        case record_type::letter_sent:
            if (const auto sent = pipeline::letters::decode_letter_sent(record.payload))
                return "  " + short_letter("to slot", *sent);
            break;
        case record_type::letter_received:
            if (const auto in = pipeline::letters::decode_letter_received(record.payload))
                return "  " + short_letter("from", in->what, in->from.value) + ", " +
                       std::to_string(in->answers.size()) + " answers";
            break;
        case record_type::blob_piece: return "  piece " + std::to_string(record.header.step);
        case record_type::snapshot_part:
            return "  part " + std::to_string(record.header.step) +
                   ((record.header.flags & pipeline::snapshot_is_whole) != 0 ? ", the last" : "");
        default: break;
    }
    return {};
}

runtime::task<void> with_disk(runtime::unique_function<runtime::task<void>(storage::disk&)>& work, std::string& why) {
    auto disk =
        storage::embedded::make_real_disk(runtime::shard::here(), {storage::embedded::writer_kind::thread, true});
    if (disk.has_error()) {
        why = "the disk cannot be used: " + disk.error().message();
        co_return;
    }
    co_await work(**disk);
}

}  // namespace

std::string record_text(const storage::embedded::dumped_record& one) {
    const auto& h = one.record.header;
    std::string out = one.file + ":" + std::to_string(one.position) + "  " + std::to_string(h.partition.value) + "/" +
                      std::to_string(h.at) + "  " + runtime::to_rfc3339(h.time) + "  " + type_name(h.type);
    if (!h.entity.is_nil()) out += "  " + h.entity.to_string() + " attempt " + std::to_string(h.attempt);
    if (h.event_count > 0) {
        out += "  event " + std::to_string(h.first_event);
        if (h.event_count > 1) out += "-" + std::to_string(h.first_event + h.event_count - 1);
    }
    return out + "  " + std::to_string(one.record.payload.size()) + " B" + short_payload(one.record);
}

std::string record_json(const storage::embedded::dumped_record& one, std::string_view extra) {
    const auto& h = one.record.header;
    std::string out;
    http::json_writer json(out);
    json.begin_object().member("file", std::string_view(one.file)).member("position", one.position);
    json.member("partition", std::uint32_t{h.partition.value}).member("offset", std::uint64_t{h.at});
    json.member("epoch", std::uint64_t{h.writer}).member("time", h.time);
    json.member("type", std::string_view(type_name(h.type))).key("entity");
    if (h.entity.is_nil()) {
        json.null();
    } else {
        json.value(std::string_view(h.entity.to_string()));
    }
    json.member("attempt", std::uint32_t{h.attempt}).member("first_event", h.first_event);
    json.member("event_count", std::uint32_t{h.event_count}).member("step", h.step).member("flags", h.flags);
    json.member("payload_bytes", std::uint64_t{one.record.payload.size()});
    if (h.type == static_cast<std::uint16_t>(record_type::accepted)) write_accepted(json, one.record);
    if (h.type == static_cast<std::uint16_t>(record_type::snapshot_part)) write_part(json, one.record);
    if (h.type == static_cast<std::uint16_t>(record_type::key_table))
        if (const auto keys = pipeline::decode_keys(one.record.payload))
            json.member("keys", std::uint64_t{keys->size()});
    append_events(out, one.record);
    if (!extra.empty()) {
        out.push_back(',');
        out += extra;
    }
    out.push_back('}');
    return out;
}

bool on_a_shard(runtime::unique_function<runtime::task<void>(storage::disk&)> work, std::string& why) {
    runtime::shard_limits limits;
    limits.pinned = false;
    runtime::shard_group group(1, limits);
    group.start();
    group.run_and_wait(0, [&] { return with_disk(work, why); });
    group.stop();
    return why.empty();
}

}  // namespace app::cli
