#include "http/message/problem.hpp"

#include <array>

#include "http/json_writer.hpp"
#include "runtime/base/assert.hpp"

namespace http {
namespace {

using front_door::refusal;
using pipeline::failure_code;

constexpr std::array kinds = {
    // The engine's failures, in the order of pipeline::failure_code.
    problem_kind{"not_found", 404, "Not found", false, "There is no such thing, or it is not yours."},
    problem_kind{"not_finished", 409, "Not finished", true, "The execution has not ended yet."},
    problem_kind{"already_finished", 409, "Already finished", false, "The execution has ended; nothing is left to do."},
    problem_kind{"idempotency_in_progress", 409, "Still undecided", true,
                 "A request with this Idempotency-Key is being accepted; ask again."},
    problem_kind{"idempotency_key_reused", 422, "Idempotency key reused", false,
                 "This Idempotency-Key was used with another body."},
    problem_kind{"invalid", 422, "Invalid request", false,
                 "The request is well formed, but breaks the rules in errors."},
    problem_kind{"bad_cursor", 400, "Bad cursor", false,
                 "The cursor is not one of ours, or belongs to a list with other filters."},
    problem_kind{"bad_event_number", 400, "Bad event number", false,
                 "The event number is not a number, or lies beyond the last event."},
    problem_kind{"limited", 429, "Too many requests", true,
                 "A limit that concerns you was reached; it is named in limit."},
    problem_kind{"overloaded", 503, "Overloaded", true, "A limit of the server was reached; it is named in limit."},
    problem_kind{"draining", 503, "Shutting down", true, "The server is shutting down and takes no new work."},
    problem_kind{"storage_failed", 503, "Storage failed", true, "Storage has failed; nothing is acknowledged for now."},
    problem_kind{"no_space", 507, "Disk full", true, "There is no disk space left."},
    problem_kind{"archive_damaged", 500, "Archive damaged", false,
                 "A part of the archive of ended executions cannot be read; an operator can repair it."},
    problem_kind{"not_interactive", 409, "Not interactive", false,
                 "The execution was not asked for with interactive, so that nobody can type to it."},
    problem_kind{"internal", 500, "Internal error", true, "Something broke here that should not have."},
    // The front door's refusals, in the order of front_door::refusal (without none).
    problem_kind{"malformed_request", 400, "Malformed request", false,
                 "The request line or a header field breaks the grammar of HTTP/1.1."},
    problem_kind{"bad_host", 400, "Bad Host", false, "A request needs exactly one well-formed Host field."},
    problem_kind{"bad_transfer_encoding", 400, "Bad Transfer-Encoding", false,
                 "The only transfer coding taken is chunked, once, and on HTTP/1.1."},
    problem_kind{"bad_content_length", 400, "Bad Content-Length", false,
                 "Content-Length must be one number, given once."},
    problem_kind{"ambiguous_length", 400, "Ambiguous length", false,
                 "Content-Length and Transfer-Encoding exclude each other."},
    problem_kind{"header_fold", 400, "Folded header", false, "A header field must stand on one line."},
    problem_kind{"bad_target", 400, "Bad target", false, "The request target is not one that this server takes."},
    problem_kind{"bad_chunk", 400, "Bad chunk", false, "The chunked body breaks its grammar."},
    problem_kind{"chunk_overhead_too_large", 400, "Chunk overhead too large", false,
                 "The extensions and trailers of the chunked body are too large."},
    problem_kind{"request_timeout", 408, "Request timeout", true, "The request did not arrive in time."},
    problem_kind{"body_too_large", 413, "Body too large", false, "The request's body is larger than the limit."},
    problem_kind{"target_too_long", 414, "Target too long", false, "The request target is longer than the limit."},
    problem_kind{"expectation_failed", 417, "Expectation failed", false, "The only expectation met is 100-continue."},
    problem_kind{"headers_too_large", 431, "Headers too large", false,
                 "The request's header fields are larger, or more, than the limit."},
    problem_kind{"method_not_implemented", 501, "Method not implemented", false, "This method is known nowhere here."},
    problem_kind{"version_not_supported", 505, "Version not supported", false,
                 "This server speaks HTTP/1.1, and HTTP/1.0 for old clients."},
    problem_kind{"too_many_bodies", 503, "Overloaded", true, "All request bodies together reached their limit."},
    // The API's own.
    problem_kind{"malformed_json", 400, "Malformed JSON", false, "The body is not one well-formed JSON text in UTF-8."},
    problem_kind{"bad_query", 400, "Bad query", false, "A query parameter is unknown, repeated or has a bad value."},
    problem_kind{"bad_header", 400, "Bad header", false, "A header field has a value that it may not have."},
    problem_kind{"method_not_allowed", 405, "Method not allowed", false,
                 "This path has other methods; they are named in Allow."},
    problem_kind{"unsupported_media_type", 415, "Unsupported media type", false, "The body must be application/json."},
    problem_kind{"range_not_satisfiable", 416, "Range not satisfiable", false, "The range lies beyond the end."},
    problem_kind{"upgrade_required", 426, "Upgrade required", false,
                 "This path speaks WebSocket, version 13; the request must ask for it."},
    problem_kind{"origin_not_allowed", 403, "Origin not allowed", false,
                 "A page of another site may not open a WebSocket here."},
    problem_kind{"network_not_allowed", 403, "Network not allowed", false,
                 "The operator does not allow programs to reach what the request's network names."},
    problem_kind{"not_allowed", 403, "Not allowed", false, "You may not do this; an operator may."},
    problem_kind{"backup_in_progress", 409, "Backup in progress", true,
                 "There is a backup already; it goes when it is removed, or some minutes after it was last read."},
    problem_kind{"backup_failed", 500, "Backup failed", true, "The backup could not be made or read; detail says why."},
    problem_kind{"not_ready", 503, "Not ready", true, "The server does not take work yet."},
};

constexpr std::size_t first_refusal = static_cast<std::size_t>(failure_code::internal) + 1;
static_assert(kinds[static_cast<std::size_t>(failure_code::internal)].code == "internal");
static_assert(kinds[first_refusal + static_cast<std::size_t>(refusal::too_many_bodies) - 1].code == "too_many_bodies");

const problem_kind& known(std::string_view code) {
    const auto* const kind = find_problem_kind(code);
    WEIR_ASSERT(kind != nullptr);
    return *kind;
}

}  // namespace

std::span<const problem_kind> problem_kinds() { return kinds; }

const problem_kind* find_problem_kind(std::string_view code) {
    for (const auto& kind : kinds)
        if (kind.code == code) return &kind;
    return nullptr;
}

const problem_kind& kind_of(refusal why) {
    WEIR_ASSERT(why != refusal::none);
    return kinds[first_refusal + static_cast<std::size_t>(why) - 1];
}

const problem_kind& kind_of(failure_code code) { return kinds[static_cast<std::size_t>(code)]; }

problem::problem(std::string_view code, std::string d) : kind(&known(code)), detail(std::move(d)) {}

problem::problem(pipeline::failure why)
    : kind(&kind_of(why.code)),
      detail(std::move(why.detail)),
      limit(std::move(why.limit)),
      limit_value(why.limit_value),
      retry_after_s(why.retry_after_s),
      errors(std::move(why.errors)) {}

void append_problem_json(std::string& out, const problem& what, std::string_view request_id) {
    const auto& kind = *what.kind;
    json_writer json(out);
    json.begin_object();
    json.member("type", "/problems/" + std::string(kind.code));
    json.member("title", kind.title);
    json.member("status", std::uint64_t{kind.status});
    json.member("detail", what.detail.empty() ? kind.description : std::string_view(what.detail));
    json.member("code", kind.code);
    json.member("request_id", request_id);
    json.member("retryable", kind.retryable);
    if (!what.limit.empty()) json.member("limit", what.limit).member("limit_value", what.limit_value);
    if (!what.errors.empty()) {
        json.key("errors").begin_array();
        for (const auto& error : what.errors) {
            json.begin_object().member("pointer", error.pointer).member("code", error.code);
            json.member("detail", error.detail).end_object();
        }
        json.end_array();
    }
    json.end_object();
}

}  // namespace http
