#include "app/executors.hpp"

#include <filesystem>

#include "app/runtimes_folder.hpp"
#include "runtime/base/encoding.hpp"
#include "runtime/base/log.hpp"
#include "runtime/base/sha256.hpp"
#include "stages/worker/noop_worker.hpp"
#include "stages/worker/sandbox/nursery.hpp"
#include "stages/worker/sandbox/sandbox_worker.hpp"

namespace app {
namespace {

namespace runtimes = stages::worker::runtimes;
namespace sandbox = stages::worker::sandbox;

// What a request may have, a box takes.
static_assert(pipeline::files_max + 1 <= sandbox::box_files_max);
static_assert(pipeline::file_path_bytes_max <= sandbox::box_file_path_max);
static_assert(pipeline::file_path_depth_max <= sandbox::box_file_depth_max);
static_assert(static_cast<int>(sandbox::rung::rlimit) == static_cast<int>(stages::worker::limits_by::rlimit));

std::vector<pipeline::runtime_versions> shown(const std::vector<runtimes::installed_runtime>& installed) {
    std::vector<pipeline::runtime_versions> out;
    for (const auto& [what, versions, executables] : installed) {
        std::vector<std::string> own_files{what.file_name};
        if (what.compile) own_files.push_back(what.compile->artifact);
        out.push_back({what.language, versions, what.file_extension(), what.example, std::move(own_files)});
    }
    return out;
}

std::string joined(const std::vector<std::string>& lines) {
    std::string out;
    for (const auto& line : lines) out += (out.empty() ? "" : "\nweir: ") + line;
    return out;
}

// The same for every start of the server over one data directory, and no other's.
std::string group_name(const settings& values) {
    std::error_code ignored;
    const auto path = std::filesystem::weakly_canonical(values.data_directory, ignored).string();
    const auto digest = runtime::sha256(path);
    const std::string_view bytes(reinterpret_cast<const char*>(digest.data()), 6);
    return "weir-" + runtime::hex_encode(bytes);
}

prepared_executor prepare_noop(const settings& values) {
    prepared_executor out;
    const auto& asked = values.executor;
    const stages::worker::noop_behaviour behaviour{asked.noop_lasts, asked.noop_lines, asked.noop_period};
    out.description = "noop, " + std::to_string(asked.noop_lasts.count()) + " ms";
    // It runs what is not there just as well: looking for interpreters would only make the start longer.
    out.make_worker = [behaviour](runtime::shard&) { return std::make_unique<stages::worker::noop_worker>(behaviour); };
    return out;
}

prepared_executor prepare_sandbox(const settings& values, std::size_t shards) {
    prepared_executor out;
    const auto known = read_runtimes(values.runtimes.directory);
    out.refusal = joined(known.errors);
    if (!out.refusal.empty()) return out;
    sandbox::launcher_options options;
    options.etc = known.etc();
    options.warm_files = sandbox::warm_files_of(known.manifests);
    options.pool_max = values.sandbox.pool_max;
    options.group_name = group_name(values);
    // No shard has more seats than the node.
    options.boxes_max = std::max(options.boxes_max, static_cast<std::uint32_t>(values.seats));
    auto forked = sandbox::nursery::start(options, shards);
    if (!forked) {
        out.refusal = "the sandbox cannot be started: " + forked.error().message();
        return out;
    }
    const auto nursery = std::make_shared<sandbox::nursery>(std::move(*forked));
    out.description = nursery->report().describe();
    if (!nursery->report().problem.empty()) {
        out.refusal = "no box can be made here: " + nursery->report().problem;
        return out;
    }
    if (!nursery->report().limits_trees() && !values.sandbox.weak_limits) {
        out.refusal = "memory and processes of a tree cannot be limited here (" + out.description +
                      "); --sandbox-limits weak runs programs all the same";
        return out;
    }
    runtime::log(runtime::log_level::info, "programs run in boxes", {{"found", out.description}});
    sandbox::worker_options worker;
    worker.limits = static_cast<stages::worker::limits_by>(nursery->report().level);
    worker.runtimes = runtimes::detect_runtimes(known.manifests);
    worker.network.policy = values.network;
    out.own_port = std::make_shared<std::atomic<std::uint16_t>>(values.listen.port);
    worker.network.own_port = out.own_port;
    worker.artifacts = std::make_shared<sandbox::artifact_directory>(shards, values.runtimes.cache_bytes_max);
    if (worker.runtimes.empty())
        runtime::log(runtime::log_level::warning, "no language of the manifests is installed",
                     {{"folder", known.folder}});
    // A machine under full load takes seconds to fork a broker; giving up early would only fail executions.
    worker.broker_wait = runtime::seconds(20);
    out.runtimes = shown(worker.runtimes);
    out.make_worker = [nursery, worker](runtime::shard& home) {
        return std::make_unique<sandbox::sandbox_worker>(home, nursery->take_channel(home.id()), worker);
    };
    return out;
}

}  // namespace

prepared_executor prepare_executor(const settings& values, std::size_t shards) {
    if (values.executor.noop) return prepare_noop(values);
    return prepare_sandbox(values, shards);
}

}  // namespace app
