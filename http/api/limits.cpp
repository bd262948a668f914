#include "http/api/limits.hpp"

#include "http/attach/session.hpp"
#include "http/json_writer.hpp"

namespace http::api {
namespace {

constexpr std::string_view cached_for_a_while = "public, max-age=300";

template <class Limits>
void write_limits(json_writer& json, const Limits& limits) {
    json.begin_object().member("wall_ms", limits.wall_ms).member("cpu_ms", limits.cpu_ms);
    json.member("memory_bytes", limits.memory_bytes).member("processes", limits.processes);
    json.member("output_bytes", limits.output_bytes).member("disk_bytes", limits.disk_bytes).end_object();
}

void write_network(json_writer& json, const pipeline::network_policy& policy) {
    json.key("network").begin_object().key("hosts").begin_array();
    for (const auto& rule : policy.hosts) json.value(rule.to_string());
    json.end_array().key("open").begin_array();
    for (const auto& who : policy.open) json.value(who);
    json.end_array().member("network_allow_max", pipeline::network_allow_max);
    json.member("connections_max", policy.connections_max).member("names_max", policy.names_max);
    json.member("bytes_max", policy.bytes_max).end_object();
}

}  // namespace

runtime::task<response> get_limits(environment& here, const request&) {
    const auto& limits = here.engine.limits();
    auto out = json_response(200, {});
    json_writer json(out.body);
    json.begin_object();
    // The two names that other platforms' clients look for: the defaults, in their units.
    json.member("memory_limit", std::to_string(limits.defaults.memory_bytes >> 20) + "Mi");
    json.member("execution_timeout", limits.defaults.wall_ms / 1000);
    json.key("defaults");
    write_limits(json, limits.defaults);
    json.key("maxima");
    write_limits(json, limits.maxima);
    json.key("files").begin_object();
    json.member("files_max", pipeline::files_max).member("files_bytes_max", pipeline::files_bytes_max);
    json.member("file_path_bytes_max", pipeline::file_path_bytes_max);
    json.member("file_path_depth_max", pipeline::file_path_depth_max);
    json.member("outputs_max", pipeline::outputs_max).member("artifact_bytes_max", pipeline::artifact_bytes_max);
    json.member("artifacts_bytes_max", pipeline::artifacts_bytes_max).end_object();
    json.key("interactive").begin_object();
    json.member("terminal_rows_max", std::uint32_t{pipeline::terminal_rows_max});
    json.member("terminal_columns_max", std::uint32_t{pipeline::terminal_columns_max});
    json.member("attach_input_bytes_max", pipeline::attach_input_bytes_max);
    json.member("attach_message_bytes_max", attach::message_bytes_max);
    json.member("attach_clients_max", pipeline::attach_clients_max).end_object();
    write_network(json, limits.network);
    json.key("supported_runtimes").begin_object();
    for (const auto& runtime : limits.runtimes) {
        json.key(runtime.lang).begin_object().key("versions").begin_array();
        for (const auto& version : runtime.versions) json.value(version);
        json.end_array().member("file_ext", runtime.file_extension).end_object();
    }
    json.end_object().member("any_runtime", limits.any_runtime).end_object();
    out.add_field("Cache-Control", cached_for_a_while);
    co_return out;
}

runtime::task<response> get_example_scripts(environment& here, const request&) {
    auto out = json_response(200, {});
    json_writer json(out.body);
    json.begin_object().key("scripts").begin_object();
    for (const auto& runtime : here.engine.limits().runtimes) json.member(runtime.lang, runtime.example_script);
    json.end_object().end_object();
    out.add_field("Cache-Control", cached_for_a_while);
    co_return out;
}

}  // namespace http::api
