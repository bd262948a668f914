#include "app/cli/follow.hpp"

#include <cstring>

#include "http/client/error.hpp"
#include "http/client/event_source.hpp"

namespace app::cli {
namespace {

using http::client::event_source;
using runtime::task;

failure broken_stream(const std::string& what) {
    failure out;
    out.message = "the event stream is broken: " + what;
    out.json = "{\"code\":\"broken_stream\"}";
    return out;
}

// "SIGSEGV" as a number, or nothing.
std::optional<int> signal_number(const std::string& name) {
    if (!name.starts_with("SIG")) return std::nullopt;
    for (int number = 1; number < 65; ++number) {
        const char* known = ::sigabbrev_np(number);
        if (known != nullptr && name.compare(3, std::string::npos, known) == 0) return number;
    }
    return std::nullopt;
}

failure failure_of_source(const event_source& source, const http::client::url& server, runtime::error_code why) {
    if (why == http::client::errc::refused)
        return failure_of_answer(source.refusal().head.status, source.refusal().body);
    if (why != http::client::errc::gave_up) return failure_of_network(server, why);
    failure out = failure_of_network(server, source.failure());
    out.hint = "the execution goes on without this client";
    return out;
}

}  // namespace

outcome<bool> event_follower::take(const std::string& type, const std::string& data) {
    if (type == "reset") {
        may_jump_ = true;
        next_offset_.clear();
        note("the beginning is no longer kept; what follows is the rest");
        return false;
    }
    // A server that stops says so, and the next one goes on: nothing for a person to read.
    if (type == "drain") return false;
    return take_numbered(data);
}

outcome<bool> event_follower::take_numbered(const std::string& data) {
    const auto event = parse_stream_event(data);
    if (!event) return broken_stream("an event is not the JSON that it should be");
    if (event->number <= last_) return false;
    if (event->number != last_ + 1 && !may_jump_)
        return broken_stream("event " + std::to_string(event->number) + " follows " + std::to_string(last_));
    may_jump_ = false;
    last_ = event->number;
    if (options_.events_as_json && !options_.quiet) text_.out(data + "\n");
    if (event->type == "execution_output") {
        const auto written = write_output(*event);
        if (written.has_error()) return written.error();
    } else if (event->type == "execution_attempt_ended") {
        next_offset_.clear();
        const std::string why = event->end ? printable(event->end->error_type) : std::string();
        note("attempt " + std::to_string(event->attempt) + " ended (" + why + "); another one follows");
    } else if (event->end && is_terminal_status(event->end->status)) {
        end_ = event->end;
        // The summary and the shell's prompt begin on a line of their own.
        if (last_byte_ != '\n' && text_.error_is_terminal() && text_.out_is_terminal()) text_.error("\n");
        return true;
    }
    return options_.until && last_ >= *options_.until;
}

outcome<void> event_follower::write_output(const stream_event& event) {
    const auto known = next_offset_.find(event.stream);
    if (known != next_offset_.end() && known->second != event.offset)
        return broken_stream(event.stream + " goes on at byte " + std::to_string(event.offset) + " instead of " +
                             std::to_string(known->second));
    next_offset_[event.stream] = event.offset + event.bytes.size();
    if (options_.events_as_json || options_.quiet || event.bytes.empty()) return {};
    if (event.stream == "stderr") {
        text_.error(event.bytes);
    } else {
        text_.out(event.bytes);
    }
    last_byte_ = event.bytes.back();
    return {};
}

void event_follower::note(const std::string& line) const {
    if (!options_.quiet) text_.error(text_.paint_error(style::faint, "weir: " + line) + "\n");
}

task<outcome<followed>> follow(session& with, std::string id, follow_options options) {
    const auto path = execution_path(id);
    if (path.has_error()) co_return path.error();
    event_follower follower(with.text, options);
    const auto& server = with.server.server();
    const std::string after = options.after == 0 ? std::string() : std::to_string(options.after);
    event_source source(with.home, server, "/api/v1/events/executions/" + id, after);
    while (true) {
        const auto next = co_await source.next();
        if (next.has_error()) co_return failure_of_source(source, server, next.error());
        if (!*next) co_return follower.end();
        const auto done = follower.take((*next)->type, (*next)->data);
        if (done.has_error()) co_return done.error();
        if (*done) co_return follower.end();
    }
}

std::string summary_of(const verdict& end) {
    std::string out = printable(end.status);
    if (!end.error_type.empty() && end.error_type != end.status) out += " (" + printable(end.error_type) + ")";
    if (end.exit_code) out += ", exit code " + std::to_string(*end.exit_code);
    if (!end.signal.empty()) out += ", signal " + printable(end.signal);
    const usage& used = end.resources;
    out += ", wall " + (used.wall_seconds ? human_seconds(*used.wall_seconds) : "unknown");
    out += ", CPU " + (used.cpu_seconds ? human_seconds(*used.cpu_seconds) : "unknown");
    out += ", peak memory " + (used.peak_memory_kb ? human_bytes(*used.peak_memory_kb * 1024) : "unknown");
    if (end.stdout_truncated) out += ", stdout truncated";
    if (end.stderr_truncated) out += ", stderr truncated";
    const bool says_more = end.error_message != end.status && end.error_message != end.error_type;
    if (!end.error_message.empty() && says_more) out += ": " + printable(end.error_message);
    return out;
}

int exit_code_of(const verdict& end) {
    if (end.status == "completed") return exit_ok;
    if (end.status == "timeout") return exit_time_limit;
    if (end.status == "cancelled") return exit_interrupted;
    if (end.error_type == "exit_code" && end.exit_code) return static_cast<int>(*end.exit_code & 0xff);
    if (end.error_type == "signal") {
        const auto number = signal_number(end.signal);
        if (number) return exit_signal_base + *number;
    }
    return exit_run_failed;
}

}  // namespace app::cli
