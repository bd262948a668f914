#include "app/server.hpp"

#include <filesystem>

#include "runtime/base/log.hpp"
#include "runtime/submit.hpp"
#include "storage/embedded/disk/real_disk.hpp"

namespace app {

using runtime::log_level;
using runtime::task;

namespace {

storage::embedded::real_disk_options disk_options(const settings& values) {
    using storage::embedded::writer_kind;
    storage::embedded::real_disk_options out;
    if (values.log.writer == "io_uring") out.writer = writer_kind::io_uring;
    if (values.log.writer == "thread") out.writer = writer_kind::thread;
    return out;
}

storage::embedded::directory_options directory_options(const settings& values) {
    storage::embedded::directory_options out;
    out.path = values.data_directory + "/log";
    out.partition_bits = values.partition.bits;
    out.segment_bytes = values.log.segment_bytes;
    out.reserve_bytes = values.log.reserve_bytes;
    out.reserve_after_ms = 500;
    out.small_segment_bytes = std::min<std::uint64_t>(out.small_segment_bytes, out.segment_bytes);
    return out;
}

http::server_config front_door_config(const settings& values) {
    http::server_config out;
    out.address = values.listen.host;
    out.port = values.listen.port;
    auto& limits = out.limits;
    limits.connections_max = values.http.connections_max;
    limits.head.head_bytes_max = values.http.header_bytes_max;
    limits.head.target_bytes_max = values.http.target_bytes_max;
    limits.head.fields_max = values.http.fields_max;
    limits.body.body_bytes_max = values.http.body_bytes_max;
    limits.body.chunk_overhead_bytes_max = values.http.chunk_overhead_bytes_max;
    limits.bodies_bytes_max = values.http.bodies_bytes_max;
    limits.answers_bytes_max = values.http.answers_bytes_max;
    limits.header_deadline_ms = static_cast<std::uint64_t>(values.http.header_deadline.count());
    limits.body_deadline_ms = static_cast<std::uint64_t>(values.http.body_deadline.count());
    limits.idle_deadline_ms = static_cast<std::uint64_t>(values.http.idle_deadline.count());
    limits.write_deadline_ms = static_cast<std::uint64_t>(values.http.write_deadline.count());
    limits.sse_heartbeat_ms = static_cast<std::uint64_t>(values.sse.heartbeat.count());
    limits.sse_stalled_ms = static_cast<std::uint64_t>(values.sse.stalled.count());
    limits.sse_connections_max = values.sse.connections_max;
    limits.sse_user_connections_max = values.sse.user_connections_max;
    return out;
}

}  // namespace

server::server(settings values, std::size_t shards, std::size_t seats, pipeline::operator_limits limits,
               worker_factory make_worker, std::string executor)
    : make_worker_(std::move(make_worker)), executor_(std::move(executor)), shards_(shards) {
    process_.values = std::move(values);
    process_.shards = shards;
    process_.seats = seats;
    process_.limits = std::move(limits);
    process_.map.partition_bits = process_.values.partition.bits;
    services_.resize(shards);
    for (std::size_t i = 0; i < shards; ++i) process_.map.shards.push_back(&shards_[i]);
}

server::~server() = default;

void server::fail(std::string why) {
    if (diagnosis_.empty()) diagnosis_ = std::move(why);
}

task<void> server::open_directory() {
    auto disk = storage::embedded::make_real_disk(shards_[0], disk_options(process_.values));
    if (!disk) {
        fail("the log's writer cannot be had: " + disk.error().message());
        co_return;
    }
    process_.directory_disk = std::move(*disk);
    process_.log_directory = std::make_unique<storage::embedded::log_directory>(shards_[0], *process_.directory_disk,
                                                                                directory_options(process_.values));
    const auto opened = co_await process_.log_directory->open();
    const auto& found = process_.log_directory->recovered();
    if (!opened) {
        fail(found.diagnosis.empty() ? opened.error().message() : found.diagnosis);
        co_return;
    }
    process_.map.life = found.epoch;
    runtime::log(
        log_level::info, "the log is open",
        {{"epoch", found.epoch}, {"clean", found.was_clean}, {"segments", found.segments}, {"records", found.records}});
    for (const auto& cut : found.cut)
        runtime::log(log_level::warning, "a torn last batch was cut off",
                     {{"file", cut.path}, {"position", cut.position}, {"bytes", cut.bytes}});
}

task<void> server::make_shard(runtime::shard& home) {
    auto disk = storage::embedded::make_real_disk(home, disk_options(process_.values));
    if (!disk) {
        fail("the log's writer cannot be had: " + disk.error().message());
        co_return;
    }
    services_[home.id()] =
        std::make_unique<shard_services>(home, process_, std::move(*disk), make_worker_(home), executor_);
}

task<void> server::start_shard(std::size_t i, std::string& why) {
    const auto started = co_await services_[i]->start();
    if (!started) why = services_[i]->diagnosis() + " (" + started.error().message() + ")";
}

// All at once: each folds its own partitions.
void server::start_shards() {
    std::vector<std::string> failures(services_.size());
    std::vector<std::thread> starting;
    for (std::size_t i = 0; i < services_.size(); ++i)
        starting.emplace_back([this, i, &why = failures[i]] {
            shards_.run_and_wait(i, [this, i, &why] { return start_shard(i, why); });
        });
    for (auto& one : starting) one.join();
    for (auto& why : failures)
        if (!why.empty()) fail(std::move(why));
}

task<void> server::begin_backups() {
    std::vector<backup::node_log> logs;
    for (std::size_t i = 0; i < services_.size(); ++i) logs.push_back({&shards_[i], &services_[i]->log()});
    backup::node_options options;
    options.data_directory = process_.values.data_directory;
    backups_ = std::make_unique<backup::node_backups>(shards_[0], *process_.log_directory, *process_.archive,
                                                      std::move(logs), options);
    co_await backups_->start();
}

task<void> server::end_backups() {
    co_await backups_->stop();
    backups_.reset();
}

task<void> server::await_open(std::size_t i) {
    const auto open = co_await services_[i]->engine().wait_until_open();
    if (!open) fail("the log takes no writes: " + open.error().message());
}

task<void> server::listen() {
    const auto listening = co_await front_door_->start();
    if (!listening) fail("cannot listen on " + process_.values.listen.to_string() + ": " + listening.error().message());
}

bool server::start() {
    std::error_code made;
    std::filesystem::create_directories(process_.values.data_directory, made);
    if (made) {
        fail("cannot make " + process_.values.data_directory + ": " + made.message());
        return false;
    }
    // Made before the log, so that a log without an archive means that somebody took it away.
    const std::string archive_folder = process_.values.data_directory + "/archive";
    const bool has_log = std::filesystem::exists(process_.values.data_directory + "/log/META", made);
    if (!has_log) std::filesystem::create_directories(archive_folder, made);
    if (has_log && !std::filesystem::exists(archive_folder, made)) {
        fail("archive " + archive_folder +
             " is missing although there is a log; `weir archive repair` makes a new one of what the log has");
        return false;
    }
    shards_.start();
    shards_.run_and_wait(0, [this] { return open_directory(); });
    if (!diagnosis_.empty()) return false;

    storage::embedded::archive_options archive;
    archive.directory = process_.values.data_directory + "/archive";
    archive.memtable_bytes = process_.values.archive.flush_bytes;
    archive.flush_after = process_.values.archive.flush_interval;
    std::string why;
    auto store = storage::embedded::archive_store::open(archive, why);
    if (!store) {
        fail(why);
        return false;
    }
    process_.archive = std::move(*store);

    for (std::size_t i = 0; i < services_.size() && diagnosis_.empty(); ++i)
        shards_.run_and_wait(i, [this, i] { return make_shard(shards_[i]); });
    if (!diagnosis_.empty()) return false;
    std::vector<pipeline::engine*> engines;
    for (auto& one : services_) {
        process_.map.engines.push_back(&one->engine());
        engines.push_back(&one->engine());
    }
    start_shards();
    if (!diagnosis_.empty()) return false;

    for (std::size_t i = 0; i < services_.size() && diagnosis_.empty(); ++i)
        shards_.run_and_wait(i, [this, i] { return await_open(i); });
    if (!diagnosis_.empty()) return false;
    shards_.run_and_wait(0, [this] { return begin_backups(); });

    front_door_ = std::make_unique<http::server_group>(process_.map.shards, std::move(engines),
                                                       front_door_config(process_.values), backups_.get());
    shards_.run_and_wait(0, [this] { return listen(); });
    return diagnosis_.empty();
}

std::string server::url() const {
    auto address = process_.values.listen;
    address.port = front_door_->port();
    return "http://" + address.to_string();
}

task<void> server::close_directory() { co_await process_.log_directory->stop(); }

task<void> server::drop_directory() {
    // Its files go on the shard that made them.
    process_.log_directory.reset();
    process_.directory_disk.reset();
    co_return;
}

void server::stop() {
    shards_.run_and_wait(0, [this] { return front_door_->drain(); });
    // Programs get their grace while clients may still read; then the front door closes.
    std::vector<std::thread> waiting;
    for (std::size_t i = 0; i < services_.size(); ++i)
        waiting.emplace_back([this, i] { shards_.run_and_wait(i, [this, i] { return services_[i]->finish(); }); });
    for (auto& one : waiting) one.join();
    shards_.run_and_wait(0, [this] { return front_door_->stop(runtime::seconds(1)); });
    shards_.run_and_wait(0, [this] { return end_backups(); });
    for (std::size_t i = 0; i < services_.size(); ++i)
        shards_.run_and_wait(i, [this, i] { return services_[i]->stop(); });
    shards_.run_and_wait(0, [this] { return close_directory(); });
    for (std::size_t i = 0; i < services_.size(); ++i)
        shards_.run_and_wait(i, [this, i] { return services_[i]->dispose(); });
    shards_.run_and_wait(0, [this] { return drop_directory(); });
    shards_.stop();
    process_.archive.reset();
}

}  // namespace app
