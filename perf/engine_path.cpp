// What the engine alone costs: posts from many clients on one shard, noop executor, everything durable, no front door.
//   perf_engine_path FOLDER [clients] [executions]
#include <sys/resource.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include "app/shard_services.hpp"
#include "runtime/shard_thread.hpp"
#include "runtime/spawn.hpp"
#include "stages/worker/noop_worker.hpp"
#include "storage/embedded/disk/real_disk.hpp"

namespace {

using runtime::task;

double cpu_seconds() {
    rusage used{};
    getrusage(RUSAGE_SELF, &used);
    const auto of = [](const timeval& t) { return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6; };
    return of(used.ru_utime) + of(used.ru_stime);
}

task<void> client(pipeline::engine& engine, int count) {
    const auto who = pipeline::make_principal("default", "local", true);
    for (int i = 0; i < count; ++i) {
        pipeline::script_request request;
        request.script = "print(1)";
        request.lang_version = "3.11";
        const auto accepted = co_await engine.execute(who, std::move(request), std::nullopt);
        if (!accepted) co_return;
        const auto deadline = runtime::shard::here().time().steady() + runtime::seconds(10);
        static_cast<void>(co_await engine.wait_for_end(who, accepted->id, deadline));
        static_cast<void>(co_await engine.result_of(who, accepted->id));
    }
}

task<void> open_directory(app::process_services& process, runtime::shard& home, std::string folder) {
    process.directory_disk = storage::embedded::make_real_disk(home).value();
    storage::embedded::directory_options options;
    options.path = folder + "/log";
    process.log_directory = std::make_unique<storage::embedded::log_directory>(home, *process.directory_disk, options);
    const auto opened = co_await process.log_directory->open();
    if (!opened) std::abort();
}

task<void> make(app::process_services& process, runtime::shard& home, std::unique_ptr<app::shard_services>& out) {
    auto disk = storage::embedded::make_real_disk(home).value();
    auto worker = std::make_unique<stages::worker::noop_worker>(runtime::milliseconds(0));
    out = std::make_unique<app::shard_services>(home, process, std::move(disk), std::move(worker), "noop");
    process.map.engines.push_back(&out->engine());
    const auto started = co_await out->start();
    if (!started) std::abort();
}

task<void> load(app::shard_services& services, runtime::gate& gate, int clients, int each) {
    for (int i = 0; i < clients; ++i) runtime::spawn(gate, runtime::shard::here(), client(services.engine(), each));
    co_await gate.close();
}

}  // namespace

int main(int argc, char** argv) {
    const std::string folder = argc > 1 ? argv[1] : "perf_engine_path.data";
    const int clients = argc > 2 ? std::atoi(argv[2]) : 256;
    const int executions = argc > 3 ? std::atoi(argv[3]) : 200'000;
    std::filesystem::create_directories(folder);
    app::process_services process;
    process.values = app::load_settings({}, {}).values;
    process.values.executor.noop = true;
    runtime::shard_group shards(1);
    process.map.shards.push_back(&shards[0]);
    shards.start();
    shards.run_and_wait(0, [&] { return open_directory(process, shards[0], folder); });
    storage::embedded::archive_options archive;
    archive.directory = folder + "/archive";
    std::string why;
    process.archive = storage::embedded::archive_store::open(archive, why).value();
    std::unique_ptr<app::shard_services> services;
    shards.run_and_wait(0, [&] { return make(process, shards[0], services); });

    auto gate = std::make_unique<runtime::gate>(shards[0]);
    const auto begin = runtime::system_clock().steady();
    const double cpu = cpu_seconds();
    shards.run_and_wait(0, [&] { return load(*services, *gate, clients, executions / clients); });
    const double wall = static_cast<double>((runtime::system_clock().steady() - begin).count()) / 1e9;
    const double used = cpu_seconds() - cpu;
    std::printf("%d clients: %.0f executions/s, %.1f us of CPU each (all threads)\n", clients, executions / wall,
                used / executions * 1e6);
    std::fflush(stdout);
    std::_Exit(0);
}
