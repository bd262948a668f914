// The contract's JSON of what the engine knows. The same input gives the same bytes, for ever: events promise that.
#pragma once

#include <memory>
#include <string>

#include "http/json_writer.hpp"
#include "http/message/response.hpp"
#include "pipeline/engine.hpp"

namespace http::api {

// SIGSEGV and so on; SIG and the number where there is no name.
std::string signal_name(int number);

void write_execution(json_writer& json, const pipeline::execution_view& view);
// status, exit_code, signal, error_type, error_message, resource_usage and the flags of truncation, as members.
void write_verdict(json_writer& json, const pipeline::verdict_view& verdict);
void write_usage(json_writer& json, const std::optional<pipeline::usage>& usage);

// One line: the `data` of an event.
void append_event_json(std::string& out, const runtime::execution_id& id, const pipeline::event& event);

// The answer of the result route: small ones at once, large ones piece by piece.
response result_response(pipeline::result_view view);

// Whether these bytes go out as text (valid UTF-8) or as base64.
bool is_text(std::string_view bytes);

}  // namespace http::api
