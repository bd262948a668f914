// The archives that the conformance suite runs on.
#include <gtest/gtest.h>

#include "storage/embedded/archive/archive_store.hpp"
#include "storage/simulated/archive.hpp"
#include "tests/support/temporary_directory.hpp"
#include "tests/unit/storage/archive_conformance.hpp"

namespace tests {
namespace {

runtime::task<void> end(std::unique_ptr<storage::archive>& front) {
    co_await front->stop();
    front.reset();
}

class embedded_rig final : public archive_rig {
  public:
    explicit embedded_rig(std::size_t memtable_bytes) {
        storage::embedded::archive_options options;
        options.directory = directory_.path();
        options.flush_after = runtime::milliseconds(50);
        options.memtable_bytes = memtable_bytes;
        std::string diagnosis;
        auto opened = storage::embedded::archive_store::open(options, diagnosis);
        WEIR_ASSERT(opened.has_value());
        store_ = std::move(*opened);
        for (std::size_t i = 0; i < 2; ++i) fronts_[i] = store_->open_shard(shards_[i]);
    }
    ~embedded_rig() override {
        for (std::size_t i = 0; i < 2; ++i) shards_.run(i, [&] { return end(fronts_[i]); });
    }
    two_shards& shards() override { return shards_; }
    storage::archive& on(std::size_t shard) override { return *fronts_[shard]; }

  private:
    temporary_directory directory_;
    std::unique_ptr<storage::embedded::archive_store> store_;
    machine_shards shards_;
    std::array<std::unique_ptr<storage::archive>, 2> fronts_;
};

class simulated_rig final : public archive_rig {
  public:
    explicit simulated_rig(std::uint64_t seed) : shards_(seed), service_(*shards_.world()) {
        service_.behaviour().flush_after = runtime::milliseconds(50);
        for (std::size_t i = 0; i < 2; ++i) fronts_[i] = service_.open_shard(shards_[i]);
    }
    ~simulated_rig() override {
        for (std::size_t i = 0; i < 2; ++i) shards_.run(i, [&] { return end(fronts_[i]); });
    }
    two_shards& shards() override { return shards_; }
    storage::archive& on(std::size_t shard) override { return *fronts_[shard]; }

  private:
    simulated_shards shards_;
    storage::simulated::archive_service service_;
    std::array<std::unique_ptr<storage::archive>, 2> fronts_;
};

INSTANTIATE_TEST_SUITE_P(
    back_ends, archive_conformance,
    ::testing::Values(archive_back_end{"embedded", [] { return std::make_unique<embedded_rig>(64U << 20); }},
                      archive_back_end{"embedded_tiny_memtable",
                                       [] { return std::make_unique<embedded_rig>(64U << 10); }},
                      archive_back_end{"simulated_seed_1", [] { return std::make_unique<simulated_rig>(1); }},
                      archive_back_end{"simulated_seed_2", [] { return std::make_unique<simulated_rig>(2); }}),
    [](const auto& each) { return each.param.name; });

}  // namespace
}  // namespace tests
