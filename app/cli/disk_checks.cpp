#include <linux/magic.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>

#include "app/cli/machine_checks.hpp"
#include "runtime/base/last_error.hpp"
#include "runtime/shard_thread.hpp"
#include "storage/embedded/disk/real_disk.hpp"

namespace app::cli {
namespace {

using runtime::task;

constexpr std::uint64_t free_space_good_bytes = 2ULL << 30;
constexpr std::size_t probe_writes = 200;
constexpr double sync_slow_us = 10'000;
constexpr double sync_unbelievable_us = 8;  // no device that keeps what it says answers a flush so fast

struct known_file_system {
    std::uint64_t magic;
    const char* name;
    health verdict;
    const char* advice;
};

constexpr known_file_system file_systems[] = {
    {EXT4_SUPER_MAGIC, "ext4", health::good, ""},
    {XFS_SUPER_MAGIC, "xfs", health::good, ""},
    {BTRFS_SUPER_MAGIC, "btrfs", health::warning, "copy on write undoes the log's overwriting; ext4 or xfs are faster"},
    {0x2FC12FC1, "zfs", health::warning, "copy on write undoes the log's overwriting; ext4 or xfs are faster"},
    {OVERLAYFS_SUPER_MAGIC, "overlayfs", health::warning,
     "this is a container's own layer, which goes with the container; mount a volume"},
    {TMPFS_MAGIC, "tmpfs", health::problem, "this is memory: everything is lost when the machine stops"},
    {RAMFS_MAGIC, "ramfs", health::problem, "this is memory: everything is lost when the machine stops"},
    {NFS_SUPER_MAGIC, "nfs", health::problem,
     "locks and syncs over NFS are not what the log relies on; use a local disk"},
    {FUSE_SUPER_MAGIC, "fuse", health::warning, "what a sync means is up to the program behind it"},
};

struct disk_probe {
    std::string problem;
    std::string how;  // io_uring or a thread, O_DIRECT or buffered
    std::vector<double> each_us;
};

task<void> probe_disk(std::string folder, disk_probe& out) {
    auto& home = runtime::shard::here();
    auto made = storage::embedded::make_real_disk(home);
    if (made.has_error()) {
        out.problem = made.error().message();
        co_return;
    }
    auto& disk = **made;
    const std::string path = folder + "/weir-doctor-" + std::to_string(getpid());
    auto file = co_await disk.open(path, storage::open_mode::create_new);
    if (file.has_error()) {
        out.problem = file.error().message();
        co_return;
    }
    storage::block_buffer block(storage::disk_block_bytes);
    const auto filled = co_await (*file)->zero_fill(0, probe_writes * storage::disk_block_bytes);
    const auto synced = filled ? co_await (*file)->sync() : filled;
    if (!synced) out.problem = synced.error().message();
    for (std::size_t i = 0; i < probe_writes && out.problem.empty(); ++i) {
        const auto begun = home.time().steady();
        const auto written = co_await (*file)->write_durable(i * storage::disk_block_bytes, block.span());
        if (!written) out.problem = written.error().message();
        out.each_us.push_back(static_cast<double>((home.time().steady() - begun).count()) / 1e3);
    }
    out.how = disk.describe();
    file->reset();
    static_cast<void>(co_await disk.remove(path));
}

disk_probe probe(const std::string& folder) {
    disk_probe out;
    runtime::shard_limits limits;
    limits.pinned = false;
    runtime::shard_group group(1, limits);
    group.start();
    group.run_and_wait(0, [&] { return probe_disk(folder, out); });
    group.stop();
    return out;
}

finding judge_writer(const std::string& how) {
    finding out{"log_writer", health::good, how, ""};
    if (how.find("O_DIRECT") == std::string::npos) {
        out.verdict = health::warning;
        out.advice = "the file system refuses O_DIRECT: each write is copied through the page cache";
    } else if (how.find("io_uring") == std::string::npos) {
        out.advice = "the kernel refuses io_uring (often a container's seccomp profile): a thread writes instead";
    }
    return out;
}

// The nearest folder that exists: the data directory itself is made at the first start.
std::string existing_part(const std::string& path) {
    std::error_code ignored;
    std::filesystem::path at = std::filesystem::absolute(path, ignored);
    while (!at.empty() && !std::filesystem::is_directory(at, ignored) && at != at.parent_path()) at = at.parent_path();
    return at.string();
}

}  // namespace

finding judge_file_system(std::uint64_t magic) {
    for (const auto& known : file_systems)
        if (known.magic == magic) return {"file_system", known.verdict, known.name, known.advice};
    char text[32];
    std::snprintf(text, sizeof text, "unknown (0x%llx)", static_cast<unsigned long long>(magic));
    return {"file_system", health::warning, text, "Weir is tested on ext4 and xfs"};
}

finding judge_sync_times(std::vector<double> each_us) {
    std::sort(each_us.begin(), each_us.end());
    const auto at = [&](double part) { return each_us[static_cast<std::size_t>(part * double(each_us.size() - 1))]; };
    char text[120];
    std::snprintf(text, sizeof text, "4 KiB durable write: p50 %.0f us, p99 %.0f us", at(0.5), at(0.99));
    finding out{"sync_time", health::good, text, ""};
    if (at(0.5) > sync_slow_us) {
        out.verdict = health::warning;
        out.advice =
            "every accepted execution waits for one of these; a disk with power-loss protection takes far less";
    } else if (at(0.5) < sync_unbelievable_us) {
        out.verdict = health::warning;
        out.advice = "no disk stores anything so fast: it, or the virtual machine's host, may answer before it has";
    }
    return out;
}

finding judge_free_space(std::uint64_t bytes) {
    finding out{"free_space", health::good, human_bytes(bytes), ""};
    if (bytes < free_space_good_bytes) {
        out.verdict = health::warning;
        out.advice = "posts are refused with 507 while the disk is full";
    }
    return out;
}

std::vector<finding> check_disk(const std::string& data_directory) {
    const std::string folder = existing_part(data_directory);
    struct statfs about{};
    if (statfs(folder.c_str(), &about) != 0)
        return {{"data_directory", health::problem, folder + ": " + runtime::last_error().message(), ""}};
    std::vector<finding> out;
    out.push_back({"data_directory", health::good, folder, ""});
    out.push_back(judge_file_system(static_cast<std::uint32_t>(about.f_type)));
    out.push_back(
        judge_free_space(static_cast<std::uint64_t>(about.f_bavail) * static_cast<std::uint64_t>(about.f_bsize)));
    const disk_probe probed = probe(folder);
    if (!probed.problem.empty()) {
        out.push_back({"log_writer", health::problem, "a durable write failed: " + probed.problem,
                       "the server must be allowed to write there"});
        return out;
    }
    out.push_back(judge_writer(probed.how));
    out.push_back(judge_sync_times(probed.each_us));
    return out;
}

}  // namespace app::cli
