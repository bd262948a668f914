#include "pipeline/transitions.hpp"

#include "runtime/base/assert.hpp"
#include "runtime/base/marks.hpp"
#include "runtime/base/planted_bug.hpp"

namespace pipeline {

using runtime::result;
using runtime::task;

transitions::transitions(runtime::shard& home, journal& journal, storage::blobs& blobs, execution_table& table,
                         std::size_t window_bytes_max)
    : home_(home), journal_(journal), blobs_(blobs), table_(table), window_bytes_max_(window_bytes_max), finished_() {
    for (std::size_t i = 0; i < finished_.size(); ++i) {
        const auto end = static_cast<status>(static_cast<std::size_t>(status::completed) + i);
        finished_[i] = &home.metrics().make_counter("weir_executions_finished_total", "Executions that have ended.",
                                                    {{"status", std::string(to_string(end))}});
    }
}

namespace {

storage::record_header first_header(const principal& who, execution_id id, runtime::partition_id partition) {
    storage::record_header header;
    header.type = static_cast<std::uint16_t>(record_type::accepted);
    header.format = record_format;
    header.entity_kind = entity_kind_execution;
    header.partition = partition;
    header.entity = id;
    header.tenant = who.tenant_id;
    header.user = who.user_id;
    header.first_event = 1;
    header.event_count = 3;
    header.attempt = 1;
    return header;
}

}  // namespace

// Puts bytes beside the record if they are many, else into it.
result<payload_bytes> transitions::claim_check(const storage::record_header& like, std::string_view bytes) {
    payload_bytes out;
    if (bytes.size() <= storage::blob_inline_bytes_max) {
        out.inline_bytes = bytes;
        return out;
    }
    const auto blob = blobs_.put(like, bytes);
    if (!blob) return blob.error();
    journal_.count_bytes(bytes.size());
    out.blob = *blob;
    return out;
}

result<payload_bytes> transitions::claim_check(const storage::record_header& like, std::string&& bytes) {
    if (bytes.size() > storage::blob_inline_bytes_max) return claim_check(like, std::string_view(bytes));
    payload_bytes out;
    out.inline_bytes = std::move(bytes);
    return out;
}

result<std::shared_ptr<execution>> transitions::accept(const principal& who, script_request request, execution_id id,
                                                       std::optional<key_entry> key) {
    const auto partition = runtime::partition_of(id.home(), journal_.partition_bits());
    const auto header = first_header(who, id, partition);
    const std::uint64_t begins = journal_.appended_bytes();
    auto script = claim_check(header, std::move(request.script));
    if (!script) return script.error();
    auto standard_input = claim_check(header, std::move(request.standard_input));
    if (!standard_input) return standard_input.error();
    std::string all_files;
    for (const auto& file : request.files) all_files += file.bytes;
    auto file_bytes = claim_check(header, std::move(all_files));
    if (!file_bytes) return file_bytes.error();

    accepted_record record;
    record.tenant = who.tenant;
    record.user = who.user;
    record.lang = std::move(request.lang);
    record.lang_version = std::move(request.lang_version);
    record.script = std::move(*script);
    record.priority = request.priority;
    record.limits = request.limits;
    record.retry = std::move(request.retry);
    record.key = key;
    record.cold_start = request.cold_start;
    auto& more = record.with_more();
    more.args = std::move(request.args);
    more.standard_input = std::move(*standard_input);
    more.labels = std::move(request.labels);
    more.traceparent = std::move(request.traceparent);
    for (auto& file : request.files) more.files.push_back({std::move(file.path), file.bytes.size()});
    more.file_bytes = std::move(*file_bytes);
    more.outputs = std::move(request.outputs);
    more.interactive = request.interactive;
    more.network = std::move(request.network);

    const std::string payload = encode(record);
    const auto stored = journal_.append(header, payload);
    if (!stored) return stored.error();
    const storage::record_view view{*stored, payload};
    auto e = execution::make(home_, view);
    WEIR_ASSERT(e != nullptr && e->apply(view, true));
    e->kept_from = begins;
    e->is_new = true;
    journal_.pin(partition, e->first_offset);
    table_.insert(e);
    return e;
}

void transitions::fold(const std::shared_ptr<execution>& e, const storage::record_header& stored,
                       std::string_view payload) {
    const storage::record_view view{stored, payload};
    WEIR_ALWAYS(e->apply(view, true), "what was just appended can be folded");
    if (e->is_ended()) {
        table_.ended(*e);
        finished_[static_cast<std::size_t>(e->status) - static_cast<std::size_t>(status::completed)]->add();
    }
    e->shrink_window(journal_.durable_through(e->partition), window_bytes_max_);
    if (e->changed.waiting() > 0 && (e->followers > 0 || e->is_ended())) announce(e);
}

void transitions::announce(const std::shared_ptr<execution>& e) {
    if (e->announced) return;
    e->announced = true;
    journal_.when_durable(e->partition, e->last_offset, [e] {
        e->announced = false;
        e->changed.notify_all();
    });
}

task<result<void>> transitions::append(std::shared_ptr<execution> e, record_type type, std::uint16_t event_count,
                                       std::string payload, ends_when when) {
    // At first without waiting, so that what becomes true together is together in one batch.
    auto stored = journal_.append(e->next_header(type, event_count), payload);
    while (!stored) {
        if (stored.error() != storage::log_errc::busy && stored.error() != storage::log_errc::no_space)
            co_return stored.error();
        WEIR_SOMETIMES(true, "a transition waited for room in the log");
        const auto room = co_await journal_.room();
        if (!room) co_return room.error();
        // The execution may have changed while we waited: its header is made anew.
        stored = journal_.append(e->next_header(type, event_count), payload);
    }
    fold(e, *stored, payload);
    if (when == ends_when::appended) co_return result<void>();
    co_return co_await journal_.durable_patiently(e->partition, e->last_offset);
}

result<void> transitions::request_cancellation(const std::shared_ptr<execution>& e) {
    if (e->cancellation_requested || e->is_ended()) return {};
    const auto stored = journal_.append(e->next_header(record_type::cancellation_requested, 1), {});
    if (!stored) return stored.error();
    fold(e, *stored, {});
    return {};
}

task<result<void>> transitions::schedule(std::shared_ptr<execution> e) {
    const bool early = runtime::planted(runtime::planted_bug::launch_before_intention);
    return append(std::move(e), record_type::scheduled, 1, {}, early ? ends_when::appended : ends_when::durable);
}

task<result<void>> transitions::start(std::shared_ptr<execution> e) {
    return append(std::move(e), record_type::started, 1, {}, ends_when::appended);
}

task<result<void>> transitions::output(std::shared_ptr<execution> e, output_record what) {
    return append(std::move(e), record_type::output, 1, encode(what), ends_when::appended);
}

task<result<void>> transitions::end_attempt(std::shared_ptr<execution> e, attempt_ended_record what) {
    return append(std::move(e), record_type::attempt_ended, 2, encode(what), ends_when::appended);
}

task<result<artifact_pieces>> transitions::put_artifact(std::shared_ptr<execution> e, std::string bytes) {
    artifact_pieces out;
    const std::string_view all = bytes;
    // Piece by piece, so that the log need not have room for all of it at once.
    for (std::size_t at = 0; at < all.size() || out.empty(); at += artifact_piece_bytes_max) {
        const auto piece = all.substr(at, artifact_piece_bytes_max);
        auto put = claim_check(e->next_header(record_type::concluded, 0), piece);
        while (!put) {
            if (put.error() != storage::log_errc::busy && put.error() != storage::log_errc::no_space)
                co_return put.error();
            const auto room = co_await journal_.room();
            if (!room) co_return room.error();
            put = claim_check(e->next_header(record_type::concluded, 0), piece);
        }
        out.push_back(std::move(*put));
    }
    co_return out;
}

task<result<void>> transitions::conclude(std::shared_ptr<execution> e, verdict_view verdict,
                                         std::vector<std::string> artifacts) {
    concluded_record what;
    what.verdict = std::move(verdict);
    WEIR_ASSERT(artifacts.size() == what.verdict.artifacts.size());
    e->concluding = true;
    if (!artifacts.empty()) return conclude_with(std::move(e), std::move(what), std::move(artifacts));
    return append(std::move(e), record_type::concluded, 1, encode(what), ends_when::durable);
}

task<result<void>> transitions::conclude_with(std::shared_ptr<execution> e, concluded_record what,
                                              std::vector<std::string> artifacts) {
    for (std::size_t i = 0; i < artifacts.size(); ++i) {
        auto& pieces = what.artifacts.emplace_back();
        if (what.verdict.artifacts[i].fault != artifact_fault::none) continue;
        auto put = co_await put_artifact(e, std::move(artifacts[i]));
        if (!put) co_return put.error();
        pieces = std::move(*put);
    }
    std::string payload = encode(what);
    co_return co_await append(std::move(e), record_type::concluded, 1, std::move(payload), ends_when::durable);
}

}  // namespace pipeline
