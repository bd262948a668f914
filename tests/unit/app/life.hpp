// A node without a front door, on real shards, disk and archive; each object is one life of it.
#pragma once

#include <gtest/gtest.h>

#include <functional>

#include "app/shard_services.hpp"
#include "runtime/shard_thread.hpp"
#include "stages/worker/noop_worker.hpp"
#include "storage/embedded/disk/real_disk.hpp"

namespace tests {

using runtime::task;

class life {
  public:
    // What the log writes through: the machine's disk, or what is put around it.
    using around = std::function<std::unique_ptr<storage::disk>(runtime::shard&, std::unique_ptr<storage::disk>)>;

    life(const std::string& folder, std::size_t shards, runtime::milliseconds delay, around wrap = {},
         storage::embedded::writer_kind writer = storage::embedded::writer_kind::automatic,
         runtime::milliseconds log_stalled = runtime::seconds(60))
        : shards_(shards), wrap_(std::move(wrap)) {
        disk_options_.writer = writer;
        process_.values = app::load_settings({}, {}).values;
        process_.values.executor.noop = true;
        process_.values.shutdown.grace = runtime::milliseconds(0);
        process_.values.log.segment_bytes = 4 << 20;
        process_.values.log.snapshot_bytes = 1 << 20;
        process_.values.log.stalled = log_stalled;
        process_.shards = shards;
        for (std::size_t i = 0; i < shards; ++i) process_.map.shards.push_back(&shards_[i]);
        services_.resize(shards);
        shards_.start();
        shards_.run_and_wait(0, [&] { return open(folder); });
        std::string why;
        storage::embedded::archive_options archive;
        archive.directory = folder + "/archive";
        archive.flush_after = runtime::milliseconds(100);
        auto store = storage::embedded::archive_store::open(archive, why);
        EXPECT_TRUE(store) << why;
        process_.archive = std::move(*store);
        for (std::size_t i = 0; i < shards; ++i) shards_.run_and_wait(i, [&, i] { return make(shards_[i], delay); });
        for (auto& one : services_) process_.map.engines.push_back(&one->engine());
        for (std::size_t i = 0; i < shards; ++i) shards_.run_and_wait(i, [&, i] { return start(i); });
    }

    ~life() {
        for (std::size_t i = 0; i < services_.size(); ++i)
            shards_.run_and_wait(i, [&, i] { return services_[i]->finish(); });
        for (std::size_t i = 0; i < services_.size(); ++i)
            shards_.run_and_wait(i, [&, i] { return services_[i]->stop(); });
        shards_.run_and_wait(0, [&] { return process_.log_directory->stop(); });
        for (std::size_t i = 0; i < services_.size(); ++i)
            shards_.run_and_wait(i, [&, i] { return services_[i]->dispose(); });
        shards_.run_and_wait(0, [&] { return drop(); });
        shards_.stop();
    }

    void on(std::size_t i, runtime::unique_function<task<void>()> make) { shards_.run_and_wait(i, std::move(make)); }
    pipeline::engine_service& engine(std::size_t i) { return services_[i]->engine(); }
    storage::embedded::log_directory& directory() { return *process_.log_directory; }

  private:
    std::unique_ptr<storage::disk> make_disk(runtime::shard& home) {
        auto disk = storage::embedded::make_real_disk(home, disk_options_).value();
        return wrap_ ? wrap_(home, std::move(disk)) : std::move(disk);
    }
    task<void> open(std::string folder) {
        process_.directory_disk = make_disk(shards_[0]);
        storage::embedded::directory_options options;
        options.path = folder + "/log";
        options.segment_bytes = 4 << 20;
        process_.log_directory =
            std::make_unique<storage::embedded::log_directory>(shards_[0], *process_.directory_disk, options);
        const auto opened = co_await process_.log_directory->open();
        EXPECT_TRUE(opened) << process_.log_directory->recovered().diagnosis;
    }
    task<void> make(runtime::shard& home, runtime::milliseconds delay) {
        auto disk = make_disk(home);
        auto worker = std::make_unique<stages::worker::noop_worker>(stages::worker::noop_behaviour{delay});
        services_[home.id()] =
            std::make_unique<app::shard_services>(home, process_, std::move(disk), std::move(worker), "noop");
        co_return;
    }
    task<void> start(std::size_t i) {
        const auto started = co_await services_[i]->start();
        EXPECT_TRUE(started) << services_[i]->diagnosis();
    }
    task<void> drop() {
        process_.log_directory.reset();
        process_.directory_disk.reset();
        co_return;
    }

    app::process_services process_;
    runtime::shard_group shards_;
    around wrap_;
    storage::embedded::real_disk_options disk_options_;
    std::vector<std::unique_ptr<app::shard_services>> services_;
};

}  // namespace tests
