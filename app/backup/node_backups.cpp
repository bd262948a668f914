#include "app/backup/node_backups.hpp"

#include <algorithm>
#include <filesystem>

#include "app/backup/files.hpp"
#include "runtime/base/log.hpp"
#include "runtime/spawn.hpp"
#include "runtime/submit.hpp"

namespace app::backup {

using http::backup_failure;
using http::backup_outcome;
using runtime::task;

namespace {

constexpr const char* staging_name = "backup-staging";
constexpr runtime::seconds watch_interval{5};

// One offloaded call copies a piece, so that others find a helper thread in between.
struct copy {
    std::string from;
    std::string to;
    std::uint64_t bytes = 0;
};

struct copied {
    bool good = true;
    bool no_space = false;
    std::string diagnosis;
};

copied copy_piece(const std::string& from, std::uint64_t offset, std::uint64_t end, file_writer& to) {
    copied out;
    std::string bytes;
    const auto most = static_cast<std::size_t>(std::min<std::uint64_t>(piece_bytes, end - offset));
    out.good = read_piece(from, offset, most, bytes, out.diagnosis);
    if (!out.good) return out;
    if (bytes.size() < most) {
        out.good = false;
        out.diagnosis = from + " is shorter than the log says";
        return out;
    }
    out.good = to.write(bytes) && (offset + most < end || to.finish());
    if (!out.good) out.diagnosis = to.diagnosis();
    out.no_space = to.no_space();
    return out;
}

backup_failure failure_of(bool no_space, const std::string& diagnosis) {
    return {no_space ? backup_failure::kind::no_space : backup_failure::kind::failed, diagnosis};
}

struct listed {
    std::vector<http::backup_file> files;
    std::string diagnosis;
};

listed list_files(const std::string& root) {
    listed out;
    try {
        for (const auto& entry : std::filesystem::recursive_directory_iterator(root)) {
            if (!entry.is_regular_file()) continue;
            out.files.push_back({entry.path().lexically_relative(root).string(), entry.file_size()});
        }
    } catch (const std::filesystem::filesystem_error& why) {
        out.diagnosis = why.what();
    }
    std::sort(out.files.begin(), out.files.end(), [](const auto& a, const auto& b) { return a.path < b.path; });
    return out;
}

}  // namespace

node_backups::node_backups(runtime::shard& home, storage::embedded::log_directory& directory,
                           storage::embedded::archive_store& archive, std::vector<node_log> logs, node_options options)
    : home_(home),
      directory_(directory),
      archive_(archive),
      logs_(std::move(logs)),
      options_(std::move(options)),
      staging_(options_.data_directory + "/" + staging_name),
      made_(home.metrics().make_counter("weir_backups_total", "Backups that were made.")),
      failed_(home.metrics().make_counter("weir_backups_failed_total", "Backups that could not be made.")),
      stood_still_(home.metrics().make_histogram("weir_backup_pause_seconds",
                                                 "For how long all logs wrote nothing because of a backup.",
                                                 runtime::latency_bounds_s())),
      finished_(home),
      gate_(home) {}

node_backups::~node_backups() = default;

task<void> node_backups::clear() {
    auto remove = [path = staging_] {
        std::error_code ignored;
        std::filesystem::remove_all(path, ignored);
    };
    co_await runtime::offload(std::move(remove));
}

task<void> node_backups::start() { co_await clear(); }

task<void> node_backups::stop() {
    stopping_ = true;
    if (timer_) home_.timers().cancel(*timer_);
    timer_.reset();
    co_await gate_.close();
    if (present_) co_await clear();
    present_.reset();
}

task<backup_outcome<http::backup>> node_backups::make() {
    auto there = [this] { return make_here(); };
    co_return co_await runtime::submit(home_, std::move(there));
}

task<backup_outcome<std::string>> node_backups::read(std::string id, std::size_t file, std::uint64_t offset,
                                                     std::size_t bytes_max) {
    auto there = [this, id = std::move(id), file, offset, bytes_max] { return read_here(id, file, offset, bytes_max); };
    co_return co_await runtime::submit(home_, std::move(there));
}

task<backup_outcome<void>> node_backups::remove(std::string id) {
    auto there = [this, id = std::move(id)] { return remove_here(id); };
    co_return co_await runtime::submit(home_, std::move(there));
}

task<backup_outcome<http::backup>> node_backups::make_here() {
    if (stopping_) co_return backup_failure(backup_failure::kind::failed, "the server stops");
    if (making_ || present_)
        co_return backup_failure(backup_failure::kind::in_progress,
                                 present_ ? "backup " + present_->id + " is there" : "a backup is being made");
    const runtime::gate::hold held(gate_);
    making_ = true;
    auto out = std::make_shared<std::optional<backup_outcome<http::backup>>>();
    if (!runtime::spawn(gate_, home_, run(out))) {
        making_ = false;
        co_return backup_failure(backup_failure::kind::failed, "the server stops");
    }
    while (!*out) co_await finished_.wait();
    co_return std::move(**out);
}

task<void> node_backups::run(std::shared_ptr<std::optional<backup_outcome<http::backup>>> outcome) {
    http::backup out;
    out.created_at = home_.time().utc();
    runtime::id_generator ids(home_.time(), home_.random().split());
    out.id = ids.next({}).to_string();
    const auto filled = co_await fill(out);
    if (filled.has_error()) {
        failed_.add();
        runtime::log(runtime::log_level::error, "a backup could not be made", {{"why", filled.error().detail}});
        co_await clear();
        making_ = false;
        outcome->emplace(filled.error());
        finished_.notify_all();
        co_return;
    }
    made_.add();
    runtime::log(runtime::log_level::info, "a backup was made", {{"id", out.id}, {"files", out.files.size()}});
    present_ = out;
    making_ = false;
    last_read_ = home_.time().steady();
    watch();
    outcome->emplace(std::move(out));
    finished_.notify_all();
}

task<backup_outcome<void>> node_backups::fill(http::backup& out) {
    co_await clear();
    co_await hold(true);
    auto done = co_await checkpoint();
    if (done.has_value()) {
        const auto until = co_await stand_still();
        if (until.has_error()) {
            const bool full = until.error() == storage::log_errc::no_space;
            done = failure_of(full, "the log cannot be looked at: " + until.error().message());
        } else {
            done = co_await copy_log(*until);
        }
    }
    co_await hold(false);
    if (done.has_error()) co_return done;
    auto list = [root = staging_] { return list_files(root); };
    auto found = co_await runtime::offload(std::move(list));
    if (!found.diagnosis.empty()) co_return failure_of(false, found.diagnosis);
    out.files = std::move(found.files);
    co_return backup_outcome<void>();
}

// On every shard, and last in the directory; undone in the other order.
task<void> node_backups::hold(bool on) {
    if (!on) directory_.let_go();
    for (const auto& one : logs_) {
        auto there = [log = one.log, on] {
            if (on) {
                log->hold_releases();
            } else {
                log->let_releases_go();
            }
        };
        co_await runtime::submit(*one.home, std::move(there));
    }
    if (on) directory_.hold();
}

task<backup_outcome<void>> node_backups::checkpoint() {
    struct outcome {
        runtime::result<void> done;
        std::string diagnosis;
    };
    auto make = [&archive = archive_, staging = staging_] {
        outcome out;
        std::error_code made;
        std::filesystem::create_directories(staging, made);
        out.done = archive.checkpoint(staging + "/archive", out.diagnosis);
        return out;
    };
    const auto made = co_await runtime::offload(std::move(make));
    if (made.done.has_value()) co_return backup_outcome<void>();
    const bool full = made.done.error() == storage::archive_errc::no_space;
    co_return failure_of(full, "the archive cannot be copied: " + made.diagnosis);
}

task<runtime::result<node_backups::ends>> node_backups::stand_still() {
    ends out;
    runtime::error_code why;
    const auto begun = home_.time().steady();
    for (const auto& one : logs_) {
        auto pause = [log = one.log] { return log->pause(); };
        const auto end = co_await runtime::submit(*one.home, std::move(pause));
        if (end.has_error()) {
            why = end.error();
            break;
        }
        out[one.log->id()] = *end;
    }
    for (const auto& one : logs_) {
        auto resume = [log = one.log] { log->resume(); };
        co_await runtime::submit(*one.home, std::move(resume));
    }
    stood_still_.observe(static_cast<double>((home_.time().steady() - begun).count()) / 1e9);
    if (why) co_return why;
    co_return out;
}

task<backup_outcome<void>> node_backups::copy_log(const ends& until) {
    const std::string from = directory_.options().path;
    for (const auto& part : directory_.files_until(until)) {
        auto writer = std::make_shared<file_writer>(staging_ + "/log/" + part.name);
        for (std::uint64_t at = 0; at < part.bytes; at += piece_bytes) {
            if (stopping_) co_return backup_failure(backup_failure::kind::failed, "the server stops");
            auto some = [path = from + "/" + part.name, at, end = part.bytes, writer] {
                return copy_piece(path, at, end, *writer);
            };
            const auto piece = co_await runtime::offload(std::move(some));
            if (!piece.good) co_return failure_of(piece.no_space, piece.diagnosis);
        }
    }
    co_return backup_outcome<void>();
}

task<backup_outcome<std::string>> node_backups::read_here(std::string id, std::size_t file, std::uint64_t offset,
                                                          std::size_t bytes_max) {
    if (stopping_ || !present_ || present_->id != id || file >= present_->files.size())
        co_return backup_failure(backup_failure::kind::unknown, "there is no such backup, or no such file in it");
    const runtime::gate::hold held(gate_);
    last_read_ = home_.time().steady();
    const auto& which = present_->files[file];
    const std::uint64_t left = offset < which.bytes ? which.bytes - offset : 0;
    const auto most = static_cast<std::size_t>(std::min<std::uint64_t>(bytes_max, left));
    struct outcome {
        bool good = false;
        std::string bytes;
        std::string diagnosis;
    };
    auto read = [path = staging_ + "/" + which.path, offset, most] {
        outcome out;
        out.good = read_piece(path, offset, most, out.bytes, out.diagnosis);
        return out;
    };
    ++reads_;
    auto got = co_await runtime::offload(std::move(read));
    --reads_;
    if (!got.good) co_return backup_failure(backup_failure::kind::failed, got.diagnosis);
    co_return std::move(got.bytes);
}

task<backup_outcome<void>> node_backups::remove_here(std::string id) {
    if (stopping_ || !present_ || present_->id != id)
        co_return backup_failure(backup_failure::kind::unknown, "there is no such backup");
    const runtime::gate::hold held(gate_);
    present_.reset();
    // No other one is begun in the same place meanwhile.
    making_ = true;
    co_await clear();
    making_ = false;
    co_return backup_outcome<void>();
}

void node_backups::watch() {
    timer_ = home_.timers().add(home_.time().steady() + watch_interval, [this] {
        timer_.reset();
        if (!present_) return;
        const bool forgotten = reads_ == 0 && home_.time().steady() - last_read_ >= options_.unread_after;
        if (!forgotten) return watch();
        runtime::log(runtime::log_level::warning, "a backup that nobody fetched is removed", {{"id", present_->id}});
        present_.reset();
        runtime::spawn(gate_, home_, clear());
    });
}

}  // namespace app::backup
