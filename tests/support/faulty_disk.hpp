// A disk around another one, the machine's or the simulated one, whose calls can be made to fail or to stall.
#pragma once

#include <atomic>
#include <memory>

#include "runtime/timer.hpp"
#include "storage/api/disk.hpp"

namespace tests {

// Set by the test from any thread; shared by the disks of all shards. Numbers are errno values, 0 is no fault.
struct disk_faults {
    std::atomic<int> write{0};  // of a durable write, when it completes: what the blocks hold is then unknown
    std::atomic<int> fill{0};   // of zero_fill, before it begins
    std::atomic<int> sync{0};   // of sync() and sync_directory(), when it completes
    std::atomic<int> open{0};   // of open()
    // Whatever changes the disk completes only when this ends.
    std::atomic<bool> stalled{false};

    // How many calls were hit.
    std::atomic<std::uint64_t> failed{0};
    std::atomic<std::uint64_t> held_up{0};
};

class faulty_disk final : public storage::disk {
  public:
    faulty_disk(std::unique_ptr<storage::disk> inner, disk_faults& faults)
        : inner_(std::move(inner)), faults_(faults) {}

    storage::task<storage::result<std::unique_ptr<storage::disk_file>>> open(std::string path,
                                                                             storage::open_mode mode) override {
        const auto hit = fault(faults_.open, faults_);
        if (hit) co_return hit;
        auto file = co_await inner_->open(std::move(path), mode);
        if (file.has_error()) co_return file.error();
        std::unique_ptr<storage::disk_file> out = std::make_unique<faulty_file>(std::move(*file), faults_);
        co_return std::move(out);
    }
    storage::task<storage::result<void>> rename(std::string from, std::string to) override {
        return inner_->rename(std::move(from), std::move(to));
    }
    storage::task<storage::result<void>> remove(std::string path) override { return inner_->remove(std::move(path)); }
    storage::task<storage::result<std::vector<std::string>>> list(std::string folder) override {
        return inner_->list(std::move(folder));
    }
    storage::task<storage::result<void>> make_folder(std::string path) override {
        return inner_->make_folder(std::move(path));
    }
    storage::task<storage::result<void>> sync_directory(std::string folder) override {
        return completed(inner_->sync_directory(std::move(folder)), faults_.sync, faults_);
    }
    storage::task<storage::result<std::unique_ptr<storage::disk_lock>>> try_lock(std::string path) override {
        return inner_->try_lock(std::move(path));
    }
    [[nodiscard]] std::string describe() const override { return inner_->describe() + ", with faults"; }

  private:
    static boost::system::error_code fault(const std::atomic<int>& which, disk_faults& faults) {
        const int number = which;
        if (number == 0) return {};
        ++faults.failed;
        return {number, boost::system::generic_category()};
    }
    static storage::task<void> wait_while_stalled(disk_faults& faults) {
        if (faults.stalled) ++faults.held_up;
        while (faults.stalled) co_await runtime::sleep_for(runtime::milliseconds(2));
    }
    // The call itself, and then its answer, which is not what it was.
    static storage::task<storage::result<void>> completed(storage::task<storage::result<void>> call,
                                                          std::atomic<int>& which, disk_faults& faults) {
        const auto done = co_await std::move(call);
        co_await wait_while_stalled(faults);
        const auto hit = fault(which, faults);
        if (hit) co_return hit;
        co_return done;
    }

    class faulty_file final : public storage::disk_file {
      public:
        faulty_file(std::unique_ptr<storage::disk_file> inner, disk_faults& faults)
            : inner_(std::move(inner)), faults_(faults) {}

        storage::task<storage::result<void>> write_durable(std::uint64_t position,
                                                           std::span<const std::byte> bytes) override {
            return completed(inner_->write_durable(position, bytes), faults_.write, faults_);
        }
        storage::task<storage::result<std::size_t>> read(std::uint64_t position, std::span<std::byte> into) override {
            return inner_->read(position, into);
        }
        storage::task<storage::result<void>> zero_fill(std::uint64_t position, std::uint64_t bytes) override {
            const auto hit = fault(faults_.fill, faults_);
            if (hit) co_return hit;
            co_await wait_while_stalled(faults_);
            co_return co_await inner_->zero_fill(position, bytes);
        }
        storage::task<storage::result<void>> sync() override {
            return completed(inner_->sync(), faults_.sync, faults_);
        }
        [[nodiscard]] std::uint64_t size() const override { return inner_->size(); }

      private:
        std::unique_ptr<storage::disk_file> inner_;
        disk_faults& faults_;
    };

    std::unique_ptr<storage::disk> inner_;
    disk_faults& faults_;
};

}  // namespace tests
