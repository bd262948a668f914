#include "http/api/render.hpp"

#include <simdjson.h>

#include <csignal>
#include <cstring>

#include "runtime/base/encoding.hpp"

namespace http::api {
namespace {

// Above this many bytes of both streams the JSON is made while it is sent.
constexpr std::size_t rendered_at_once_max = 128 * 1024;
// A multiple of three, so that pieces of base64 join without padding.
constexpr std::size_t piece_bytes = 48 * 1024;

void write_status(json_writer& json, const pipeline::verdict_view& verdict) {
    json.member("status", pipeline::to_string(verdict.status));
    json.member("exit_code", verdict.exit_code);
    json.key("signal");
    if (verdict.signal) {
        json.value(signal_name(*verdict.signal));
    } else {
        json.null();
    }
    json.key("error_type");
    if (verdict.error_type == pipeline::error_type::none) {
        json.null();
    } else {
        json.value(pipeline::to_string(verdict.error_type));
    }
    json.key("error_message");
    if (verdict.error_message.empty()) {
        json.null();
    } else {
        json.value(verdict.error_message);
    }
}

void write_result_head(json_writer& json, const pipeline::result_view& view) {
    json.begin_object().member("execution_id", view.id.to_string());
    write_status(json, view.verdict);
}

void write_isolation(json_writer& json, const pipeline::verdict_view& verdict) {
    json.key("isolation");
    if (!verdict.isolation) {
        json.null();
        return;
    }
    json.begin_object().member("limits", pipeline::to_string(verdict.isolation->limits));
    json.member("start", pipeline::to_string(verdict.isolation->start)).end_object();
}

void write_network(json_writer& json, const pipeline::verdict_view& verdict) {
    json.key("network");
    if (!verdict.network) {
        json.null();
        return;
    }
    const auto& used = *verdict.network;
    json.begin_object().member("mode", pipeline::to_string(used.mode)).member("connections", used.connections);
    json.member("refused", used.refused).member("sent_bytes", used.sent_bytes);
    json.member("received_bytes", used.received_bytes).member("bytes_limit_reached", used.bytes_limit_reached);
    json.key("refusals").begin_array();
    for (const auto& refusal : used.refusals) {
        json.begin_object().member("to", refusal.to).member("reason", pipeline::to_string(refusal.why));
        json.member("detail", pipeline::explain(refusal.why)).end_object();
    }
    json.end_array().end_object();
}

void write_artifacts(json_writer& json, const pipeline::verdict_view& verdict) {
    json.key("artifacts").begin_array();
    for (std::size_t i = 0; i < verdict.artifacts.size(); ++i) {
        const auto& artifact = verdict.artifacts[i];
        const bool good = artifact.fault == pipeline::artifact_fault::none;
        json.begin_object().key("artifact_id");
        if (good) {
            json.value(std::to_string(i + 1));
        } else {
            json.null();
        }
        json.member("path", artifact.path).member("bytes", artifact.bytes).member("file_error", !good).key("reason");
        if (good) {
            json.null();
        } else {
            json.value(pipeline::to_string(artifact.fault));
        }
        json.end_object();
    }
    json.end_array();
}

void write_result_tail(json_writer& json, const pipeline::result_view& view, bool out_text, bool error_text) {
    json.member("stdout_encoding", out_text ? "utf-8" : "base64");
    json.member("stderr_encoding", error_text ? "utf-8" : "base64");
    json.member("stdout_truncated", view.verdict.stdout_truncated);
    json.member("stderr_truncated", view.verdict.stderr_truncated);
    json.key("resource_usage");
    write_usage(json, view.verdict.resource_usage);
    write_isolation(json, view.verdict);
    write_network(json, view.verdict);
    write_artifacts(json, view.verdict);
    json.member("lang", view.lang).member("lang_version", view.lang_version);
    json.member("priority", pipeline::to_string(view.priority)).end_object();
}

void append_stream(std::string& out, std::string_view bytes, bool text) {
    if (text) {
        append_escaped(out, bytes);
    } else {
        out += runtime::base64_encode(bytes);
    }
}

// head, stdout piece by piece, stderr piece by piece, tail.
class result_source final : public body_source {
  public:
    explicit result_source(pipeline::result_view view)
        : view_(std::move(view)),
          out_text_(is_text(view_.standard_output)),
          error_text_(is_text(view_.standard_error)) {}

    bool next(std::string& out) override {
        if (step_ == 0) {
            json_writer json(out);
            write_result_head(json, view_);
            out += ",\"stdout\":\"";
            step_ = 1;
        } else if (step_ == 1 && !piece(out, view_.standard_output, out_text_)) {
            out += "\",\"stderr\":\"";
            step_ = 2;
        } else if (step_ == 2 && !piece(out, view_.standard_error, error_text_)) {
            out += "\"";
            std::string tail;
            json_writer json(tail);
            json.begin_object();
            write_result_tail(json, view_, out_text_, error_text_);
            tail.front() = ',';
            out += tail;
            step_ = 3;
        } else if (step_ == 3) {
            return false;
        }
        return true;
    }

