#include "http/router.hpp"

#include <array>

#include "http/api/admin.hpp"
#include "http/api/attach.hpp"
#include "http/api/backups.hpp"
#include "http/api/documents.hpp"
#include "http/api/events.hpp"
#include "http/api/execute.hpp"
#include "http/api/executions.hpp"
#include "http/api/health.hpp"
#include "http/api/limits.hpp"
#include "http/api/metrics.hpp"
#include "http/front_door/grammar.hpp"

namespace http {
namespace {

using front_door::method;

constexpr std::array table = {
    route{method::post, "/api/v1/execute", "execute", api::execute, true},
    route{method::get, "/api/v1/executions", "list_executions", api::list_executions},
    route{method::get, "/api/v1/executions/{id}", "get_execution", api::get_execution},
    route{method::get, "/api/v1/executions/{id}/result", "get_result", api::get_result},
    route{method::get, "/api/v1/executions/{id}/output/stdout", "get_stdout", api::get_stdout},
    route{method::get, "/api/v1/executions/{id}/output/stderr", "get_stderr", api::get_stderr},
    route{method::get, "/api/v1/executions/{id}/artifacts/{artifact_id}", "get_artifact", api::get_artifact},
    route{method::get, "/api/v1/executions/{id}/attach", "attach_execution", api::attach_execution},
    route{method::post, "/api/v1/executions/{id}/cancel", "cancel_execution", api::cancel_execution, true},
    route{method::get, "/api/v1/events/executions/{id}", "stream_events", api::stream_events},
    route{method::get, "/api/v1/k8s-limits", "get_limits", api::get_limits},
    route{method::get, "/api/v1/example-scripts", "get_example_scripts", api::get_example_scripts},
    route{method::get, "/api/v1/admin/stuck", "list_stuck", api::get_stuck},
    route{method::post, "/api/v1/admin/backups", "make_backup", api::make_backup, true},
    route{method::delete_, "/api/v1/admin/backups/{id}", "remove_backup", api::remove_backup},
    route{method::get, "/api/v1/admin/backups/{id}/files/{number}", "get_backup_file", api::get_backup_file},
    route{method::get, "/livez", "livez", api::livez},
    route{method::get, "/readyz", "readyz", api::readyz},
    route{method::get, "/metrics", "metrics", api::metrics},
    route{method::get, "/openapi.json", "openapi", api::openapi},
    route{method::get, "/problems/{code}", "get_problem", api::get_problem},
};

// Takes the first segment off a path that begins with a slash.
std::string_view next_segment(std::string_view& path) {
    path.remove_prefix(1);
    const auto slash = path.find('/');
    const auto segment = path.substr(0, slash);
    path.remove_prefix(slash == std::string_view::npos ? path.size() : slash);
    return segment;
}

bool fits(std::string_view pattern, std::string_view path, route_parameters* parameters) {
    std::size_t count = 0;
    while (!pattern.empty() && !path.empty()) {
        const auto wanted = next_segment(pattern);
        const auto segment = next_segment(path);
        const bool escaped = segment.find('%') != std::string_view::npos;
        if (wanted.front() != '{' && !escaped) {
            if (wanted != segment) return false;
            continue;
        }
        auto decoded = percent_decoded(segment);
        if (!decoded || decoded->empty()) return false;
        if (wanted.front() != '{') {
            if (*decoded != wanted) return false;
        } else if (parameters != nullptr) {
            (*parameters)[count++] = std::move(*decoded);
        }
    }
    return pattern.empty() && path.empty();
}

}  // namespace

std::span<const route> routes() { return table; }

route_match match(method verb, std::string_view path) {
    route_match out;
    if (path.empty() || path.front() != '/') return out;
    const method wanted = verb == method::head ? method::get : verb;
    for (const auto& candidate : table) {
        if (candidate.verb == wanted && fits(candidate.pattern, path, &out.parameters)) {
            out.found = &candidate;
            return out;
        }
    }
    for (const auto& candidate : table) {
        if (!fits(candidate.pattern, path, nullptr)) continue;
        if (!out.allow.empty()) out.allow.append(", ");
        out.allow.append(to_string(candidate.verb));
        if (candidate.verb == method::get) out.allow.append(", HEAD");
    }
    if (!out.allow.empty()) out.allow.append(", OPTIONS");
    return out;
}

std::optional<std::string> percent_decoded(std::string_view text, bool plus_is_space) {
    std::string out;
    out.reserve(text.size());
    for (std::size_t i = 0; i < text.size(); ++i) {
        char c = text[i];
        if (c == '+' && plus_is_space) c = ' ';
        if (c == '%') {
            if (i + 2 >= text.size()) return std::nullopt;
            const int high = front_door::hex_value(text[i + 1]);
            const int low = front_door::hex_value(text[i + 2]);
            if (high < 0 || low < 0 || (high == 0 && low == 0)) return std::nullopt;
            c = static_cast<char>(high * 16 + low);
            i += 2;
        }
        out.push_back(c);
    }
    return out;
}

}  // namespace http
