#include "stages/worker/sandbox/commands.hpp"

#include <map>

#include "stages/worker/sandbox/inside/wire.hpp"

namespace stages::worker::sandbox {
namespace {

runtimes::command_values values_of(const chosen_runtime& runtime, std::uint64_t memory_bytes) {
    runtimes::command_values values;
    values.executable = runtime.executable;
    values.file = runtime.what->file_name;
    if (runtime.what->compile) values.artifact = runtime.what->compile->artifact;
    values.version = runtime.version;
    values.memory_bytes = memory_bytes;
    return values;
}

const char* role_of(const runtimes::warm_start& how) {
    if (how.kind == runtimes::warm_kind::parked) return "parked";
    return how.hook.empty() ? "zygote_at_main" : "zygote";
}

std::string folder_of_hook(const runtimes::manifest& what) { return ".weir/" + what.language; }

// "./main" is started in the work directory, and needs a name there that does not depend on it.
std::string path_in_box(const std::string& program) {
    return program.starts_with("./") ? "/box/" + program.substr(2) : program;
}

}  // namespace

chosen_runtime choose_runtime(const std::vector<runtimes::installed_runtime>& from, const std::string& language,
                              const std::string& version) {
    chosen_runtime out;
    const auto* const runtime = find_runtime(from, language);
    if (runtime == nullptr) return out;
    out.what = &runtime->what;
    out.version = version.empty() ? runtime->versions.front() : version;
    out.executable = find_executable(from, language, version);
    return out;
}

launch_packet program_packet(const chosen_runtime& runtime, launch_request& request) {
    launch_packet out;
    const auto& limits = request.limits;
    out.limits = {limits.wall_ms, limits.cpu_ms, limits.memory_bytes, limits.processes, limits.disk_bytes};
    out.arguments = expand(runtime.what->run, values_of(runtime, limits.memory_bytes));
    out.executable = path_in_box(out.arguments.front());
    out.own_arguments = static_cast<std::uint32_t>(out.arguments.size());
    std::ranges::move(request.args, std::back_inserter(out.arguments));
    out.environment = box_environment(runtime.what->variables);
    return out;
}

warm_packet interpreter_packet(const chosen_runtime& runtime, std::uint32_t number) {
    const auto& how = *runtime.what->warm;
    warm_packet out;
    out.number = number;
    out.name = runtime.what->language + runtime.version;
    out.kind = how.kind == runtimes::warm_kind::zygote ? start_kind::zygote : start_kind::parked;
    out.arguments = expand(runtime.what->run, values_of(runtime, 0));
    out.executable = path_in_box(out.arguments.front());
    out.environment = box_environment(runtime.what->variables);
    const std::string folder = "/" + folder_of_hook(*runtime.what);
    for (const auto& [name, value] : how.variables) {
        std::string text = value;
        for (const auto& [place, path] :
             {std::pair<std::string, std::string>{"{hook_folder}", folder}, {"{hook}", folder + "/" + how.file_name}})
            for (std::size_t at = 0; (at = text.find(place, at)) != std::string::npos; at += path.size())
                text.replace(at, place.size(), path);
        out.environment.push_back(name + "=" + text);
    }
    out.environment.push_back(std::string("LD_PRELOAD=") + warm_library_path);
    out.environment.push_back(std::string(inside::role_variable) + "=" + role_of(how));
    return out;
}

std::vector<warm_file> warm_files_of(const std::vector<runtimes::manifest>& manifests) {
    std::vector<warm_file> out;
    for (const auto& one : manifests) {
        if (!one.warm) continue;
        if (!one.warm->hook.empty()) out.push_back({folder_of_hook(one), one.warm->file_name, one.warm->hook});
        if (one.warm->kind == runtimes::warm_kind::zygote) out.push_back({"box", one.file_name, one.example});
    }
    return out;
}

launch_packet compile_packet(const chosen_runtime& runtime) {
    const auto& step = *runtime.what->compile;
    const auto& limits = step.limits;
    launch_packet out;
    out.limits = {limits.wall_ms, limits.cpu_ms, limits.memory_bytes, limits.processes, limits.disk_bytes};
    out.arguments = expand(step.command, values_of(runtime, limits.memory_bytes));
    out.executable = path_in_box(out.arguments.front());
    out.environment = box_environment(runtime.what->variables, step.variables);
    out.file_name = runtime.what->file_name;
    out.keep_disk = true;
    return out;
}

program_limits limits_of_compiler(const chosen_runtime& runtime) {
    const auto& limits = runtime.what->compile->limits;
    program_limits out;
    out.wall_ms = limits.wall_ms;
    out.cpu_ms = limits.cpu_ms;
    out.memory_bytes = limits.memory_bytes;
    out.processes = limits.processes;
    out.output_bytes = limits.output_bytes;
    out.disk_bytes = limits.disk_bytes;
    return out;
}

std::vector<std::string> box_environment(const runtimes::environment& first, const runtimes::environment& second) {
    std::map<std::string, std::string> all{{"PATH", "/usr/local/bin:/usr/bin:/bin"},
                                           {"HOME", "/box"},
                                           {"SHELL", "/bin/bash"},
                                           {"PWD", "/box"},
                                           {"LANG", "C.UTF-8"},
                                           {"TMPDIR", "/tmp"}};
    for (const auto* more : {&first, &second})
        for (const auto& [name, value] : *more) all[name] = value;
    std::vector<std::string> out;
    for (const auto& [name, value] : all) out.push_back(name + "=" + value);
    return out;
}

}  // namespace stages::worker::sandbox
