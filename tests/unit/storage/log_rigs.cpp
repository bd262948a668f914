#include "tests/unit/storage/log_rigs.hpp"

#include <filesystem>

#include "runtime/shard_thread.hpp"
#include "tests/support/temporary_directory.hpp"
#include "tests/unit/storage/simulated_life.hpp"

namespace tests {

using storage::embedded::directory_options;
using storage::embedded::embedded_log;
using storage::embedded::log_directory;

namespace {

directory_options small_directory(std::uint64_t seed) {
    directory_options where;
    where.path = "log";
    where.partition_bits = 4;
    where.segment_bytes = (1 + seed % 2) << 20;
    where.small_segment_bytes = seed % 3 == 0 ? 1 << 20 : 704 << 10;
    return where;
}

runtime::task<void> open_directory(log_directory& directory, std::string& why) {
    const auto opened = co_await directory.open();
    if (opened.has_error()) why = opened.error().message() + ": " + directory.recovered().diagnosis;
}

}  // namespace

struct simulated_embedded_rig::life {
    life(runtime::simulation::world& world, std::size_t shards) : node(world, shards) {}

    struct one_shard {
        std::unique_ptr<storage::disk> disk;
        std::unique_ptr<embedded_log> log;
    };
    simulated_life node;
    std::vector<one_shard> shards;
    std::unique_ptr<log_directory> directory;
};

simulated_embedded_rig::simulated_embedded_rig(std::uint64_t seed)
    : simulated_embedded_rig(seed, small_directory(seed)) {}

simulated_embedded_rig::simulated_embedded_rig(std::uint64_t seed, directory_options where)
    : world_(seed), disk_(world_), where_(std::move(where)) {}

simulated_embedded_rig::~simulated_embedded_rig() {
    if (life_) bury();
}

log_directory& simulated_embedded_rig::directory() { return *life_->directory; }
embedded_log& simulated_embedded_rig::embedded(std::size_t i) { return *life_->shards[i].log; }
std::size_t simulated_embedded_rig::shards() const { return life_ ? life_->shards.size() : 0; }
runtime::shard& simulated_embedded_rig::shard(std::size_t i) { return life_->node.shard(i); }
storage::log& simulated_embedded_rig::log(std::size_t i) { return *life_->shards[i].log; }

std::string simulated_embedded_rig::begin_life(std::size_t shards) {
    life_ = std::make_shared<life>(world_, shards);
    for (std::size_t i = 0; i < shards; ++i) {
        auto& home = life_->node.shard(i);
        const runtime::shard::running here(home);
        life::one_shard one;
        one.disk = disk_.open_shard(home);
        if (i == 0) life_->directory = std::make_unique<log_directory>(home, *one.disk, where_);
        one.log = std::make_unique<embedded_log>(*life_->directory, home, *one.disk, log_options);
        life_->shards.push_back(std::move(one));
    }
    std::string why;
    run(0, [&] { return open_directory(*life_->directory, why); });
    if (!why.empty()) bury();
    return why;
}

void simulated_embedded_rig::end_life() {
    for (std::size_t i = 0; i < shards(); ++i) run(i, [this, i] { return life_->shards[i].log->stop(); });
    run(0, [this] { return life_->directory->stop(); });
    life_->node.wait_for_all();
    life_.reset();
}

void simulated_embedded_rig::start(std::size_t i, runtime::unique_function<runtime::task<void>()> make) {
    life_->node.start(i, std::move(make));
}

void simulated_embedded_rig::run(std::size_t i, runtime::unique_function<runtime::task<void>()> make) {
    life_->node.run(i, std::move(make));
}

void simulated_embedded_rig::vary(runtime::random_source& random) {
    auto& now = disk_.behaviour();
    now.delay_max = runtime::microseconds(100 + random.below(3) * 2000);
    now.stalled = random.below(3) == 0 ? 1'000 : 0;
    now.stall_max = runtime::milliseconds(200);
}

void simulated_embedded_rig::bury() {
    life_->node.kill();
    world_.bury(life_);
    life_.reset();
}

void simulated_embedded_rig::crash() {
    life_->node.kill();
    disk_.crash();
    bury();
}

void simulated_embedded_rig::crash(const storage::simulated::disk_image::chooser& choose) {
    life_->node.kill();
    disk_.crash(choose);
    bury();
}

namespace {

// The embedded log on the machine's disk.
class real_rig final : public log_rig {
  public:
    real_rig(storage::embedded::writer_kind writer, bool direct) : writer_(writer), direct_(direct) {}
    ~real_rig() override { WEIR_ASSERT(!group_); }

    std::string begin_life(std::size_t shards) override {
        group_ = std::make_unique<runtime::shard_group>(shards);
        group_->start();
        disks_.resize(shards);
        logs_.resize(shards);
        std::string why;
        for (std::size_t i = 0; i < shards; ++i) run(i, [this, i, &why] { return make(i, why); });
        if (why.empty()) run(0, [&] { return open_directory(*directory_, why); });
        if (!why.empty()) end();
        return why;
    }
    void end_life() override {
        for (std::size_t i = 0; i < shards(); ++i) run(i, [this, i] { return logs_[i]->stop(); });
        run(0, [this] { return directory_->stop(); });
        end();
    }
    [[nodiscard]] std::size_t shards() const override { return logs_.size(); }
    runtime::shard& shard(std::size_t i) override { return (*group_)[i]; }
    storage::log& log(std::size_t i) override { return *logs_[i]; }
    void run(std::size_t i, runtime::unique_function<runtime::task<void>()> make) override {
        group_->run_and_wait(i, std::move(make));
    }
    std::uint64_t stored_bytes() override {
        std::uint64_t sum = 0;
        for (const auto& file : std::filesystem::directory_iterator(folder_.path())) sum += file.file_size();
        return sum;
    }

  private:
    runtime::task<void> make(std::size_t i, std::string& why) {
        runtime::shard& home = runtime::shard::here();
        storage::embedded::real_disk_options options;
        options.writer = writer_;
        options.direct = direct_;
        auto disk = storage::embedded::make_real_disk(home, options);
        if (disk.has_error()) {
            why = disk.error().message();
            co_return;
        }
        disks_[i] = std::move(*disk);
        if (i == 0) {
            directory_options where = small_directory(0);
            where.path = folder_.path();
            directory_ = std::make_unique<log_directory>(home, *disks_[0], where);
        }
        logs_[i] = std::make_unique<embedded_log>(*directory_, home, *disks_[i]);
    }
    runtime::task<void> forget(std::size_t i) {
        logs_[i].reset();
        if (i == 0) directory_.reset();
        disks_[i].reset();
        co_return;
    }
    void end() {
        for (std::size_t i = shards(); i-- > 0;) run(i, [this, i] { return forget(i); });
        group_->stop();
        group_.reset();
        logs_.clear();
        disks_.clear();
    }

    temporary_directory folder_;
    storage::embedded::writer_kind writer_;
    bool direct_;
    std::unique_ptr<runtime::shard_group> group_;
    std::vector<std::unique_ptr<storage::disk>> disks_;
    std::unique_ptr<log_directory> directory_;
    std::vector<std::unique_ptr<embedded_log>> logs_;
};

}  // namespace

std::unique_ptr<log_rig> make_real_rig(storage::embedded::writer_kind writer, bool direct) {
    return std::make_unique<real_rig>(writer, direct);
}

}  // namespace tests
