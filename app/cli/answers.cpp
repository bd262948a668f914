#include "app/cli/answers.hpp"

#include <simdjson.h>

#include "runtime/base/encoding.hpp"

namespace app::cli {
namespace {

namespace dom = simdjson::dom;

// An object's member, or nothing when it is absent, null or of another type.
template <class T>
std::optional<T> member(const dom::object& from, std::string_view name) {
    T value{};
    if (from[name].get(value) != simdjson::SUCCESS) return std::nullopt;
    return value;
}

std::string text(const dom::object& from, std::string_view name) {
    return std::string(member<std::string_view>(from, name).value_or(""));
}

std::uint64_t number(const dom::object& from, std::string_view name) {
    return member<std::uint64_t>(from, name).value_or(0);
}

bool yes(const dom::object& from, std::string_view name) { return member<bool>(from, name).value_or(false); }

verdict verdict_of(const dom::object& from) {
    verdict out;
    out.status = text(from, "status");
    out.exit_code = member<std::int64_t>(from, "exit_code");
    out.signal = text(from, "signal");
    out.error_type = text(from, "error_type");
    out.error_message = text(from, "error_message");
    out.stdout_truncated = yes(from, "stdout_truncated");
    out.stderr_truncated = yes(from, "stderr_truncated");
    if (const auto resources = member<dom::object>(from, "resource_usage")) {
        out.resources.wall_seconds = member<double>(*resources, "execution_time_wall_seconds");
        out.resources.cpu_seconds = member<double>(*resources, "cpu_time_seconds");
        out.resources.peak_memory_kb = member<std::uint64_t>(*resources, "peak_memory_kb");
    }
    return out;
}

std::optional<execution> execution_of(const dom::object& from) {
    execution out;
    out.id = text(from, "execution_id");
    out.status = text(from, "status");
    if (out.id.empty() || out.status.empty()) return std::nullopt;
    out.lang = text(from, "lang");
    out.lang_version = text(from, "lang_version");
    out.priority = text(from, "priority");
    out.attempt = number(from, "attempt");
    out.created_at = text(from, "created_at");
    out.started_at = text(from, "started_at");
    out.finished_at = text(from, "finished_at");
    out.last_event = number(from, "last_event");
    out.queue_position = member<std::uint64_t>(from, "queue_position");
    if (const auto labels = member<dom::object>(from, "labels")) {
        for (const auto& label : *labels) {
            std::string_view value;
            if (label.value.get(value) == simdjson::SUCCESS) out.labels.emplace_back(label.key, value);
        }
    }
    out.raw = simdjson::minify(from);
    return out;
}

// Calls `read` with the document if it is an object; what it returns, or nothing.
template <class Read>
auto with_object(std::string_view json, Read read) -> decltype(read(dom::object())) {
    dom::parser parser;
    dom::object root;
    if (parser.parse(json.data(), json.size()).get(root) != simdjson::SUCCESS) return std::nullopt;
    return read(root);
}

}  // namespace

bool is_terminal_status(std::string_view status) {
    return status == "completed" || status == "failed" || status == "timeout" || status == "cancelled";
}

std::optional<execution> parse_execution(std::string_view json) { return with_object(json, execution_of); }

std::optional<execution_page> parse_execution_page(std::string_view json) {
    return with_object(json, [](const dom::object& root) -> std::optional<execution_page> {
        const auto items = member<dom::array>(root, "items");
        if (!items) return std::nullopt;
        execution_page out;
        out.next_cursor = text(root, "next_cursor");
        for (const dom::element item : *items) {
            dom::object object;
            if (item.get(object) != simdjson::SUCCESS) return std::nullopt;
            auto one = execution_of(object);
            if (!one) return std::nullopt;
            out.items.push_back(std::move(*one));
        }
        return out;
    });
}

std::optional<stream_event> parse_stream_event(std::string_view json) {
    return with_object(json, [](const dom::object& root) -> std::optional<stream_event> {
        stream_event out;
        out.number = number(root, "seq");
        out.type = text(root, "event_type");
        out.attempt = number(root, "attempt");
        if (out.number == 0 || out.type.empty()) return std::nullopt;
        if (out.type == "execution_output") {
            out.stream = text(root, "stream");
            out.offset = number(root, "offset");
            if (const auto encoded = member<std::string_view>(root, "base64")) {
                auto decoded = runtime::base64_decode(*encoded);
                if (!decoded) return std::nullopt;
                out.bytes = std::move(*decoded);
            } else {
                out.bytes = text(root, "text");
            }
        }
        if (member<std::string_view>(root, "status") || out.type == "execution_attempt_ended")
            out.end = verdict_of(root);
        return out;
    });
}

std::optional<attach_message> parse_attach_message(std::string_view json) {
    return with_object(json, [](const dom::object& root) -> std::optional<attach_message> {
        attach_message out;
        out.type = text(root, "type");
        if (out.type.empty()) return std::nullopt;
        out.has_terminal = root.at_pointer("/interactive/pty").error() == simdjson::SUCCESS;
        return out;
    });
}

std::optional<problem> parse_problem(std::string_view json) {
    return with_object(json, [](const dom::object& root) -> std::optional<problem> {
        problem out;
        out.code = text(root, "code");
        out.title = text(root, "title");
        out.detail = text(root, "detail");
        out.limit = text(root, "limit");
        if (out.code.empty()) return std::nullopt;
        if (const auto errors = member<dom::array>(root, "errors")) {
            for (const dom::element error : *errors) {
                dom::object object;
                if (error.get(object) != simdjson::SUCCESS) continue;
                out.errors.push_back({text(object, "pointer"), text(object, "code"), text(object, "detail")});
            }
        }
        return out;
    });
}

std::optional<std::vector<stuck_item>> parse_stuck(std::string_view json) {
    return with_object(json, [](const dom::object& root) -> std::optional<std::vector<stuck_item>> {
        const auto items = member<dom::array>(root, "items");
        if (!items) return std::nullopt;
        std::vector<stuck_item> out;
        for (const dom::element item : *items) {
            dom::object object;
            if (item.get(object) != simdjson::SUCCESS) return std::nullopt;
            out.push_back({text(object, "execution_id"), text(object, "status"), text(object, "why")});
        }
        return out;
    });
}

std::optional<backup_list> parse_backup(std::string_view json) {
    return with_object(json, [](const dom::object& root) -> std::optional<backup_list> {
        const auto files = member<dom::array>(root, "files");
        backup_list out;
        out.id = text(root, "backup_id");
        out.created_at = text(root, "created_at");
        if (!files || out.id.empty()) return std::nullopt;
        for (const dom::element item : *files) {
            dom::object object;
            if (item.get(object) != simdjson::SUCCESS) return std::nullopt;
            const auto bytes = member<std::uint64_t>(object, "bytes");
            if (!bytes) return std::nullopt;
            out.files.push_back({text(object, "path"), *bytes});
        }
        return out;
    });
}

}  // namespace app::cli
