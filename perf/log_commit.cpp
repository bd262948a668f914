// perf_log_commit [DIR]: one durable append of the embedded log beside a plain O_DIRECT|O_DSYNC write of 4 KiB, to the
// same disk in the same run, in turns; and how many appends a shard makes durable when many wait at once. Figures are
// ratios: only those say something on another machine.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <string>
#include <vector>

#include "runtime/base/assert.hpp"
#include "runtime/shard_thread.hpp"
#include "runtime/spawn.hpp"
#include "storage/embedded/disk/real_disk.hpp"
#include "storage/embedded/log/embedded_log.hpp"

namespace {

using runtime::nanoseconds;
using runtime::task;
using storage::embedded::writer_kind;

constexpr int rounds = 5;
constexpr int writes_a_round = 2000;
constexpr std::uint64_t waiting_at_once = 256;
constexpr std::size_t payload_bytes = 400;  // a small accepted record

struct figures {
    std::vector<double> plain_us;
    std::vector<double> append_us;
    double appends_a_second = 0;
    double records_a_batch = 0;
    std::string how;
};

double percentile(std::vector<double> values, double part) {
    std::sort(values.begin(), values.end());
    return values[static_cast<std::size_t>(part * static_cast<double>(values.size() - 1))];
}

// Overwrites a zero-filled file, as the log does with its segments.
class plain_file {
  public:
    explicit plain_file(const std::string& path)
        : file_(::open(path.c_str(), O_CREAT | O_RDWR | O_DIRECT | O_DSYNC, 0600)) {
        WEIR_ASSERT(file_ >= 0);
        const storage::block_buffer zeros(file_bytes);
        WEIR_ASSERT(::pwrite(file_, zeros.data(), file_bytes, 0) == static_cast<ssize_t>(file_bytes));
    }
    ~plain_file() { ::close(file_); }
    plain_file(const plain_file&) = delete;
    plain_file& operator=(const plain_file&) = delete;

    void write(std::vector<double>& took_us) {
        for (int i = 0; i < writes_a_round; ++i) {
            const auto begun = runtime::system_clock().steady();
            const auto at = static_cast<off_t>(static_cast<std::size_t>(i) * block_.size() % file_bytes);
            WEIR_ASSERT(::pwrite(file_, block_.data(), block_.size(), at) == static_cast<ssize_t>(block_.size()));
            took_us.push_back(static_cast<double>((runtime::system_clock().steady() - begun).count()) / 1e3);
        }
    }

  private:
    static constexpr std::size_t file_bytes = 8 << 20;
    int file_;
    storage::block_buffer block_{storage::disk_block_bytes};
};

// Wakes whoever waits for an offset.
class waiter final : public storage::log_listener {
  public:
    explicit waiter(runtime::shard& home) : changed(home) {}
    void committed(storage::partition_id, storage::offset through) override {
        durable = through;
        changed.notify_all();
    }
    void failed(storage::partition_id, boost::system::error_code why) override {
        std::fprintf(stderr, "the log failed: %s\n", why.message().c_str());
        std::exit(1);
    }
    void resumed() override {}
    storage::offset durable = 0;
    runtime::event changed;
};

storage::record_header small_record() {
    storage::record_header header;
    header.type = 1;
    return header;
}

task<void> append_one_by_one(storage::log& log, waiter& heard, std::vector<double>& took_us) {
    const std::string payload(payload_bytes, 'x');
    const runtime::clock& clock = runtime::shard::here().time();
    for (int i = 0; i < writes_a_round; ++i) {
        const auto begun = clock.steady();
        const auto stored = log.append(small_record(), payload);
        WEIR_ASSERT(stored.has_value());
        log.hurry();
        while (heard.durable < stored->at) co_await heard.changed.wait();
        took_us.push_back(static_cast<double>((clock.steady() - begun).count()) / 1e3);
    }
}

// Each durable record is followed by another append, as clients do that wait for their answers.
task<double> append_in_crowds(storage::log& log, waiter& heard) {
    const std::string payload(payload_bytes, 'x');
    const runtime::clock& clock = runtime::shard::here().time();
    const auto begun = clock.steady();
    storage::offset last = heard.durable;
    const storage::offset first = last;
    while (clock.steady() - begun < runtime::seconds(2)) {
        while (last - heard.durable < waiting_at_once) {
            const auto stored = log.append(small_record(), payload);
            WEIR_ASSERT(stored.has_value());
            last = stored->at;
        }
        log.hurry();
        co_await heard.changed.wait();
        log.release({0}, heard.durable);
    }
    while (heard.durable < last) co_await heard.changed.wait();
    co_return static_cast<double>(last - first) * 1e9 / static_cast<double>((clock.steady() - begun).count());
}

task<void> measure(std::string folder, writer_kind writer, figures& out) {
    runtime::shard& home = runtime::shard::here();
    storage::embedded::real_disk_options options;
    options.writer = writer;
    auto disk = storage::embedded::make_real_disk(home, options);
    WEIR_ASSERT(disk.has_value());
    storage::embedded::directory_options where;
    where.path = folder + "/log";
    where.partition_bits = 0;
    storage::embedded::log_directory directory(home, **disk, where);
    const auto opened = co_await directory.open();
    WEIR_ASSERT(opened.has_value());
    storage::embedded::embedded_log log(directory, home, **disk);
    waiter heard(home);
    const std::vector<storage::partition_id> partitions{{0}};
    auto replay = [](const storage::record_view&) { return true; };
    const auto ready = co_await log.open(partitions, replay, heard);
    WEIR_ASSERT(ready.has_value());
    plain_file plain(folder + "/plain");
    std::vector<double> warm_up;
    co_await append_one_by_one(log, heard, warm_up);
    for (int round = 0; round < rounds; ++round) {
        plain.write(out.plain_us);
        co_await append_one_by_one(log, heard, out.append_us);
    }
    const auto before = log.counters();
    out.appends_a_second = co_await append_in_crowds(log, heard);
    const auto after = log.counters();
    out.records_a_batch =
        static_cast<double>(after.records - before.records) / static_cast<double>(after.batches - before.batches);
    out.how = log.describe();
    co_await log.stop();
    co_await directory.stop();
}

void print(const figures& f) {
    const double plain = percentile(f.plain_us, 0.5);
    const double append = percentile(f.append_us, 0.5);
    std::printf("%s\n", f.how.c_str());
    std::printf("  plain 4 KiB O_DIRECT|O_DSYNC write   p50 %7.1f us   p99 %7.1f us\n", plain,
                percentile(f.plain_us, 0.99));
    std::printf("  one append, durable                  p50 %7.1f us   p99 %7.1f us   %.2f of the plain write\n",
                append, percentile(f.append_us, 0.99), append / plain);
    std::printf("  appends a second, %llu waiting        %9.0f   %.1f a batch   %.1f times the plain writes a second\n",
                static_cast<unsigned long long>(waiting_at_once), f.appends_a_second, f.records_a_batch,
                f.appends_a_second * plain / 1e6);
}

}  // namespace

int main(int count, char** arguments) {
    std::string folder = std::string(count > 1 ? arguments[1] : ".") + "/perf_log_commit_XXXXXX";
    WEIR_ASSERT(::mkdtemp(folder.data()) != nullptr);
    for (const writer_kind writer : {writer_kind::automatic, writer_kind::thread}) {
        figures f;
        runtime::shard_group group(1);
        group.start();
        group.run_and_wait(0, [&] { return measure(folder, writer, f); });
        group.stop();
        print(f);
        std::filesystem::remove_all(folder + "/log");
    }
    std::filesystem::remove_all(folder);
}
