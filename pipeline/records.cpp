#include "pipeline/records.hpp"

#include <google/protobuf/stubs/logging.h>

#include <algorithm>

#include "pipeline/records.pb.h"

namespace pipeline {
namespace {

void fill(proto::Payload& out, const payload_bytes& in) {
    if (in.is_blob()) {
        out.set_blob_first(in.blob.first);
        out.set_blob_pieces(in.blob.pieces);
        out.set_blob_bytes(in.blob.bytes);
    } else {
        out.set_inline_bytes(in.inline_bytes);
    }
}

payload_bytes read(const proto::Payload& in) {
    payload_bytes out;
    out.inline_bytes = in.inline_bytes();
    out.blob = {in.blob_first(), in.blob_pieces(), in.blob_bytes()};
    return out;
}

template <class Container>
std::string to_bytes(const Container& in) {
    return {reinterpret_cast<const char*>(in.data()), in.size()};
}

// False when the size is another one.
template <class Container>
bool from_bytes(Container& out, const std::string& in) {
    if (in.size() != out.size()) return false;
    std::copy_n(in.begin(), out.size(), reinterpret_cast<char*>(out.data()));
    return true;
}

void fill(proto::KeyEntry& out, const key_entry& in) {
    out.set_key_hash(to_bytes(in.key));
    out.set_body_sha256(to_bytes(in.body_sha256));
    if (!in.execution.is_nil()) out.set_execution(to_bytes(in.execution.bytes));
    out.set_expires_us(in.expires.microseconds_since_epoch);
}

std::optional<key_entry> read(const proto::KeyEntry& in) {
    key_entry out;
    if (!from_bytes(out.key, in.key_hash()) || !from_bytes(out.body_sha256, in.body_sha256())) return std::nullopt;
    if (!in.execution().empty() && !from_bytes(out.execution.bytes, in.execution())) return std::nullopt;
    out.expires = {in.expires_us()};
    return out;
}

void fill(proto::NetworkUse& out, const network_use& in) {
    out.set_mode(static_cast<std::uint32_t>(in.mode));
    out.set_connections(in.connections);
    out.set_refused(in.refused);
    out.set_sent_bytes(in.sent_bytes);
    out.set_received_bytes(in.received_bytes);
    out.set_bytes_limit_reached(in.bytes_limit_reached);
    for (const auto& refusal : in.refusals) {
        auto& one = *out.add_refusals();
        one.set_to(refusal.to);
        one.set_why(static_cast<std::uint32_t>(refusal.why));
    }
}

std::optional<network_use> read(const proto::NetworkUse& in) {
    if (in.mode() > static_cast<std::uint32_t>(network_mode::open)) return std::nullopt;
    network_use out;
    out.mode = static_cast<network_mode>(in.mode());
    out.connections = in.connections();
    out.refused = in.refused();
    out.sent_bytes = in.sent_bytes();
    out.received_bytes = in.received_bytes();
    out.bytes_limit_reached = in.bytes_limit_reached();
    for (const auto& refusal : in.refusals()) {
        if (refusal.why() > static_cast<std::uint32_t>(network_refusal::own_address)) return std::nullopt;
        out.refusals.push_back({refusal.to(), static_cast<network_refusal>(refusal.why())});
    }
    return out;
}

void fill(proto::Verdict& out, const verdict_view& in) {
    out.set_status(static_cast<std::uint32_t>(in.status));
    if (in.exit_code) out.set_exit_code(*in.exit_code);
    if (in.signal) out.set_signal(*in.signal);
    out.set_error_type(static_cast<std::uint32_t>(in.error_type));
    out.set_error_message(in.error_message);
    out.set_stdout_truncated(in.stdout_truncated);
    out.set_stderr_truncated(in.stderr_truncated);
    if (in.isolation) {
        out.mutable_isolation()->set_limits(static_cast<std::uint32_t>(in.isolation->limits));
        out.mutable_isolation()->set_start(static_cast<std::uint32_t>(in.isolation->start));
    }
    if (in.network) fill(*out.mutable_network(), *in.network);
    for (const auto& artifact : in.artifacts) {
        auto& one = *out.add_artifacts();
        one.set_path(artifact.path);
        one.set_bytes(artifact.bytes);
        one.set_fault(static_cast<std::uint32_t>(artifact.fault));
    }
    if (!in.resource_usage) return;
    auto& usage = *out.mutable_usage();
    usage.set_wall_us(in.resource_usage->wall_us);
    if (in.resource_usage->cpu_us) usage.set_cpu_us(*in.resource_usage->cpu_us);
    if (in.resource_usage->peak_memory_bytes) usage.set_peak_memory_bytes(*in.resource_usage->peak_memory_bytes);
    if (in.resource_usage->peak_processes) usage.set_peak_processes(*in.resource_usage->peak_processes);
    usage.set_output_bytes(in.resource_usage->output_bytes);
}

std::optional<verdict_view> read(const proto::Verdict& in) {
    if (in.status() > static_cast<std::uint32_t>(status::cancelled)) return std::nullopt;
    if (in.error_type() > static_cast<std::uint32_t>(error_type::cancelled)) return std::nullopt;
    verdict_view out;
    out.status = static_cast<status>(in.status());
    if (in.has_exit_code()) out.exit_code = in.exit_code();
    if (in.has_signal()) out.signal = in.signal();
    out.error_type = static_cast<error_type>(in.error_type());
    out.error_message = in.error_message();
    out.stdout_truncated = in.stdout_truncated();
    out.stderr_truncated = in.stderr_truncated();
    if (in.has_isolation()) {
        if (in.isolation().limits() > static_cast<std::uint32_t>(isolation_limits::rlimit)) return std::nullopt;
        if (in.isolation().start() > static_cast<std::uint32_t>(isolation_start::parked)) return std::nullopt;
        out.isolation = {static_cast<isolation_limits>(in.isolation().limits()),
                         static_cast<isolation_start>(in.isolation().start())};
    }
    if (in.has_network()) {
        out.network = read(in.network());
        if (!out.network) return std::nullopt;
    }
    for (const auto& artifact : in.artifacts()) {
        if (artifact.fault() > static_cast<std::uint32_t>(artifact_fault::unreadable)) return std::nullopt;
        out.artifacts.push_back({artifact.path(), artifact.bytes(), static_cast<artifact_fault>(artifact.fault())});
    }
    if (!in.has_usage()) return out;
    usage used;
    used.wall_us = in.usage().wall_us();
    if (in.usage().has_cpu_us()) used.cpu_us = in.usage().cpu_us();
    if (in.usage().has_peak_memory_bytes()) used.peak_memory_bytes = in.usage().peak_memory_bytes();
    if (in.usage().has_peak_processes()) used.peak_processes = in.usage().peak_processes();
    used.output_bytes = in.usage().output_bytes();
    out.resource_usage = used;
    return out;
}

template <class Labels>
void fill_labels(Labels& out, const std::map<std::string, std::string>& in) {
    for (const auto& [name, value] : in) {
        auto& label = *out.Add();
        label.set_name(name);
        label.set_value(value);
    }
}

template <class Labels>
std::map<std::string, std::string> read_labels(const Labels& in) {
    std::map<std::string, std::string> out;
    for (const auto& label : in) out.emplace(label.name(), label.value());
    return out;
}

// Protobuf would print what it cannot parse; our answer is the return value.
[[maybe_unused]] const auto quiet = google::protobuf::SetLogHandler(nullptr);

template <class Message>
std::optional<Message> parse(std::string_view payload) {
    Message message;
    if (!message.ParseFromArray(payload.data(), static_cast<int>(payload.size()))) return std::nullopt;
    return message;
}

}  // namespace

const accepted_record::extras& accepted_record::more() const {
    static const extras none;
    return more_ ? *more_ : none;
}

accepted_record::extras& accepted_record::with_more() {
    if (!more_) more_ = extras();
    return *more_;
}

void accepted_record::move_blobs(const payload_places& to) {
    if (script.is_blob()) script.blob = to[0];
    if (!more_) return;
    if (more_->standard_input.is_blob()) more_->standard_input.blob = to[1];
    if (more_->file_bytes.is_blob()) more_->file_bytes.blob = to[2];
}

std::string encode(const accepted_record& value) {
    const auto& more = value.more();
    proto::Accepted out;
    out.set_tenant(value.tenant);
    out.set_user(value.user);
    out.set_lang(value.lang);
    out.set_lang_version(value.lang_version);
    fill(*out.mutable_script(), value.script);
    for (const auto& arg : more.args) out.add_args(arg);
    if (more.standard_input.is_blob() || !more.standard_input.inline_bytes.empty())
        fill(*out.mutable_standard_input(), more.standard_input);
    out.set_priority(static_cast<std::uint32_t>(value.priority));
    auto& limits = *out.mutable_limits();
    limits.set_wall_ms(value.limits.wall_ms);
    limits.set_cpu_ms(value.limits.cpu_ms);
    limits.set_memory_bytes(value.limits.memory_bytes);
    limits.set_processes(value.limits.processes);
    limits.set_output_bytes(value.limits.output_bytes);
    limits.set_disk_bytes(value.limits.disk_bytes);
    limits.set_kill_on_output_limit(value.limits.kill_on_output_limit);
    auto& retry = *out.mutable_retry();
    retry.set_attempts_max(value.retry.attempts_max);
    for (const error_type on : value.retry.on) retry.add_on(static_cast<std::uint32_t>(on));
    retry.set_backoff_ms(value.retry.backoff_ms);
    fill_labels(*out.mutable_labels(), more.labels);
    out.set_traceparent(more.traceparent);
    if (value.key) fill(*out.mutable_key(), *value.key);
    for (const auto& file : more.files) {
        auto& one = *out.add_files();
        one.set_path(file.path);
        one.set_bytes(file.bytes);
    }
    if (!more.files.empty()) fill(*out.mutable_file_bytes(), more.file_bytes);
    for (const auto& path : more.outputs) out.add_outputs(path);
    if (more.interactive) {
        auto& how = *out.mutable_interactive();
        how.set_rows(more.interactive->terminal ? more.interactive->terminal->rows : 0);
        how.set_columns(more.interactive->terminal ? more.interactive->terminal->columns : 0);
    }
    if (more.network.mode != network_mode::none) {
        auto& network = *out.mutable_network();
        network.set_mode(static_cast<std::uint32_t>(more.network.mode));
        for (const auto& rule : more.network.allow) network.add_allow(rule);
    }
    if (value.cold_start) out.set_cold_start(true);
    return out.SerializeAsString();
}

std::optional<std::string> with_blobs(std::string_view accepted_payload, const payload_places& places) {
    auto in = parse<proto::Accepted>(accepted_payload);
    if (!in) return std::nullopt;
    const auto move_to = [](proto::Payload& what, const storage::blob_reference& where) {
        if (what.blob_first() != 0) what.set_blob_first(where.first);
    };
    if (in->has_script()) move_to(*in->mutable_script(), places[0]);
    if (in->has_standard_input()) move_to(*in->mutable_standard_input(), places[1]);
    if (in->has_file_bytes()) move_to(*in->mutable_file_bytes(), places[2]);
    return in->SerializeAsString();
}

namespace {

// False if it cannot be read.
bool read_extras(const proto::Accepted& in, accepted_record& out) {
    const bool any = in.args_size() > 0 || in.has_standard_input() || in.labels_size() > 0 ||
                     !in.traceparent().empty() || in.files_size() > 0 || in.outputs_size() > 0 ||
                     in.has_interactive() || in.has_network();
    if (!any) return true;
    auto& more = out.with_more();
    more.args.assign(in.args().begin(), in.args().end());
    more.standard_input = read(in.standard_input());
    more.labels = read_labels(in.labels());
    more.traceparent = in.traceparent();
    for (const auto& file : in.files()) more.files.push_back({file.path(), file.bytes()});
    more.file_bytes = read(in.file_bytes());
    more.outputs.assign(in.outputs().begin(), in.outputs().end());
    if (in.network().mode() > static_cast<std::uint32_t>(network_mode::open)) return false;
    more.network.mode = static_cast<network_mode>(in.network().mode());
    more.network.allow.assign(in.network().allow().begin(), in.network().allow().end());
    if (!in.has_interactive()) return true;
    auto& how = more.interactive.emplace();
    const auto rows = in.interactive().rows();
    const auto columns = in.interactive().columns();
    if (rows > terminal_rows_max || columns > terminal_columns_max) return false;
    if (rows != 0) how.terminal = {static_cast<std::uint16_t>(rows), static_cast<std::uint16_t>(columns)};
    return true;
}

}  // namespace

std::optional<accepted_record> decode_accepted(std::string_view payload) {
    const auto in = parse<proto::Accepted>(payload);
    if (!in || in->priority() > static_cast<std::uint32_t>(priority::background)) return std::nullopt;
    accepted_record out;
    out.tenant = in->tenant();
    out.user = in->user();
    out.lang = in->lang();
    out.lang_version = in->lang_version();
    out.script = read(in->script());
    out.priority = static_cast<priority>(in->priority());
    const auto& limits = in->limits();
    out.limits = {limits.wall_ms(),      limits.cpu_ms(),     limits.memory_bytes(),        limits.processes(),
                  limits.output_bytes(), limits.disk_bytes(), limits.kill_on_output_limit()};
    out.retry.attempts_max = in->retry().attempts_max();
    for (const auto on : in->retry().on()) {
        if (on > static_cast<std::uint32_t>(error_type::cancelled)) return std::nullopt;
        out.retry.on.push_back(static_cast<error_type>(on));
    }
    out.retry.backoff_ms = in->retry().backoff_ms();
    if (in->has_key()) {
        out.key = read(in->key());
        if (!out.key) return std::nullopt;
    }
    if (!read_extras(*in, out)) return std::nullopt;
    out.cold_start = in->cold_start();
    return out;
}

std::string encode(const output_record& value) {
    proto::Output out;
    out.set_stream(static_cast<std::uint32_t>(value.stream));
    out.set_offset(value.offset);
    out.set_is_text(value.is_text);
    out.set_bytes(value.bytes);
    return out.SerializeAsString();
}

std::optional<output_record> decode_output(std::string_view payload) {
    auto in = parse<proto::Output>(payload);
    if (!in || in->stream() > 1) return std::nullopt;
    return output_record{static_cast<stream>(in->stream()), in->offset(), in->is_text(),
                         std::move(*in->mutable_bytes())};
}

std::string encode(const attempt_ended_record& value) {
    proto::AttemptEnded out;
    fill(*out.mutable_verdict(), value.verdict);
    out.set_next_not_before_us(value.next_not_before.microseconds_since_epoch);
    return out.SerializeAsString();
}

std::optional<attempt_ended_record> decode_attempt_ended(std::string_view payload) {
    const auto in = parse<proto::AttemptEnded>(payload);
    if (!in) return std::nullopt;
    auto verdict = read(in->verdict());
    if (!verdict) return std::nullopt;
    return attempt_ended_record{std::move(*verdict), {in->next_not_before_us()}};
}

std::string encode(const concluded_record& value) {
    proto::Concluded out;
    fill(*out.mutable_verdict(), value.verdict);
    for (const auto& artifact : value.artifacts) {
        auto& one = *out.add_artifacts();
        for (const auto& piece : artifact) fill(*one.add_pieces(), piece);
    }
    return out.SerializeAsString();
}

std::optional<concluded_record> decode_concluded(std::string_view payload) {
    const auto in = parse<proto::Concluded>(payload);
    if (!in) return std::nullopt;
    auto verdict = read(in->verdict());
    if (!verdict) return std::nullopt;
    concluded_record out;
    out.verdict = std::move(*verdict);
    for (const auto& artifact : in->artifacts()) {
        auto& one = out.artifacts.emplace_back();
        for (const auto& piece : artifact.pieces()) one.push_back(read(piece));
    }
    return out;
}

std::string encode(std::span<const key_entry> keys) {
    proto::KeyTable out;
    for (const auto& key : keys) fill(*out.add_keys(), key);
    return out.SerializeAsString();
}

std::optional<std::vector<key_entry>> decode_keys(std::string_view payload) {
    const auto in = parse<proto::KeyTable>(payload);
    if (!in) return std::nullopt;
    std::vector<key_entry> out;
    for (const auto& key : in->keys()) {
        auto entry = read(key);
        if (!entry) return std::nullopt;
        out.push_back(*entry);
    }
    return out;
}

std::string encode(const summary& value) {
    proto::Summary out;
    out.set_lang(value.lang);
    out.set_lang_version(value.lang_version);
    out.set_priority(static_cast<std::uint32_t>(value.priority));
    fill_labels(*out.mutable_labels(), value.labels);
    out.set_attempt(value.attempt);
    out.set_started_us(value.started_at ? value.started_at->microseconds_since_epoch : 0);
    out.set_finished_us(value.finished_at.microseconds_since_epoch);
    out.set_last_event(value.last_event);
    fill(*out.mutable_verdict(), value.verdict);
    return out.SerializeAsString();
}

std::optional<summary> decode_summary(std::string_view bytes) {
    const auto in = parse<proto::Summary>(bytes);
    if (!in || in->priority() > static_cast<std::uint32_t>(priority::background)) return std::nullopt;
    auto verdict = read(in->verdict());
    if (!verdict) return std::nullopt;
    summary out;
    out.lang = in->lang();
    out.lang_version = in->lang_version();
    out.priority = static_cast<priority>(in->priority());
    out.labels = read_labels(in->labels());
    out.attempt = in->attempt();
    if (in->started_us() != 0) out.started_at = runtime::utc_time{in->started_us()};
    out.finished_at = {in->finished_us()};
    out.last_event = in->last_event();
    out.verdict = std::move(*verdict);
    return out;
}

std::string encode_chunk(const std::vector<storage::record>& records) {
    proto::ArchivedRecords out;
    for (const auto& record : records) {
        auto& one = *out.add_records();
        one.set_type(record.header.type);
        one.set_time_us(record.header.time.microseconds_since_epoch);
        one.set_attempt(record.header.attempt);
        one.set_first_event(record.header.first_event);
        one.set_event_count(record.header.event_count);
        one.set_payload(record.payload);
    }
    return out.SerializeAsString();
}

std::optional<std::vector<storage::record>> decode_chunk(std::string_view bytes) {
    auto in = parse<proto::ArchivedRecords>(bytes);
    if (!in) return std::nullopt;
    std::vector<storage::record> out;
    out.reserve(static_cast<std::size_t>(in->records_size()));
    for (auto& one : *in->mutable_records()) {
        storage::record record;
        record.header.type = static_cast<std::uint16_t>(one.type());
        record.header.format = record_format;
        record.header.entity_kind = entity_kind_execution;
        record.header.time = {one.time_us()};
        record.header.attempt = static_cast<std::uint16_t>(one.attempt());
        record.header.first_event = one.first_event();
        record.header.event_count = static_cast<std::uint16_t>(one.event_count());
        record.payload = std::move(*one.mutable_payload());
        out.push_back(std::move(record));
    }
    return out;
}

std::string encode_artifact_piece(std::string_view bytes) {
    storage::record record;
    record.header.type = static_cast<std::uint16_t>(record_type::blob_piece);
    record.payload = bytes;
    return encode_chunk({std::move(record)});
}

std::optional<std::string> decode_artifact_piece(std::string_view chunk) {
    auto records = decode_chunk(chunk);
    const bool good = records && records->size() == 1 &&
                      records->front().header.type == static_cast<std::uint16_t>(record_type::blob_piece);
    if (!good) return std::nullopt;
    return std::move(records->front().payload);
}

std::optional<std::vector<storage::record>> records_of_part(const storage::record_view& part) {
    auto records = decode_chunk(part.payload);
    if (!records) return std::nullopt;
    for (auto& record : *records) {
        auto& header = record.header;
        header.partition = part.header.partition;
        header.at = part.header.at;
        header.writer = part.header.writer;
        header.entity = part.header.entity;
        header.tenant = part.header.tenant;
        header.user = part.header.user;
    }
    return records;
}

}  // namespace pipeline
