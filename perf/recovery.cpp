// perf_recovery [DIR] [FINISHED] [OPEN]: how long a start takes after FINISHED executions (a million) have ended and
// OPEN ones (a hundred thousand), accepted between them, are unfinished. The executions go through the engine with an
// executor that ends most at once and keeps the others; then the process is killed, and a fresh one opens log, archive
// and engines on all shards. Beside it, the same segment files are read once more with nothing but O_DIRECT reads: what
// the disk alone takes.
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "pipeline/engine_service.hpp"
#include "runtime/base/assert.hpp"
#include "runtime/shard_thread.hpp"
#include "runtime/spawn.hpp"
#include "stages/coordinator/coordinator.hpp"
#include "stages/result/hand_over.hpp"
#include "stages/saga/script_saga.hpp"
#include "storage/embedded/archive/archive_store.hpp"
#include "storage/embedded/blobs/log_blobs.hpp"
#include "storage/embedded/disk/real_disk.hpp"
#include "storage/embedded/log/embedded_log.hpp"

namespace {

using runtime::task;
namespace fs = std::filesystem;

constexpr std::size_t shards = 2;
constexpr int clients_of_a_shard = 128;

// Ends at once, but for scripts that say so: those run until the process dies.
class half_worker final : public stages::worker::worker {
  public:
    task<stages::worker::verdict> run(stages::worker::launch_request request, stages::worker::observer& watch,
                                      std::stop_token stop) override {
        co_await watch.started();
        if (request.script.starts_with("open")) co_await runtime::sleep_for(runtime::seconds(1'000'000), stop);
        stages::worker::verdict out;
        out.ended_by = stages::worker::cause::exited;
        out.exit_code = 0;
        co_return out;
    }
};

struct one_shard {
    std::unique_ptr<storage::disk> disk;
    std::unique_ptr<storage::embedded::embedded_log> log;
    std::unique_ptr<storage::archive> archive;
    std::unique_ptr<storage::embedded::log_blobs> blobs;
    std::unique_ptr<pipeline::shard_state> state;
    half_worker worker;
    std::unique_ptr<stages::coordinator::coordinator> coordinator;
    std::unique_ptr<stages::result::hand_over> hand_over;
    std::unique_ptr<stages::saga::script_saga> saga;
    std::unique_ptr<pipeline::engine_service> engine;
    std::unique_ptr<runtime::gate> clients;
};

// Of the whole process, all threads.
double cpu_s() {
    rusage used{};
    ::getrusage(RUSAGE_SELF, &used);
    const auto seconds = [](const timeval& t) {
        return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
    };
    return seconds(used.ru_utime) + seconds(used.ru_stime);
}

double now_s() { return static_cast<double>(runtime::system_clock().steady().nanoseconds_since_start) / 1e9; }

// A node without a front door, wired as app/ does it.
class node {
  public:
    explicit node(std::string folder) : folder_(std::move(folder)), group_(shards) {
        for (std::size_t i = 0; i < shards; ++i) map_.shards.push_back(&group_[i]);
        group_.start();
    }

    struct step_time {
        std::string what;
        double seconds;
        double cpu_seconds;
    };
    std::vector<step_time> start() {
        std::vector<step_time> took;
        const auto step = [&took](const char* what, const std::function<void()>& run) {
            const double begun = now_s();
            const double cpu = cpu_s();
            run();
            took.push_back({what, now_s() - begun, cpu_s() - cpu});
        };
        step("log directory (scan)", [this] { group_.run_and_wait(0, [this] { return open_directory(); }); });
        step("archive", [this] { open_archive(); });
        step("partitions (replay)", [this] {
            for (std::size_t i = 0; i < shards; ++i) group_.run_and_wait(i, [this, i] { return make(i); });
            for (auto& one : each_) map_.engines.push_back(one.engine.get());
            std::vector<std::thread> waiting;
            for (std::size_t i = 0; i < shards; ++i)
                waiting.emplace_back([this, i] { group_.run_and_wait(i, [this, i] { return start_one(i); }); });
            for (auto& one : waiting) one.join();
        });
        return took;
    }

    // Posts until so many have been accepted; every (finished/open)-th stays open.
    void load(std::uint64_t finished, std::uint64_t open) {
        every_ = open == 0 ? UINT64_MAX : (finished + open) / open;
        const std::uint64_t each = (finished + open) / shards / clients_of_a_shard;
        std::vector<std::thread> waiting;
        for (std::size_t i = 0; i < shards; ++i)
            waiting.emplace_back([this, i, each] { group_.run_and_wait(i, [=, this] { return load_one(i, each); }); });
        for (auto& one : waiting) one.join();
    }