    [[nodiscard]] std::size_t size() const override {
        return view_.standard_output.size() + view_.standard_error.size();
    }

  private:
    bool piece(std::string& out, const std::string& bytes, bool text) {
        const auto rest = std::string_view(bytes).substr(position_);
        append_stream(out, rest.substr(0, piece_bytes), text);
        position_ += std::min(rest.size(), piece_bytes);
        if (position_ < bytes.size()) return true;
        position_ = 0;
        return false;
    }

    pipeline::result_view view_;
    bool out_text_;
    bool error_text_;
    int step_ = 0;
    std::size_t position_ = 0;
};

void write_own_fields(json_writer& json, const pipeline::event& event) {
    using pipeline::event_type;
    switch (event.type) {
        case event_type::execution_requested:
            json.member("lang", event.lang).member("lang_version", event.lang_version);
            json.member("priority", pipeline::to_string(event.priority));
            break;
        case event_type::execution_output:
            json.member("stream", pipeline::to_string(event.stream)).member("offset", event.offset);
            if (event.is_text) {
                json.member("text", event.bytes);
            } else {
                json.member("base64", runtime::base64_encode(event.bytes));
            }
            break;
        default:
            if (event.verdict) write_verdict(json, *event.verdict);
    }
}

}  // namespace

std::string signal_name(int number) {
    const char* const name = sigabbrev_np(number);
    return "SIG" + (name != nullptr ? std::string(name) : std::to_string(number));
}

bool is_text(std::string_view bytes) { return simdjson::validate_utf8(bytes.data(), bytes.size()); }

void write_usage(json_writer& json, const std::optional<pipeline::usage>& usage) {
    // The kernel's unit of user interfaces; a constant, since an event's bytes must not depend on the machine.
    constexpr std::uint64_t ticks_per_second = 100;
    if (!usage) {
        json.null();
        return;
    }
    json.begin_object();
    json.key("execution_time_wall_seconds").seconds(usage->wall_us);
    json.key("cpu_time_seconds");
    if (usage->cpu_us) {
        json.seconds(*usage->cpu_us);
    } else {
        json.null();
    }
    json.key("cpu_time_jiffies");
    if (usage->cpu_us) {
        json.value(*usage->cpu_us * ticks_per_second / 1'000'000);
    } else {
        json.null();
    }
    json.member("clk_tck_hertz", ticks_per_second);
    json.key("peak_memory_kb");
    if (usage->peak_memory_bytes) {
        json.value(*usage->peak_memory_bytes / 1024);
    } else {
        json.null();
    }
    json.member("peak_processes", usage->peak_processes);
    json.member("output_bytes", usage->output_bytes).end_object();
}

void write_verdict(json_writer& json, const pipeline::verdict_view& verdict) {
    write_status(json, verdict);
    json.key("resource_usage");
    write_usage(json, verdict.resource_usage);
    json.member("stdout_truncated", verdict.stdout_truncated);
    json.member("stderr_truncated", verdict.stderr_truncated);
}

void write_execution(json_writer& json, const pipeline::execution_view& view) {
    json.begin_object();
    json.member("execution_id", view.id.to_string());
    json.member("status", pipeline::to_string(view.status));
    json.member("lang", view.lang).member("lang_version", view.lang_version);
    json.member("priority", pipeline::to_string(view.priority));
    json.member("labels", view.labels);
    json.member("attempt", view.attempt);
    json.member("created_at", view.created_at);
    json.member("started_at", view.started_at);
    json.member("finished_at", view.finished_at);
    json.member("last_event", view.last_event);
    json.member("queue_position", view.queue_position);
    json.end_object();
}

void append_event_json(std::string& out, const runtime::execution_id& id, const pipeline::event& event) {
    json_writer json(out);
    json.begin_object();
    json.member("seq", event.number);
    json.member("event_type", pipeline::to_string(event.type));
    json.member("event_version", event.version);
    json.member("execution_id", id.to_string());
    json.member("attempt", event.attempt);
    json.member("timestamp", event.time);
    write_own_fields(json, event);
    json.end_object();
}

response result_response(pipeline::result_view view) {
    auto out = json_response(200, {});
    if (view.standard_output.size() + view.standard_error.size() > rendered_at_once_max) {
        out.source = std::make_unique<result_source>(std::move(view));
        return out;
    }
    const bool out_text = is_text(view.standard_output);
    const bool error_text = is_text(view.standard_error);
    out.body.reserve(512 + 2 * (view.standard_output.size() + view.standard_error.size()));
    json_writer json(out.body);
    write_result_head(json, view);
    out.body += ",\"stdout\":\"";
    append_stream(out.body, view.standard_output, out_text);
    out.body += "\",\"stderr\":\"";
    append_stream(out.body, view.standard_error, error_text);
    out.body += "\"";
    write_result_tail(json, view, out_text, error_text);
    return out;
}

}  // namespace http::api