    [[nodiscard]] storage::embedded::log_directory& directory() { return *directory_; }
    [[nodiscard]] std::size_t held() const {
        std::size_t sum = 0;
        for (const auto& one : each_) sum += one.state->table.size();
        return sum;
    }
    [[nodiscard]] std::size_t unconfirmed() const {
        std::size_t sum = 0;
        for (const auto& one : each_) sum += one.hand_over->unconfirmed();
        return sum;
    }
    // Behind the oldest open execution of each shard.
    [[nodiscard]] std::uint64_t held_bytes() const {
        std::uint64_t sum = 0;
        for (const auto& one : each_) sum += one.engine->held_bytes();
        return sum;
    }
    [[nodiscard]] std::uint64_t snapshots_taken() const {
        std::uint64_t sum = 0;
        for (const auto& one : each_) sum += one.engine->snapshots_taken();
        return sum;
    }

  private:
    task<void> open_directory() {
        directory_disk_ = storage::embedded::make_real_disk(group_[0]).value();
        storage::embedded::directory_options where;
        where.path = folder_ + "/log";
        directory_ = std::make_unique<storage::embedded::log_directory>(group_[0], *directory_disk_, where);
        const auto opened = co_await directory_->open();
        if (!opened) std::fprintf(stderr, "%s\n", directory_->recovered().diagnosis.c_str());
        WEIR_ASSERT(opened.has_value());
    }
    void open_archive() {
        storage::embedded::archive_options options;
        options.directory = folder_ + "/archive";
        std::string why;
        auto store = storage::embedded::archive_store::open(options, why);
        WEIR_ASSERT(store.has_value());
        archive_ = std::move(*store);
    }
    task<void> make(std::size_t i) {
        auto& home = group_[i];
        auto& mine = each_[i];
        mine.disk = storage::embedded::make_real_disk(home).value();
        mine.log = std::make_unique<storage::embedded::embedded_log>(*directory_, home, *mine.disk);
        mine.archive = archive_->open_shard(home);
        mine.blobs = std::make_unique<storage::embedded::log_blobs>(
            *mine.log, static_cast<std::uint16_t>(pipeline::record_type::blob_piece));
        mine.state = std::make_unique<pipeline::shard_state>(home, *mine.log, *mine.archive, *mine.blobs,
                                                             map_.partition_bits, 1'000'000);
        mine.coordinator = std::make_unique<stages::coordinator::coordinator>(mine.state->table, 0);
        mine.hand_over = std::make_unique<stages::result::hand_over>(*mine.state);
        mine.saga =
            std::make_unique<stages::saga::script_saga>(*mine.state, *mine.coordinator, mine.worker, *mine.hand_over);
        pipeline::engine_options options;
        options.queued_max = 10'000'000;
        mine.engine = std::make_unique<pipeline::engine_service>(*mine.state, *mine.saga, map_, options);
        mine.clients = std::make_unique<runtime::gate>(home);
        co_return;
    }
    task<void> start_one(std::size_t i) {
        each_[i].hand_over->start();
        const auto opened = co_await each_[i].engine->start();
        if (!opened) std::fprintf(stderr, "%s\n", each_[i].log->diagnosis().c_str());
        WEIR_ASSERT(opened.has_value());
    }
    task<void> client(std::size_t i, std::uint64_t posts) {
        const auto who = pipeline::make_principal("default", "local", true);
        auto& engine = *each_[i].engine;
        for (std::uint64_t n = 0; n < posts; ++n) {
            pipeline::script_request request;
            const bool open = ++posted_[i] % every_ == 0;
            request.script = open ? "open " : "print(1) ";
            request.script += std::to_string(n);
            request.lang = "python";
            request.lang_version = "3.11";
            request.retry = {1, {}, 0};
            const auto answer = co_await engine.execute(who, std::move(request), std::nullopt);
            WEIR_ASSERT(answer);
            // As a client that waits for its result; else the queue would only grow.
            if (!open) co_await engine.result_in_time(who, answer->id, runtime::steady_time::never());
        }
    }
    task<void> load_one(std::size_t i, std::uint64_t each) {
        for (int c = 0; c < clients_of_a_shard; ++c) runtime::spawn(*each_[i].clients, group_[i], client(i, each));
        co_await each_[i].clients->close();
        while (each_[i].hand_over->waiting() > 0) co_await runtime::sleep_for(runtime::milliseconds(10));
    }

    std::string folder_;
    runtime::shard_group group_;
    std::unique_ptr<storage::disk> directory_disk_;
    std::unique_ptr<storage::embedded::log_directory> directory_;
    std::unique_ptr<storage::embedded::archive_store> archive_;
    std::array<one_shard, shards> each_;
    std::array<std::uint64_t, shards> posted_{};
    pipeline::shard_map map_;
    std::uint64_t every_ = UINT64_MAX;
};

// Runs in a process of its own, which ends without any farewell.
template <class Do>
void in_own_process(Do what) {
    std::fflush(nullptr);
    const pid_t child = ::fork();
    if (child == 0) {
        what();
        std::fflush(nullptr);
        ::_exit(0);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    WEIR_ASSERT(status == 0);
}

void make(const std::string& folder, std::uint64_t finished, std::uint64_t open) {
    node& here = *std::make_unique<node>(folder).release();  // it ends with the process
    here.start();
    const double begun = now_s();
    here.load(finished, open);
    std::printf("made %llu finished and %llu open executions in %.1f s; %llu written again, %llu segments are used\n",
                static_cast<unsigned long long>(finished), static_cast<unsigned long long>(open), now_s() - begun,
                static_cast<unsigned long long>(here.snapshots_taken()),
                static_cast<unsigned long long>(here.directory().count().segments));
    std::printf("  %zu documents not confirmed by the archive; open executions hold %.1f MB of records\n",
                here.unconfirmed(), static_cast<double>(here.held_bytes()) / 1e6);
}

// Bytes a second of O_DIRECT reads of a mebibyte, one after the other.
void read_plainly(const std::string& folder) {
    const storage::block_buffer room(1 << 20);
    std::uint64_t bytes = 0;
    const double begun = now_s();
    for (const auto& entry : fs::directory_iterator(folder + "/log")) {
        if (entry.path().extension() != ".segment") continue;
        const int file = ::open(entry.path().c_str(), O_RDONLY | O_DIRECT);
        WEIR_ASSERT(file >= 0);
        ssize_t got = 0;
        while ((got = ::read(file, const_cast<std::byte*>(room.data()), room.size())) > 0)
            bytes += static_cast<std::uint64_t>(got);
        ::close(file);
    }
    const double took = now_s() - begun;
    std::printf("  the disk alone                    %6.2f s   %8.1f MB of segments, %.0f MB/s\n", took,
                static_cast<double>(bytes) / 1e6, static_cast<double>(bytes) / 1e6 / took);
}

void recover(const std::string& folder) {
    const double begun = now_s();
    node& here = *std::make_unique<node>(folder).release();  // it ends with the process
    const auto took = here.start();
    const double whole = now_s() - begun;
    const auto& found = here.directory().recovered();
    std::printf("recovery: %.2f s until ready; %llu segments, %llu batches, %llu records; %zu executions held\n", whole,
                static_cast<unsigned long long>(found.segments), static_cast<unsigned long long>(found.batches),
                static_cast<unsigned long long>(found.records), here.held());
    for (const auto& one : took)
        std::printf("  %-32s  %6.2f s   %6.2f s of CPU\n", one.what.c_str(), one.seconds, one.cpu_seconds);
}

}  // namespace

int main(int count, char** arguments) {
    std::string folder = std::string(count > 1 ? arguments[1] : ".") + "/perf_recovery_XXXXXX";
    const std::uint64_t finished = count > 2 ? std::strtoull(arguments[2], nullptr, 10) : 1'000'000;
    const std::uint64_t open = count > 3 ? std::strtoull(arguments[3], nullptr, 10) : 100'000;
    // A data directory that exists already is recovered as it is.
    const bool again = count > 1 && fs::exists(std::string(arguments[1]) + "/log");
    if (again) {
        folder = arguments[1];
    } else {
        WEIR_ASSERT(::mkdtemp(folder.data()) != nullptr);
        in_own_process([&] { make(folder, finished, open); });
    }
    // The archive's files go out of the page cache, as at a start of the machine.
    ::sync();
    if (const int caches = ::open("/proc/sys/vm/drop_caches", O_WRONLY); caches >= 0) {
        static_cast<void>(!::write(caches, "1", 1));
        ::close(caches);
    }
    in_own_process([&] { read_plainly(folder); });
    in_own_process([&] { recover(folder); });
    if (!again && count <= 4) fs::remove_all(folder);
}
